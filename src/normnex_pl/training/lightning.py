"""Settings of Lightning that are refused, and messages of Lightning that are suppressed."""

from __future__ import annotations

import logging
import warnings
from argparse import Namespace

from pytorch_lightning.utilities.warnings import PossibleUserWarning

from normnex_pl.core.errors import UserError

_SCALED_GRADIENTS = ("16", "16-mixed")


def check_trainer(config: Namespace) -> None:
    """Refuse settings of Lightning's trainer that mean something else here, or have no effect.

    Args:
        config: The configuration's part ``trainer``.

    Raises:
        UserError: It has one of these.
    """
    if config.accumulate_grad_batches != 1:
        raise UserError(
            f"trainer.accumulate_grad_batches: expected 1, found {config.accumulate_grad_batches}. "
            "Raise data.rays_per_step instead."
        )
    if str(config.precision) in _SCALED_GRADIENTS:
        raise UserError(
            f"trainer.precision: expected 32-true or bf16-mixed, found {config.precision}. It scales the "
            "gradients of rays, but not those of stored textures that are added to them. Use bf16-mixed."
        )
    if config.max_steps == -1 and config.max_epochs == -1:
        raise UserError(
            "trainer.max_steps, trainer.max_epochs: expected a limit, found -1 for both. The schedule of the "
            "learning rates needs the length of the training."
        )


def quieten_lightning() -> None:
    """Suppress messages of Lightning that a user can't act on."""
    # "GPU available", advertisements, "max_steps reached", paths of checkpoints; warnings are still shown.
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Lightning 2.6 with torch 2.14.
    warnings.filterwarnings("ignore", r".isinstance\(treespec, LeafSpec\)", FutureWarning)
    # It counts the steps of one epoch; rows are logged by the step of the whole training.
    warnings.filterwarnings("ignore", "The number of training batches", PossibleUserWarning)
    # What is logged after a validation is the same on all ranks already.
    warnings.filterwarnings("ignore", "It is recommended to use `self.log", PossibleUserWarning)
    # Torch 2.14 has another name for it, which older versions don't know.
    warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
    # Arguments of a run follow from those of the command, which Lightning also finds in sys.argv.
    warnings.filterwarnings("ignore", "LightningCLI's args parameter is intended to run", UserWarning)
    # A single process is fine on a cluster too, on its login node or within an allocation.
    warnings.filterwarnings("ignore", "The `srun` command is available", PossibleUserWarning)
