"""Replies that a server can give."""

import time

import pytest

from iolab import replies

pytestmark = pytest.mark.usefixtures("nothing_left")


class TestReplies:
    def test_slow_sleeps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        naps: list[float] = []
        monkeypatch.setattr(time, "sleep", naps.append)
        assert replies.slow(0.05)(b"abc") == b"ABC"
        assert naps == [0.05]

    def test_busy_computes(self) -> None:
        before_ns = time.thread_time_ns()
        assert replies.busy(0.05)(b"abc") == b"ABC"
        assert time.thread_time_ns() - before_ns >= 50_000_000

    def test_others_are_wrapped(self) -> None:
        assert replies.slow(0, lambda request: request[::-1])(b"abc") == b"cba"

    def test_a_stalling_one_stalls_at_its_intervals(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now, slept = [100.0], []
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        monkeypatch.setattr(time, "sleep", lambda seconds: slept.append((now[0], seconds)))
        answer = replies.stalling(1.0, 0.1)
        for _ in range(35):
            assert answer(b"a") == b"A"
            now[0] += 0.125
        assert slept == [(101.0, 0.1), (102.0, 0.1), (103.0, 0.1), (104.0, 0.1)]
