"""The interface of an export format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar


class ExportFormat(ABC):
    """A format that other programs read.

    Attributes:
        name: On the command line.
        summary: What is written, in a line.
        loses: What the format can't hold of a model, in a line.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    loses: ClassVar[str]

    @abstractmethod
    def write(self, run: Path, target: Path) -> Path:
        """Export a run, whole or not at all.

        Args:
            run: Folder of the run.
            target: A new or empty folder, or an earlier export of the same format, which is replaced.

        Returns:
            What a user should open or copy.

        Raises:
            UserError: The run lacks what the format needs, a file is damaged, or the target holds something.
        """
