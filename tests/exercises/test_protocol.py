"""What the judge's processes say to each other arrives whole, or is refused in one way."""

import json
from typing import Any

import pytest

from iolab.exercises import Report
from iolab.exercises.protocol import Check, ClientLaunch, Job, Malformed, Message, ServerLaunch, build, decode, encode

LIMITS = {"RLIMIT_CPU": 20}
CHECK = Check("half-close", True, 1, "größer than\nASCII")


@pytest.mark.parametrize(
    "message",
    [
        Job("03-epoll", "def serve(): ...\n", 1 << 31, None),
        Job("03-epoll", "", 0, "half-close"),
        CHECK,
        ServerLaunch("text", "serve", "/folder", LIMITS, "00" * 256, 100, 4),
        ClientLaunch("text", "exposes", "/folder", {}, "127.0.0.1", 80),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode(line, Job, Check, ServerLaunch, ClientLaunch) == message


def test_every_half_message_is_refused() -> None:
    line = encode(CHECK)
    for length in range(len(line)):
        with pytest.raises(Malformed, match="expected a Check"):
            decode(line[:length], Check)


@pytest.mark.parametrize(
    "line",
    [
        b"full marks\n",
        b"[]\n",
        b"null\n",
        b"{}\n",
        b'{"kind": []}\n',
        b'{"kind": "Check"}\n',
        b"\xff\n",
        b"[" * 100_000 + b"\n",
        encode(Job("03-epoll", "", 0, None)),
    ],
)
def test_what_is_no_check_is_refused(line: bytes) -> None:
    with pytest.raises(Malformed, match=r"expected .*Check"):
        decode(line, Check)


@pytest.mark.parametrize(
    "change", [{"points": "1"}, {"points": True}, {"passed": 1}, {"says": None}, {"name": []}, {"more": 1}]
)
def test_every_field_has_its_type(change: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match="of a Check"):
        build(Check, vars(CHECK) | change)


def test_limits_are_numbers_by_name() -> None:
    values = vars(ClientLaunch("", "", "", LIMITS, "127.0.0.1", 80))
    assert build(ClientLaunch, values) == ClientLaunch(**values)
    with pytest.raises(Malformed, match="as the limits of a ClientLaunch"):
        build(ClientLaunch, values | {"limits": {"RLIMIT_CPU": "20"}})


def test_a_report_survives_json() -> None:
    report = Report("03-epoll", 1, (CHECK, Check("idle", False, 2, "it spins")))
    assert Report.from_dict(json.loads(json.dumps(report.as_dict()))) == report


@pytest.mark.parametrize("values", [{}, {"exercise": "03-epoll", "seed": "x", "checks": []}, {"checks": [{}]}, []])
def test_what_is_no_report_is_refused(values: Any) -> None:
    with pytest.raises(Malformed, match="expected"):
        Report.from_dict(values)
