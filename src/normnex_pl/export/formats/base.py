"""The interface of formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path


class ExportFormat(ABC):
    """A format in which a run leaves for other programs."""

    @abstractmethod
    def write(self, run_folder: Path, target: Path) -> Path:
        """Write a run, whole or not at all.

        Args:
            run_folder: Of a trained and baked run.
            target: The folder or file to write.

        Returns:
            What was written.

        Raises:
            UserError: The run isn't baked or is damaged, or the target holds something else.
        """
