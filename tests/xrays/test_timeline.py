"""What was seen of a server from outside is a timeline: figures, replay and Chrome trace are made of it."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

import iolab
from iolab import figures
from iolab.cli.main import main
from iolab.errors import UsageError
from iolab.models import MODELS
from iolab.trace.timeline import Timeline
from iolab.xrays import strace
from iolab.xrays.counts import count
from iolab.xrays.facts import read
from iolab.xrays.load import Exchange, Load
from iolab.xrays.model import tell
from iolab.xrays.protocols import PROTOCOLS
from iolab.xrays.strace import Strace
from iolab.xrays.syscalls import parse
from iolab.xrays.xray import Xray
from tests.serving import Serving
from tests.trace.test_strace import why_not
from tests.xrays.test_xray import echo

RECORDED = Path(__file__).with_name("recorded")


def picture(model: str, load: Load | None = None) -> Xray:
    """Return the x-ray of a stored text of strace."""
    head, *lines = (RECORDED / f"{model}.txt").read_text().splitlines()
    seen = json.loads(head.removeprefix("# "))
    process_of = {int(thread): process for thread, process in seen["process_of"].items()}
    facts = read(parse(lines), process_of, since_s=seen["since_s"], ports=seen["ports"])
    return Xray(
        f"./{model}",
        1.0,
        tell(facts),
        count(facts),
        (),
        (),
        0,
        0,
        {"tracer": "strace", "cpu_us_per_call": 50.0},
        facts,
        load,
    )


def asked(of: Xray) -> Load:
    """Return a load that sent each request 5 ms before the server received it, and had its reply 1 ms after it."""
    load = Load(("127.0.0.1", 80), PROTOCOLS["echo"], 1)
    for received in of.facts.received:
        at_ns = round(received.call.end_s * 1e6) * 1000
        port = int(received.connection.rpartition(":")[2].rstrip("]"))
        load.exchanges.append(Exchange(port, at_ns - 5_000_000, at_ns + 1_000_000, received.call.got))
    return load


@pytest.mark.parametrize("model", ["threads", "epoll", "epoll-edge", "select", "signals", "reuseport", "io_uring"])
def test_every_kind_is_drawn_and_played(model: str) -> None:
    timeline = picture(model).timeline()
    assert timeline.calls and not len(timeline.records)
    assert "times are those under strace" in timeline.conditions
    assert "nobody wrote down when the clients sent" in timeline.conditions
    assert figures.phases(timeline).alt
    replay = iolab.replay(timeline)
    assert replay.data["stages"][0]["source"] == []
    assert {event["name"] for event in timeline.chrome_trace()["traceEvents"]} >= {call.name for call in timeline.calls}


def test_what_a_load_knows_is_the_arrival_of_a_request() -> None:
    alone = picture("threads")
    timeline = picture("threads", asked(alone)).timeline()
    assert len(timeline.records) == len(alone.facts.received)
    for call in timeline.find("recv"):
        if call.result:
            assert call.arrived_ns == call.end_ns - 5_000_000
    assert "nobody wrote down" not in timeline.conditions
    assert {row["call"]: row["per_request"] for row in timeline.rows}["recv"] >= 1


def test_a_request_that_nobody_counted_is_a_send_after_a_receive() -> None:
    of = picture("epoll")
    assert {row["call"]: row["per_request"] for row in of.timeline().rows}["send"] == 1
    assert len(of.timeline().find("send")) == of.counts.requests


def test_an_edge_is_told_once_though_no_text_says_it() -> None:
    boxes = iolab.replay(picture("epoll-edge").timeline()).stages[0].boxes
    assert "an edge" in boxes[1].says
    assert "an edge" not in iolab.replay(picture("epoll").timeline()).stages[0].boxes[1].says


def test_one_thread() -> None:
    of = picture("threads")
    thread = of.facts.received[0].call.thread
    timeline = of.timeline(thread)
    assert timeline.threads == {thread}
    assert {call.connection for call in timeline.calls} == {0}
    with pytest.raises(UsageError, match="no thread 1 has such calls, but"):
        of.timeline(1)


def test_the_terminal_writes_the_files(tmp_path: Path) -> None:
    if reason := why_not():
        pytest.skip(reason)
    files = {name: tmp_path / f"x.{end}" for name, end in (("figure", "svg"), ("trace", "json"), ("replay", "html"))}
    options = [word for name, path in files.items() for word in (f"--{name}", str(path))]
    with echo() as (server, _, _):
        words = ["xray", str(server.pid), "--seconds", "0.5", "--load", "echo", *options]
        done = CliRunner().invoke(main, words, prog_name="iolab", catch_exceptions=False)
    assert done.exit_code == 0
    assert all(path.stat().st_size for path in files.values())


def moves(timeline: Timeline, *names: str) -> int:
    """Return how many calls of these names moved bytes."""
    return sum(call.name in names and isinstance(call.result, int) and call.result > 0 for call in timeline.calls)


@pytest.mark.certify
@pytest.mark.parametrize("model", ["threads", "select", "epoll", "epoll-edge", "signals", "asyncio"])
def test_the_calls_are_those_that_the_servers_own_timeline_has(model: str) -> None:
    """For each request one receive with bytes and one send, outside as inside; asks in vain depend on who is faster."""
    with Serving(model) as serving:
        outside = iolab.xray(serving.process.pid, seconds=3, load="echo", connections=1).timeline()
        serving.process.terminate()
        serving.process.wait(60)
    inside = iolab.timeline(model, connections=1, requests=200)
    assert moves(inside, "recv") == moves(inside, "send", "sendall") == 200
    for name in ("recv", "send"):
        assert moves(outside, name) - len(outside.records) in (0, 1)  # the last one may have come too late
    assert {call.name for call in inside.calls} - {"close"} <= {
        *(call.name for call in outside.calls), "sendall", "sigwait", "sigwaitinfo", "sigtimedwait"
    }  # fmt: skip


@pytest.mark.certify
@pytest.mark.parametrize("model", ["threads", "select", "epoll", "epoll-edge", "signals", "prefork", "io_uring"])
def test_calls_are_counted_as_strace_counts_them(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same strace counts (`-C`) and writes down, and what is read of it has every call, once."""
    if reason := MODELS[model].why_not() or why_not():
        pytest.skip(reason)
    text: list[str] = []
    lines = Strace.lines
    monkeypatch.setattr(strace, "OPTIONS", (*strace.OPTIONS, "-C", "-U", "calls,name"))

    def keep(self: Strace) -> list[str]:
        text.extend(lines(self))
        return text

    monkeypatch.setattr(Strace, "lines", keep)
    with Serving(model) as serving:
        of = iolab.xray(serving.process.pid, seconds=2, load="echo")
        serving.process.terminate()
        serving.process.wait(60)
    table = {match[2]: int(match[1]) for line in text if (match := re.match(r" *(\d+) (\w+)$", line))}
    del table["total"]
    assert table == Counter(call.name for call in of.facts.calls if call.result is not None)
