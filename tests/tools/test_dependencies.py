"""One list of dependencies: what the lock, conda, Binder and the docs say is what pyproject.toml says."""

import re
import subprocess
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


BOOK = {Requirement(line).name for line in EXTRAS["book"]}


def pins(file: str = "tools/constraints.txt") -> list[Requirement]:
    lines = (ROOT / file).read_text().splitlines()
    return [Requirement(line.rstrip(" \\")) for line in lines if line and line[0] not in "# "]


def version(pin: Requirement) -> str:
    return next(iter(pin.specifier)).version


@pytest.mark.parametrize("wanted", DIRECT, ids=lambda wanted: wanted.name)
def test_every_dependency_is_locked(wanted: Requirement) -> None:
    lock = "tools/book.txt" if wanted.name in BOOK else "requirements.lock"
    locked = [pin for pin in pins(lock) if canonicalize_name(pin.name) == canonicalize_name(wanted.name)]
    assert locked, f"{wanted.name} is not in {lock}: make lock"
    assert all(wanted.specifier.contains(version(pin)) for pin in locked), f"{lock} is old: make lock"


@pytest.mark.parametrize("lock", ["requirements.lock", "tools/book.txt", "tools/uv.txt"])
def test_every_pin_has_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text()
    blocks = re.findall(r"^[\w.-]+==.*(?:\n .*)*", text, re.M)
    assert len(blocks) == len(pins(lock)) > 0
    assert all("--hash=sha256:" in block for block in blocks)
    assert "index-url" not in text


def test_the_book_is_made_with_what_the_course_is_pinned_to() -> None:
    course = {str(pin).replace(" ", "") for pin in pins()}
    names = {pin.name for pin in pins() if not pin.marker}
    shared = {str(pin).replace(" ", "") for pin in pins("tools/book.txt") if pin.name in names}
    assert shared and {pin.split(";")[0] for pin in shared} <= {pin.split(";")[0] for pin in course}


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


def test_docs_list_the_licence_of_every_package() -> None:
    rows = dict(re.findall(r"^\| `([\w.-]+)` \| (.+) \|$", licences.LIST.read_text(), re.M))
    found, everywhere = licences.licences(), {canonicalize_name(pin.name) for pin in pins() if not pin.marker}
    assert everywhere <= set(rows), "python -m tools.licences writes the page"
    assert {name: text for name, text in rows.items() if name in found}.items() <= found.items()
