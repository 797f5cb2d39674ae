"""The servers of the world for lesson 10: recorded where they cannot be run, and ended where they can."""

import json
import os
import sys
from pathlib import Path

import pytest

from iolab import course, settings
from iolab.archive import xrays
from iolab.course.wild import WILD
from iolab.data import reference
from iolab.errors import UsageError
from iolab.xrays.facts import Facts
from iolab.xrays.model import Verdict
from tests.xrays.test_xray import traceable  # noqa: F401  a fixture

NAMES = [*WILD, "careless", "careful", "pool"]

MODELS = {
    "Redis": ("epoll", "level-triggered", "one thread"),
    "Redis with io-threads": ("epoll", "level-triggered", "a pool of threads"),
    "memcached": ("epoll", "level-triggered", "one thread accepts for others"),
    "nginx": ("epoll", "edge-triggered", "a pool of processes"),
    "http.server": ("blocking", "", "a thread for each connection"),
    "gunicorn": ("blocking", "", "a pool of processes"),
    "Node": ("epoll", "level-triggered", "one thread"),
}
"""What the documentation of each says."""


def named(verdict: Verdict) -> tuple[str, str, str]:
    return verdict.kind, verdict.mode, verdict.arrangement


@pytest.mark.parametrize("name", NAMES)
def test_each_is_recorded_and_named_right(name: str) -> None:
    picture, origin = xrays.read(name)
    assert picture.command == name and origin.startswith("recorded on ")
    assert named(picture.verdict) == MODELS.get(name, named(picture.verdict))
    if name == "Apache":  # the next request may be there before the client is watched again
        assert {"epoll", "blocking"} >= picture.verdict.shares.keys() and picture.verdict.processes > 1
    assert picture.model in repr(picture) and picture.counts.calls_per_request


def test_the_recorded_ones_name_no_place_of_a_machine() -> None:
    assert not [word for word in ("/tmp/", "/home/", "/root/", "127.0.0.1") if word in xrays.file().read_text()]


def test_one_that_is_missing_is_shown_as_recorded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    monkeypatch.setenv("PATH", os.devnull)
    assert course.in_the_wild("nginx").counts == xrays.read("nginx")[0].counts
    said = capsys.readouterr().err
    assert (
        said.startswith("nginx: ") and "no command 'nginx'" in said and "Shown instead is the run recorded on" in said
    )
    assert "sudo apt install strace redis-server" in repr(course.wild_servers())


def test_nothing_is_traced_where_that_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.STRACE, "0")
    picture = course.in_the_wild("Redis")
    assert picture.facts == Facts((), {})
    assert course.inside(picture).find("recv"), "its timeline is recorded, too"


def test_what_is_saved_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture, _ = xrays.read("careless")
    monkeypatch.setattr(reference, "DATA", tmp_path)
    xrays.save("a server", picture, "test")
    again, _ = xrays.read("a server")
    assert again == picture and repr(again) == repr(picture)
    with pytest.raises(UsageError, match="there is no recorded x-ray 'a servr'; did you mean a server"):
        xrays.read("a servr")
    xrays.file().write_text(json.dumps({"a server": {"verdict": 1}}))
    with pytest.raises(UsageError, match=r"lessons\.json is missing or broken"):
        xrays.read("a server")


def test_binder_installs_what_the_lesson_starts() -> None:
    packages = {wild.package for wild in WILD.values() if wild.package}
    listed = (Path(__file__).resolve().parents[2] / "apt.txt").read_text().split()
    assert sorted(listed) == sorted({"strace", *packages})


@pytest.mark.certify
@pytest.mark.usefixtures("traceable")
@pytest.mark.parametrize("name", WILD)
def test_each_is_named_right_here(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {row["package of Debian"]: row["here"] for row in course.wild_servers()}
    if rows.get(WILD[name].package, "yes") == "no":
        pytest.skip(f"{WILD[name].package} is not installed")
    monkeypatch.setattr(xrays, "read", None)  # the recorded one is no answer
    assert named(course.in_the_wild(name).verdict) == MODELS[name]
