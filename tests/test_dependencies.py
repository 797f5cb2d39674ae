"""One list of dependencies: what the lock, conda, Binder and the docs say is what pyproject.toml says."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
DIRECT = [
    Requirement(line) for line in (*PROJECT["dependencies"], *(line for lines in EXTRAS.values() for line in lines))
]


def pins() -> list[Requirement]:
    return [Requirement(line) for line in (ROOT / "tools/constraints.txt").read_text().splitlines()]


def version(pin: Requirement) -> str:
    return next(iter(pin.specifier)).version


@pytest.mark.parametrize("wanted", DIRECT, ids=lambda wanted: wanted.name)
def test_every_dependency_is_locked(wanted: Requirement) -> None:
    locked = [pin for pin in pins() if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
    assert locked, f"{wanted.name} is not in requirements.lock: make lock"
    assert all(wanted.specifier.contains(version(pin)) for pin in locked), "requirements.lock is old: make lock"


def test_every_pin_has_hashes() -> None:
    text = (ROOT / "requirements.lock").read_text()
    blocks = re.findall(r"^[\w.-]+==.*(?:\n .*)*", text, re.M)
    assert len(blocks) == len(pins())
    assert all("--hash=sha256:" in block for block in blocks)
    assert "index-url" not in text


def test_constraints_are_the_lock_without_hashes() -> None:
    command = [str(ROOT / "tools/constraints"), str(ROOT / "requirements.lock")]
    stripped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert stripped == (ROOT / "tools/constraints.txt").read_text(), "make lock writes both"


def test_conda_and_binder_name_no_package_of_their_own() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert environment["name"] == "iolab"
    python, pip, under_pip = environment["dependencies"]
    assert re.fullmatch(r"python=3\.1[1-4]", python) and pip == "pip"
    assert under_pip == {"pip": ["-c tools/constraints.txt", "-e .[models]"]}
    assert "models" in EXTRAS and (ROOT / "tools/constraints.txt").exists()


def test_docs_explain_every_dependency() -> None:
    rows = re.findall(r"^\| `([\w.-]+)` \| (.+) \| (.+) \|$", (ROOT / "docs/dependencies.md").read_text(), re.M)
    assert sorted(name for name, _, _ in rows) == sorted([*(each.name for each in DIRECT), "uv"])


def test_docs_count_what_is_locked() -> None:
    packages = {canonicalize_name(pin.name) for pin in pins()}
    assert f"{len(packages)} packages in {len(pins())} pins" in (ROOT / "docs/dependencies.md").read_text()
