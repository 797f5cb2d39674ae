"""The five servers of 10-xray, as a learner looks at them."""

import socket

import pytest

from iolab import course
from iolab.course.mysteries import SHOWS
from iolab.errors import UsageError
from iolab.exercises.properties.naming import FIVE, WORDS, open_five
from iolab.xrays import processes

pytestmark = pytest.mark.usefixtures("nothing_left")


def test_each_has_a_trace_and_says_whether_a_word_is_right() -> None:
    for number, recording in enumerate(open_five(), 1):
        server = course.mystery(number)
        assert server.is_it(recording.word) == f"Yes, `{recording.word}`: {recording.because}."
        assert all(server.is_it(word).startswith(f"No, it is not `{word}`") for word in WORDS if word != recording.word)
        assert server.calls == course.mystery(number).calls
        assert len(server.calls.parts()[0].rows) == min(SHOWS, len(server.calls))
        assert not [word for word in FIVE if word in repr(server)]


def test_a_trace_of_a_known_server_is_shown_as_a_table() -> None:
    calls = course.calls_of("Redis")
    assert {"call", "on", "watched", "result"} <= set(calls.parts()[0].rows[0])
    assert "epoll_wait" in repr(calls)
    assert {call.name for call in course.calls_of("select")} >= {"pselect6", "accept4"}


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: course.mystery(6), "expected a number from 1 to 5, not 6"),
        (lambda: course.mystery(1).is_it("epol"), "there is no word 'epol'; did you mean epoll"),
        (lambda: course.calls_of("redis"), "there is no server 'redis'; did you mean Redis"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(call: object, says: str) -> None:
    with pytest.raises(UsageError) as error:
        call()  # type: ignore[operator]
    assert says in str(error.value)


@pytest.mark.parametrize("number", [1, *(pytest.param(number, marks=pytest.mark.certify) for number in range(2, 6))])
def test_each_runs_as_a_process_whose_name_tells_nothing(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    if reason := course.mystery(number).why_not():
        pytest.skip(reason)
    with course.mystery(number).run() as server:
        assert f"PID {server.pid}" in capsys.readouterr().out
        family = processes.family(server.pid)
        assert not [word for pid in family for word in FIVE if word in processes.name_of(pid)]
        with socket.create_connection(server.address, 30) as peer:
            peer.sendall(b"hello")
            assert peer.recv(99) == b"HELLO"
    assert not processes.status(server.pid)
