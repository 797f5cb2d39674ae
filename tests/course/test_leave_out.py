"""What a lesson leaves out: one line says why."""

import pytest

import iolab
from iolab.course import runs


def test_of_a_model_that_runs_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert runs("blocking") and not capsys.readouterr().out


def test_of_one_that_does_not_the_reason_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(type(iolab.MODELS["epoll"]), "why_not", lambda model: "it is Linux's alone")
    assert not runs("epoll") and capsys.readouterr().out == "Left out here: it is Linux's alone.\n"


def test_what_is_no_model_is_named() -> None:
    with pytest.raises(iolab.UsageError, match="did you mean epoll"):
        runs("epol")
