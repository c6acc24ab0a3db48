"""LightningCLI with a run folder: ``normnex fit | validate | test``."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import Logger

from normnex_pl.core.errors import UserError
from normnex_pl.data.datamodule import SceneDataModule
from normnex_pl.data.scene.sidecars import planes_text
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
from normnex_pl.training.initialization import Initialization
from normnex_pl.training.lightning import check_trainer, quieten_lightning
from normnex_pl.training.loggers import RunIdentity, RunLogger
from normnex_pl.training.loggers.metrics_csv import MetricsCSV
from normnex_pl.training.loggers.weights_and_biases import ending_run
from normnex_pl.training.memory.plan import MemoryPlan, MemorySettings
from normnex_pl.training.module import NormNeXModule
from normnex_pl.training.run_folder import RunFolder, RunSettings
from normnex_pl.training.run_identity import check_config_files, identity, parse_settings
from normnex_pl.training.run_weights import check_geometry

_OTHERS = "And `normnex inspect SCENE` looks at a scene before training on it."


class NormNeXCLI(LightningCLI):
    """``normnex fit | validate | test``: LightningCLI with a run folder."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """What can be done, and the arguments that are not the user's."""
        return {
            "fit": {"model", "train_dataloaders", "val_dataloaders", "datamodule"},
            "validate": {"model", "dataloaders", "datamodule"},
            "test": {"model", "dataloaders", "datamodule"},
        }

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the run's settings, and take the geometry from the scene."""
        parser.add_class_arguments(RunSettings, "run")
        parser.add_class_arguments(PictureSettings, "pictures")
        parser.add_class_arguments(MemorySettings, "memory")
        parser.add_subclass_arguments(Initialization, "initialization", help="what the planes start from")
        parser.add_argument(
            "--checkpoint_every", type=int, default=1000, help="steps between two checkpoints"
        )
        parser.add_argument(
            "--loggers", type=list[RunLogger], default=[], help="beside metrics.csv, such as W&B"
        )
        parser.add_argument(
            "--after_fit",
            type=Literal["test", "validate"],
            default="test",
            help="the views that judge the trained model: held out, or left out of the training ones",
        )
        parser.link_arguments("data.geometry", "model.geometry", asdict, apply_on="instantiate")

    def before_instantiate_classes(self) -> None:
        """Find the run folder before anything slow happens."""
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

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """Add what every run folder holds: checkpoints, scalars, pictures, scores."""
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
            # Behind the checkpoint: what goes wrong in drawing costs no training.
            ComponentPictures(self.run, self._pictures(config), record),
            self.validation,
        ]
        if not self._spares_test_views(config):
            callbacks.append(EvaluationWriter(self.run, name))
        if self.subcommand == "fit" and not self.run.checkpoint.exists():
            callbacks.append(InitialPlanes(config.initialization))
        trainer_config = {**config.trainer, "callbacks": [*(config.trainer.callbacks or []), *callbacks]}
        # Evaluation logs at step 0, and a row drops those of later steps.
        trainer_config["logger"] = self._loggers(config) if self.subcommand == "fit" else False
        trainer_config |= {"default_root_dir": self.run.path, "enable_checkpointing": False}
        if not self.datamodule.validation_views:
            trainer_config["limit_val_batches"] = 0
        return self._instantiate_trainer(trainer_config, [])

    def _spares_test_views(self, config: Namespace) -> bool:
        """Return whether this is a training that neither judges nor shows held-out views."""
        return self.subcommand == "fit" and bool(config.after_fit == "validate")

    def _pictures(self, config: Namespace) -> PictureSettings:
        """Of the settings' views; where the held-out ones shall stay unseen, of the first left-out one."""
        settings: PictureSettings = config.pictures
        if self._spares_test_views(config) and settings.views is None:
            view = self.datamodule.scene.views[self.datamodule.validation_views[0]]
            return replace(settings, views=[view.name])
        return settings

    def _loggers(self, config: Namespace) -> list[Logger]:
        """``metrics.csv``, and what was asked for beside it."""
        text = self._parser(self.subcommand).dump(self.config[self.subcommand], skip_unset=False)
        settings = parse_settings(text)
        scene = self.datamodule.scene.name
        names = (scene, config.run.variant, config.run.preset, config.seed_everything)
        run = RunIdentity(*names, self.run.path, identity(settings))
        resolved = settings | {"geometry": asdict(self.datamodule.geometry)}
        return [MetricsCSV(self.run.metrics_csv), *(kind.open(run, resolved) for kind in config.loggers)]

    def before_fit(self) -> None:
        """Store the configuration, or go on where the run stopped."""
        settings = self._parser(self.subcommand).dump(self.config[self.subcommand], skip_unset=False)
        self.run.check(settings)
        if self.run.checkpoint.exists():
            checkpoint = self.run.existing_checkpoint()
            check_geometry(checkpoint, self.datamodule.geometry)
            self.config_init[self.subcommand].ckpt_path = str(checkpoint)
        if self.trainer.is_global_zero:
            self.run.store(settings, planes_text(self.datamodule.scene))

    def before_test(self) -> None:
        """Refuse weights of another scene."""
        check_geometry(Path(self.config_init[self.subcommand].ckpt_path), self.datamodule.geometry)

    before_validate = before_test

    def after_fit(self) -> None:
        """Judge the held-out views; or the left-out ones, unless the last step just was."""
        if self.config_init[self.subcommand].after_fit == "test":
            self.trainer.test(self.model, datamodule=self.datamodule, verbose=False)
        elif self.validation.validated_step != self.trainer.global_step:
            self.trainer.validate(self.model, datamodule=self.datamodule, verbose=False)


def run_command(args: Sequence[str] | None = None, kind: type[NormNeXCLI] = NormNeXCLI) -> None:
    """Run the command line, errors and all.

    Args:
        args: The arguments; None takes those of the process.
        kind: For programs that run it with more callbacks.
    """
    quieten_lightning()
    check_config_files(sys.argv[1:] if args is None else args)
    with ending_run():
        kind(
            NormNeXModule,
            SceneDataModule,
            save_config_callback=None,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            parser_kwargs={"parser_mode": "yaml", "exit_on_error": False, "epilog": _OTHERS},
            args=list(args) if args is not None else None,
        )
