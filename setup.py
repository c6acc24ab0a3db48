"""The part of the build that setup.cfg can't state: a wheel also has the configurations of experiments/.

A mapped package (`package_dir`) would do the same, but makes an import hook of editable installations, which
editors and type checkers can't follow.
"""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# Scripts stay behind.
CONFIGURATIONS = (
    *("base.yaml", "ddp.yaml", "ablations.yaml", "shared/*.yaml", "variants/*.yaml", "presets/*.yaml"),
    *("loggers/*.yaml", "sweeps/*.yaml"),
)


class BuildWithConfigurations(build_py):
    """Copy the configurations, too; an editable installation reads those of the checkout."""

    def run(self) -> None:
        """Build."""
        super().run()
        if self.editable_mode:
            return
        source, target = Path("experiments"), Path(self.build_lib) / "normnex_pl" / "experiments"
        for path in (path for pattern in CONFIGURATIONS for path in sorted(source.glob(pattern))):
            place = target / path.relative_to(source)
            self.mkpath(str(place.parent))
            self.copy_file(str(path), str(place))


setup(cmdclass={"build_py": BuildWithConfigurations})
