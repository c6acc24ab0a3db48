"""Weights & Biases: online where there is an account and a network, else into the run folder."""

from __future__ import annotations

import logging
import netrc
import os
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_only
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.training.loggers.base import RunIdentity, RunLogger

_LOG = logging.getLogger(__name__)
_PATIENCE = 3.0  # seconds to wait for the server's answer
_TAG_LENGTH = 64


class WandB(RunLogger):
    """Log to W&B, online or offline: an offline run lies in ``<run folder>/wandb/`` until ``wandb sync``.

    Runs without an account (no ``WANDB_API_KEY``, no ``wandb login``) are offline, and so are those whose
    server doesn't answer within seconds. ``WANDB_MODE`` takes precedence. A resumed run, such as a requeued
    job, is the same W&B run: its id is derived (`RunIdentity.id`).

    Args:
        project: W&B's project; ``WANDB_PROJECT`` takes precedence.
        entity: The user or team; None for the account's own, or ``WANDB_ENTITY``.
        checkpoints: Whether the last checkpoint is stored as an artefact when the training ends.
    """

    def __init__(
        self, project: str = "normnex", entity: str | None = None, checkpoints: bool = False
    ) -> None:
        self.project = project
        self.entity = entity
        self.checkpoints = checkpoints

    @override
    def open(self, run: RunIdentity, config: Mapping[str, Any]) -> Logger:
        names: dict[str, Any] = {"name": run.name, "group": run.group, "tags": _tags(run)}
        if "WANDB_SWEEP_ID" not in os.environ:  # an agent's run has the sweep's id and place
            names |= {
                "id": os.environ.get("WANDB_RUN_ID", run.id),
                "project": os.environ.get("WANDB_PROJECT", self.project),
                "entity": os.environ.get("WANDB_ENTITY", self.entity),
            }
        return _RunAtWandB(run.folder, config, names, self.checkpoints)


class _RunAtWandB(WandbLogger):
    """Lightning's logger with the complete configuration, a mode of `choose_mode`, and no output."""

    def __init__(
        self, folder: Path, config: Mapping[str, Any], names: dict[str, Any], checkpoints: bool
    ) -> None:
        super().__init__(save_dir=folder, config=dict(config), job_type="fit", **names)
        self._wandb_init["project"] = names.get("project")  # not Lightning's default in a sweep
        del self._wandb_init["anonymous"]  # W&B warns of it, whatever it is
        self._checkpoints = checkpoints
        self._checkpoint: Path | None = None
        self._lost = False

    @property
    @rank_zero_experiment
    @override
    def experiment(self) -> Any:
        """The W&B run, which starts at the first access."""
        if self._experiment is None:
            import wandb

            Path(self._wandb_init["dir"]).mkdir(parents=True, exist_ok=True)
            mode = choose_mode()
            settings = wandb.Settings(silent=True, disable_job_creation=True)
            self._wandb_init |= {"mode": mode, "settings": settings}
            try:
                run = super().experiment
            except wandb.Error as error:
                raise UserError(
                    f"W&B: expected to log in, found: {error} Log in again (wandb login), or keep the run "
                    "here (WANDB_MODE=offline)."
                ) from error
            folder = Path(run.dir).parent
            where = run.url if mode == "online" else f"offline, to upload: wandb sync {folder}"
            _LOG.info("W&B: %s", where)
        return self._experiment

    @override
    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log as long as W&B's own process lives; without it the training goes on, at least to a checkpoint.

        A cluster that ends a job signals all of its processes at once, and that one doesn't wait for the
        training.
        """
        try:
            super().log_metrics(metrics, step)
        except ConnectionError:
            if not self._lost:
                _LOG.warning(
                    "W&B: its process has ended. Nothing more is logged there until the run is resumed."
                )
            self._lost = True

    @override
    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Ignore them: the run has the resolved configuration, which says more."""

    @override
    @rank_zero_only
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """Remember where the newest checkpoint is."""
        self._checkpoint = checkpoint_callback.path

    @override
    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Upload the last checkpoint, if asked to, once the training has ended."""
        if status == "success" and self._checkpoints and self._checkpoint is not None:
            import wandb

            run = self.experiment
            artifact = wandb.Artifact(f"checkpoint-{run.id}", type="model")
            artifact.add_file(str(self._checkpoint))
            run.log_artifact(artifact, aliases=["last"])
            self._checkpoint = None


def choose_mode(patience: float = _PATIENCE) -> str:
    """Return W&B's mode for a run that may neither ask nor wait.

    Args:
        patience: Seconds to wait for the server's answer.
    """
    import wandb

    settings = wandb.setup().settings  # of files and of the environment
    if settings.mode != "online":
        return settings.mode
    if not has_account(settings):
        return "offline"
    if answers(settings.base_url, patience):
        return "online"
    _LOG.warning(
        "W&B: %s doesn't answer within %g s. The run is stored in its folder.", settings.base_url, patience
    )
    return "offline"


def has_account(settings: Any) -> bool:
    """Return whether W&B would find credentials where it looks for them.

    W&B's own check would contact the server too.
    """
    if settings.api_key or settings.identity_token_file:
        return True
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        host = urllib.parse.urlsplit(settings.base_url).hostname
        return netrc.netrc(path).authenticators(host or "") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def answers(url: str, patience: float) -> bool:
    """Return whether a web server answers in time at all, through proxies where there are any.

    It runs in a thread, since a name lookup has no timeout.
    """
    answered = threading.Event()

    def ask() -> None:
        try:
            urllib.request.urlopen(url, timeout=patience).close()
        except urllib.error.HTTPError:
            pass  # an answer too
        except (OSError, ValueError):
            return
        answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience)
    return answered.is_set()


@contextmanager
def ending_run() -> Iterator[None]:
    """End the process's W&B run on exit, if there is one, and wait until all of it is written or sent."""
    failed = True
    try:
        yield
        failed = False
    finally:
        wandb = sys.modules.get("wandb")
        if wandb is not None and wandb.run is not None:
            # A cluster that ends a job ends W&B's process too, and first: see `_RunAtWandB.log_metrics`.
            with suppress(ConnectionError):
                wandb.finish(exit_code=int(failed))
            with suppress(ConnectionError):
                wandb.teardown()  # finishing alone leaves the last page of an offline run's file to write


def _tags(run: RunIdentity) -> list[str]:
    return [tag[:_TAG_LENGTH] for tag in run.tags]
