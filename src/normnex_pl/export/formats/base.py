"""The interface of an export format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from normnex_pl.core.types import Camera

CPU = torch.device("cpu")
# Renders what a camera sees, as sRGB in [0, 1], of shape [height, width, 3].
ViewRenderer = Callable[[Camera], Float[Tensor, "height width 3"]]


class NotMeasuredError(Exception):
    """A format can't be rendered here; the message says why."""


class ExportFormat(ABC):
    """A format that other programs read.

    Attributes:
        name: On the command line.
        summary: What is written, in a line.
        loses: What the format can't hold of a model, in a line.
    """

    name: str
    summary: str
    loses: str

    @abstractmethod
    def default_name(self, run: str) -> str:
        """Return the name of the file or folder that is written if the user names none.

        Args:
            run: Name of the run's folder.
        """

    @abstractmethod
    def write(self, run: Path, target: Path, device: torch.device = CPU) -> Path:
        """Export a run, whole or not at all.

        Args:
            run: Folder of the run.
            target: A new file or folder, or an earlier export of the same format, which is replaced; an empty
                folder, if the format is a folder.
            device: Where to compute.

        Returns:
            What a user should open or copy.

        Raises:
            UserError: The run lacks what the format needs, a file is damaged, or the target holds something.
        """

    @abstractmethod
    def open(self, path: Path, device: torch.device) -> ViewRenderer:
        """Read an export, for its score.

        Args:
            path: What `write` has returned.
            device: Where to render.

        Returns:
            A renderer of what the files hold.

        Raises:
            NotMeasuredError: There is no renderer of this format, or not here.
        """
