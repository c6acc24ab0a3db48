"""setup.cfg, constraints.txt and environment.yml say the same, and the code imports nothing else."""

from __future__ import annotations

import ast
import configparser
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import normnex_pl

ROOT = Path(__file__).parents[2]


def read_setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def requirements(text: str) -> dict[str, Requirement]:
    parsed = [Requirement(line) for line in text.splitlines() if line.strip()]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


def runtime() -> dict[str, Requirement]:
    return requirements(read_setup()["options"]["install_requires"])


def extras() -> dict[str, dict[str, Requirement]]:
    section = read_setup()["options.extras_require"]
    return {name: requirements(text) for name, text in section.items()}


def pins() -> dict[str, Requirement]:
    lines = (line.partition("#")[0] for line in (ROOT / "constraints.txt").read_text().splitlines())
    return requirements("\n".join(lines))


def as_text(named: dict[str, Requirement]) -> dict[str, str]:
    """Map names to extras and range in one spelling, whatever the order in the file."""
    return {name: f"{sorted(one.extras)} {one.specifier}" for name, one in named.items()}


def test_conda_gets_the_packages_and_ranges_of_setup_cfg() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    packages = [line for line in pip if not line.startswith("--")]
    assert as_text(requirements("\n".join(packages))) == as_text(runtime())


def test_conda_installs_the_pinned_versions_and_the_package_itself() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert "--constraint constraints.txt" in pip
    assert "--editable ." in pip


def test_conda_takes_the_oldest_python_that_setup_cfg_allows() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    allowed = Requirement("python" + read_setup()["options"]["python_requires"]).specifier
    (python,) = (entry for entry in environment["dependencies"] if str(entry).startswith("python="))
    version = python.removeprefix("python=")
    assert str(allowed) == f">={version}"


def test_every_direct_dependency_is_pinned_and_nothing_else_is() -> None:
    direct = set(runtime()).union(*extras().values())
    assert set(pins()) == direct


def test_pins_name_one_version() -> None:
    for requirement in pins().values():
        assert [one.operator for one in requirement.specifier] == ["=="], requirement


@pytest.mark.parametrize("group", ["runtime", *extras()])
def test_pins_lie_within_the_ranges(group: str) -> None:
    chosen = pins()
    for name, requirement in (runtime() if group == "runtime" else extras()[group]).items():
        (pin,) = chosen[name].specifier
        assert requirement.specifier.contains(pin.version), f"{pin} is not in {requirement}"


def test_the_version_can_be_read_without_importing_the_package() -> None:
    """The build has no torch: setuptools takes `attr:` from the source only if it is a plain literal."""
    tree = ast.parse((ROOT / "src/normnex_pl/__init__.py").read_text())
    literals = {
        target.id: statement.value.value
        for statement in tree.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    assert literals["__version__"] == normnex_pl.__version__


def top_level_imports(folder: Path) -> dict[str, Path]:
    """Map each imported top-level module to a file that imports it."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            else:
                continue
            found |= {name.partition(".")[0]: path for name in names}
    return found


# Used on a GPU alone; the package looks whether they are there, and does without.
OPTIONAL = ("triton", "gsplat")


def test_the_package_imports_only_what_setup_cfg_declares() -> None:
    """Compare the imports with the requirements, so that none relies on another package's dependencies."""
    declared = set(runtime()).union(*extras().values())
    owners = packages_distributions()
    for module, path in top_level_imports(ROOT / "src").items():
        if module in sys.stdlib_module_names or module in ("normnex_pl", *OPTIONAL):
            continue
        # A distribution that is one compiled file, as OpenEXR's, is called as its module is.
        owner = {canonicalize_name(name) for name in owners.get(module, [module])}
        assert owner & declared, f"{path.relative_to(ROOT)} imports {module}, which setup.cfg does not name"
