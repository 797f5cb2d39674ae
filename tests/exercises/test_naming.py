"""What an answer to 10-xray is given, and what the judge says of it."""

import random
from pathlib import Path

import pytest

from iolab.exercises import grade, recordings
from iolab.exercises.calls import Call, from_strace
from iolab.exercises.properties.naming import FIVE, WORDS, open_five
from iolab.exercises.recordings import CONNECTIONS, COURSE, draw_part
from iolab.xrays.syscalls import parse
from tests.exercises.corpus.naming import BY_STATE, says

RECORDED = Path(__file__).parents[1] / "xrays" / "recorded"

NAMES: dict[str, object] = {}
exec(BY_STATE, NAMES)


def test_what_strace_wrote_becomes_calls() -> None:
    calls = from_strace(parse((RECORDED / "epoll-edge.txt").read_text().splitlines()), {})
    waits = [call for call in calls if call.name == "epoll_wait"]
    added = next(call for call in calls if call.name == "epoll_ctl" and "connection" in call.watched.values())
    accept = next(call for call in calls if call.name == "accept4" and call.peer)
    assert {call.kind for call in waits} == {"epoll"}
    assert {"EPOLL_CTL_ADD", "EPOLLET"} <= set(added.flags)
    assert (accept.kind, added.watched) == ("listening", {accept.result: "connection"})
    assert {call.peer for call in calls if call.name == "recvfrom"} <= {call.peer for call in calls if call.result}
    assert [Call.from_row(call.to_row()).name for call in calls] == [call.name for call in calls]


def test_each_word_has_recordings_for_learners_and_others_for_the_judge() -> None:
    of_course = [(each.word, each.open) for each in recordings.load() if each.server == COURSE]
    assert set(of_course) == {(word, open_) for word in WORDS for open_ in (True, False)}
    assert all(of_course.count((word, False)) >= 4 for word in WORDS)
    assert {each.word for each in recordings.load()} == set(WORDS)
    assert {each.word for each in open_five()} == set(FIVE) and all(each.open for each in open_five())


@pytest.mark.parametrize("late", [False, True])
def test_a_part_has_other_numbers_each_time_and_is_named_right(late: bool) -> None:
    texts = set()
    for recording in recordings.load():
        part = draw_part(recording, random.Random(f"{recording.because} {late}"), late=late)
        texts.add(str(part))
        assert NAMES["name_model"](part) == recording.word, recording.server  # type: ignore[operator]
        accepted = {call.peer for call in part if call.name.startswith("accept") and call.peer}
        assert len(accepted) >= CONNECTIONS or recording.word == "io_uring"
        assert part[0].start_s == 0
    again = draw_part(recording, random.Random(1), late=late)
    assert len(texts) == len(recordings.load()) and str(again) not in texts


def test_nothing_in_a_part_names_its_server_or_this_machine() -> None:
    for recording in recordings.load():
        words = {word for call in recording.calls for word in (call.name, call.kind, call.error, *call.flags)}
        assert all(word.replace("_", "").isalnum() or not word for word in words), words


def test_what_is_no_word_is_shown() -> None:
    checks = grade("10-xray", says('return "\\x1b[2J" + "x" * 100'), 1).checks
    assert "it returned '\\\\x1b[2Jxxx" in checks[0].says and "not one of the twelve words" in checks[0].says
    assert {check.says for check in checks[1:]} == {"not checked without “a word for each trace”"}


def test_what_is_wrong_is_told_by_what_is_to_be_seen() -> None:
    text = BY_STATE.replace('"epoll-edge" if word == "epoll" and processes & self.edges else word', "word")
    check = grade("10-xray", text, 1, only="level or edge").checks[-1]
    assert check.says == (
        "it named 3 of 6 servers right. One was a server of the course, which is `epoll-edge`: its one thread waits in "
        "`epoll_wait`, and adds connections with EPOLLET. Your answer said `epoll`"
    )
