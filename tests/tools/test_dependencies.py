"""One list of dependencies: what the lock, conda, Binder and the docs say is what pyproject.toml says."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools import licences

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
DIRECT = [
    Requirement(line) for line in (*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines))
]

LOCK = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
LOCKED = {package["name"]: package for package in LOCK if "registry" in package["source"]}
PYPI = "https://pypi.org/simple"


@pytest.mark.parametrize("wanted", DIRECT, ids=lambda wanted: wanted.name)
def test_every_dependency_is_locked(wanted: Requirement) -> None:
    package = LOCKED.get(canonicalize_name(wanted.name))
    assert package, f"{wanted.name} is not in uv.lock: make lock"
    assert wanted.specifier.contains(package["version"]), "uv.lock is old: make lock"


def test_every_python_gets_the_same_version() -> None:
    assert sorted(package["name"] for package in LOCK) == sorted({package["name"] for package in LOCK})


def test_every_file_has_a_hash_and_comes_from_pypi() -> None:
    for package in LOCKED.values():
        files = [*package.get("wheels", ()), *filter(None, [package.get("sdist")])]
        assert files and package["source"] == {"registry": PYPI}
        assert all(file["hash"].startswith("sha256:") for file in files)
        assert all(file["url"].startswith("https://files.pythonhosted.org/") for file in files)


@pytest.mark.parametrize(
    ("file", "options"),
    [
        ("constraints.txt", ["--no-hashes", "--no-emit-project", "--no-annotate", "--extra", "models"]),
        ("tools/setup.txt", ["--only-group", "setup", "--no-annotate"]),
    ],
)
def test_what_pip_reads_is_the_lock(file: str, options: list[str]) -> None:
    command = [str(Path(sys.executable).with_name("uv")), "export", "--quiet", "--frozen", "--no-header", *options]
    exported = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines = (ROOT / file).read_text().splitlines(keepends=True)
    assert "".join(line for line in lines if not line.startswith("#")) == exported, "make lock writes both"


def test_conda_and_binder_name_no_package_of_their_own() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == "iolab"
    python, pip, under_pip = environment["dependencies"]
    assert re.fullmatch(r"python=3\.1[1-4]", python) and pip == "pip"
    assert under_pip == {"pip": ["-c constraints.txt", "-e .[models]"]}
    assert "models" in EXTRAS and (ROOT / "constraints.txt").exists()


def test_docs_explain_every_dependency() -> None:
    rows = re.findall(r"^\| `([\w.-]+)` \| (.+) \| (.+) \|$", (ROOT / "docs/dependencies.md").read_text(), re.M)
    assert sorted(name for name, _, _ in rows) == sorted([*(each.name for each in DIRECT), "uv"])


def test_docs_count_what_is_locked() -> None:
    assert f"The lock holds {len(LOCKED)} packages" in (ROOT / "docs/dependencies.md").read_text()


def test_docs_list_the_licence_of_every_package() -> None:
    rows = dict(re.findall(r"^\| `([\w.-]+)` \| (.+) \|$", licences.LIST.read_text(), re.M))
    assert licences.licences().items() <= rows.items(), "python -m tools.licences writes the page"
