"""What strace wrote of a server of each kind, recorded once: parsed, and named right."""

import json
from pathlib import Path

import pytest

from iolab.xrays.counts import count
from iolab.xrays.facts import read
from iolab.xrays.model import LEAST_RECEIVES, tell
from iolab.xrays.syscalls import parse

RECORDED = sorted(Path(__file__).with_name("recorded").glob("*.txt"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_a_server_of_each_kind_is_named_right(path: Path) -> None:
    head, *lines = path.read_text().splitlines()
    told = json.loads(head.removeprefix("# "))
    facts = read(
        parse(lines),
        {int(thread): process for thread, process in told["process_of"].items()},
        since_s=told["since_s"],
        ports=told["ports"],
        watched={(process, number): mask for process, number, mask in told["watched"]},
    )
    verdict = tell(facts, own_sockets=told["own_sockets"])
    assert [verdict.kind, verdict.mode, verdict.arrangement] == told["verdict"]
    like = {"uvloop": "epoll"}.get(path.stem, path.stem)
    assert verdict.like == like
    if path.stem != "io_uring":
        counts = count(facts)
        assert 0 < counts.requests <= counts.receives
        assert counts.calls_per_request and counts.calls_per_request >= 2
    facts.received = facts.received[: LEAST_RECEIVES - 1]
    facts.calls = []
    assert str(tell(facts)) == "cannot tell"


def test_there_is_one_of_each_kind() -> None:
    assert len(RECORDED) >= 15
