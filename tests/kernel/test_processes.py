"""How many more processes may be started: by the user's limit, and by a container's."""

import os
import resource
from pathlib import Path

import pytest

from iolab.kernel import processes


def tree(folder: Path, *threads: int) -> Path:
    """Make a /proc of one process for each number of threads."""
    for pid, count in enumerate(threads, 1):
        for task in range(count):
            (folder / f"proc/{pid}/task/{task}").mkdir(parents=True)
    return folder / "proc"


@pytest.mark.parametrize(("limit", "room"), [(10, 5), (3, 0), (50_000, None), (resource.RLIM_INFINITY, None)])
def test_the_limit_counts_threads(
    limit: int, room: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    assert processes.room(tree(tmp_path, 2, 3), tmp_path) == room


def test_the_superuser_has_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert processes.room(tree(tmp_path, 1), tmp_path) is None


@pytest.mark.parametrize(("most", "room"), [("12", 5), ("max", None)])
def test_a_container_may_have_one(most: str, room: int | None, tmp_path: Path) -> None:
    (tmp_path / "pids.max").write_text(f"{most}\n")
    (tmp_path / "pids.current").write_text("7\n")
    assert processes._of_container(tmp_path) == room
