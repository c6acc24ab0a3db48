"""LightningCLI with a run folder: ``normnex fit | validate | test``."""

from __future__ import annotations

import os
from argparse import ArgumentError, Namespace
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import Logger
from typing_extensions import override

from normnex_pl.core.errors import UserError
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.training.callbacks import (
    ComponentPictures,
    EvaluationWriter,
    FiniteLossGuard,
    InitialPlanes,
    LastCheckpoint,
    RankCheck,
    RecordKeeper,
    RunProgressBar,
    StopOnSignal,
    ValidationWriter,
)
from normnex_pl.training.callbacks.evaluation import RunName
from normnex_pl.training.callbacks.pictures import PictureSettings
from normnex_pl.training.configurations import whole_text
from normnex_pl.training.initialization import Initialization
from normnex_pl.training.lightning import check_trainer, quieten_lightning
from normnex_pl.training.loggers import RunIdentity, RunLogger
from normnex_pl.training.loggers.metrics_csv import MetricsCSV
from normnex_pl.training.loggers.weights_and_biases import ending_run
from normnex_pl.training.memory.plan import MemoryPlan, MemorySettings
from normnex_pl.training.module import NormNeXModule
from normnex_pl.training.run_folder import RunFolder, RunSettings
from normnex_pl.training.run_identity import check_config_files, identity, parse_settings
from normnex_pl.training.run_start import check_writable, checkpoint_to_resume, store_run, warn_of
from normnex_pl.training.run_weights import check_scene

_FIT = "fit"


class SettingsParser(LightningArgumentParser):
    """Lightning's parser, for YAML files that may name the file that they differ from."""

    @override
    def parse_string(self, content: str, path: str | os.PathLike[str] = "", **kwargs: Any) -> Any:
        # When it reads a file, the parser makes the file's folder the working directory.
        return super().parse_string(whole_text(content, Path.cwd()), path, **kwargs)


class NormNeXCLI(LightningCLI):
    """``normnex fit | validate | test``: LightningCLI with a run folder."""

    @override
    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return the subcommands, and the trainer's arguments that aren't settings."""
        return {
            "fit": {"model", "train_dataloaders", "val_dataloaders", "datamodule"},
            "validate": {"model", "dataloaders", "datamodule"},
            "test": {"model", "dataloaders", "datamodule"},
        }

    @override
    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the run's settings, and take the geometry from the scene."""
        parser.add_class_arguments(RunSettings, "run")
        parser.add_class_arguments(PictureSettings, "pictures")
        parser.add_class_arguments(MemorySettings, "memory")
        parser.add_subclass_arguments(Initialization, "initialization", help="initial planes")
        parser.add_argument("--checkpoint_every", type=int, default=1000, help="steps between checkpoints")
        parser.add_argument(
            "--loggers", type=list[RunLogger], default=[], help="logs beside metrics.csv, such as W&B"
        )
        parser.add_argument(
            "--after_fit",
            type=Literal["test", "validate"],
            default="test",
            help="views to score the trained model on: held out, or left out of the training ones",
        )
        parser.link_arguments("data.geometry", "model.geometry", asdict, apply_on="instantiate")
        parser.link_arguments("data.num_train_views", "model.num_views", apply_on="instantiate")

    @override
    def before_instantiate_classes(self) -> None:
        """Check settings and find the run folder before anything slow happens."""
        config = self.config[self.subcommand]
        self.run = RunFolder.of(RunSettings(**config.run), Path(config.data.scene))
        validates = self.subcommand == "validate" or config.get("after_fit") == "validate"
        if validates and not config.data.num_validation_views:
            raise UserError(
                "data.num_validation_views: expected at least 1 to validate on, found 0. "
                "Leave out as many as in training, or use `normnex test`."
            )
        check_trainer(config.trainer)
        config.weights_only = True  # checkpoints are data: nothing in them is executed
        if self.subcommand != "fit":
            config.ckpt_path = str(config.ckpt_path or self.run.existing_checkpoint())

    @override
    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Add what every run writes: checkpoints, scalars, pictures, scores."""
        self._check_run()
        config = self.config_init[self.subcommand]
        name = RunName(self.datamodule.scene.name, config.run.variant, config.run.preset)
        record = RecordKeeper()
        last = LastCheckpoint(self.run.checkpoint, config.checkpoint_every)
        self.validation = ValidationWriter(self.run)
        callbacks = [
            MemoryPlan(config.memory),
            RunProgressBar(),
            record,
            FiniteLossGuard(self.run.checkpoint),
            RankCheck(self.run.checkpoint),
            last,
            StopOnSignal(last),
            # After the checkpoint: an error in drawing costs no training.
            ComponentPictures(self.run, self._pictures(config), record),
            self.validation,
        ]
        if not self._spares_test_views(config):
            callbacks.append(EvaluationWriter(self.run, name))
        if self.subcommand == "fit" and not self.run.checkpoint.exists():
            callbacks.append(InitialPlanes(config.initialization))
        trainer_config = {**config.trainer, "callbacks": [*(config.trainer.callbacks or []), *callbacks]}
        # An evaluation would log at step 0, and a row drops those of later steps.
        trainer_config["logger"] = self._loggers(config) if self.subcommand == "fit" else False
        trainer_config |= {"default_root_dir": self.run.path, "enable_checkpointing": False}
        if not self.datamodule.validation_views:
            trainer_config["limit_val_batches"] = 0
        return self._instantiate_trainer(trainer_config, [])

    def _check_run(self) -> None:
        """Refuse a run that can't start or go on here, and find the checkpoint to go on from."""
        config = self.config_init[self.subcommand]
        if self.subcommand == _FIT:
            checkpoint = checkpoint_to_resume(self.run, self._settings(), self.datamodule)
            config.ckpt_path = config.ckpt_path if checkpoint is None else str(checkpoint)
        else:
            check_scene(Path(config.ckpt_path), self.datamodule)
            check_writable(self.run)

    def _settings(self) -> str:
        """Return the configuration as YAML, as the run folder holds it."""
        return str(self._parser(self.subcommand).dump(self.config[self.subcommand], skip_unset=False))

    def _spares_test_views(self, config: Namespace) -> bool:
        """Return whether this is a training that neither scores nor shows held-out views."""
        return self.subcommand == "fit" and bool(config.after_fit == "validate")

    def _pictures(self, config: Namespace) -> PictureSettings:
        """Return the settings of pictures; where held-out views stay unseen, of the first left-out one."""
        settings: PictureSettings = config.pictures
        if self._spares_test_views(config) and settings.views is None:
            view = self.datamodule.scene.views[self.datamodule.validation_views[0]]
            return replace(settings, views=[view.name])
        return settings

    def _loggers(self, config: Namespace) -> list[Logger]:
        """Return the loggers: ``metrics.csv``, and those of the settings."""
        settings = parse_settings(self._settings())
        scene = self.datamodule.scene.name
        names = (scene, config.run.variant, config.run.preset, config.seed_everything)
        run = RunIdentity(*names, self.run.path, identity(settings))
        resolved = settings | {"geometry": asdict(self.datamodule.geometry)}
        return [MetricsCSV(self.run.metrics_csv), *(kind.open(run, resolved) for kind in config.loggers)]

    def before_fit(self) -> None:
        """Store what the run is, and say what speaks against training on its scene."""
        if self.trainer.is_global_zero:
            store_run(self.run, self._settings(), self.datamodule)
            warn_of(self.datamodule.scene, self.model.mpi.layout.num_planes)

    def after_fit(self) -> None:
        """Score the held-out views; or the left-out ones, unless the last step has just done so."""
        if self.config_init[self.subcommand].after_fit == "test":
            self.trainer.test(self.model, datamodule=self.datamodule, verbose=False)
        elif self.validation.validated_step != self.trainer.global_step:
            self.trainer.validate(self.model, datamodule=self.datamodule, verbose=False)


class _Parsed(Exception):
    """Exception that ends a command line after parsing; its argument is the YAML of all settings."""


class _ParsingCLI(NormNeXCLI):
    """A CLI that only parses ``normnex fit``: no seed is set, nothing is instantiated."""

    @override
    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        super().parse_arguments(parser, args)
        raise _Parsed(self._parser(_FIT).dump(self.config[_FIT], skip_unset=False))


def run_command(args: Sequence[str], kind: type[NormNeXCLI] = NormNeXCLI) -> None:
    """Run ``fit``, ``validate`` or ``test``.

    Args:
        args: The subcommand and its arguments.
        kind: For programs that run it with more callbacks.

    Raises:
        UserError: A setting or a file can't be used.
        ArgumentError: An argument is unknown, missing or of another type.
        RunStoppedError: The training was asked to stop, and saved its checkpoint.
    """
    quieten_lightning()
    check_config_files(args)
    try:
        with ending_run():
            kind(
                NormNeXModule,
                SceneDataModule,
                save_config_callback=None,
                seed_everything_default=0,
                auto_configure_optimizers=False,
                parser_class=SettingsParser,
                parser_kwargs={"parser_mode": "yaml", "exit_on_error": False},
                args=list(args),
            )
    except ValueError as error:
        # The parser wraps what constructors of list items raise.
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from error
        raise


def resolved_config(words: Sequence[str]) -> str:
    """Return all settings of ``normnex fit`` as YAML, as its run folder would have them; nothing is run.

    Args:
        words: The arguments that follow ``fit``.

    Raises:
        UserError: They are refused.
    """
    try:
        run_command([_FIT, *words], _ParsingCLI)
    except _Parsed as parsed:
        return str(parsed)
    except ArgumentError as error:
        raise UserError(str(error)) from error
    raise AssertionError("unreachable")
