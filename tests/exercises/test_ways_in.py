"""The ways to the judge: a function of one's own, a file in a terminal, a text."""

import dataclasses
import json
import socket as sockets
import sys
from pathlib import Path
from select import EPOLLIN, epoll
from signal import SIGIO

import pytest
from click.testing import CliRunner

import iolab
from iolab import progress
from iolab.cli.main import main
from iolab.errors import UsageError
from iolab.exercises import EXERCISES, Check, Report, grade, text_of
from iolab.exercises.papers import read_answer
from iolab.exercises.protocol import encode
from iolab.kernel.signals import SIGNALS
from iolab.listening import Respond
from iolab.models import MODELS

CHUNK = 4096


def receive(connection: sockets.socket) -> bytes:
    return connection.recv(CHUNK)


class Entrance:
    def __init__(self, listening: sockets.socket) -> None:
        self.listening = listening

    def let_in(self) -> sockets.socket:
        return self.listening.accept()[0]


@dataclasses.dataclass
class Bare:
    name: str


def one_at_a_time(listening: sockets.socket, respond: Respond) -> None:
    with epoll() as interest:
        interest.register(listening, EPOLLIN)
        while interest.poll():
            with Entrance(listening).let_in() as connection:
                while request := receive(connection):
                    connection.sendall(respond(request))


def uses_a_lock(listening: sockets.socket) -> object:
    return LOCK, listening


def uses_a_bare_class() -> Bare:
    return Bare("")


LOCK = object()


def waits_for_signals(listening: sockets.socket, respond: Respond) -> None:
    respond(repr((SIGIO, SIGNALS)).encode())


def has_a_lock_of_its_own(listening: sockets.socket, respond: Respond) -> None:
    connection, LOCK = listening.accept()  # noqa: N806
    connection.sendall(respond(repr(LOCK).encode()))


class TestTheTextOfAFunction:
    def test_what_it_uses_comes_along(self) -> None:
        names: dict[str, object] = {}
        exec(text_of(one_at_a_time, "serve"), names)
        assert callable(names["serve"])
        assert {"Entrance", "receive", "CHUNK", "sockets", "epoll", "EPOLLIN"} <= set(names)
        assert "uses_a_lock" not in names

    def test_what_a_module_has_by_that_name_is_imported_from_it(self) -> None:
        names: dict[str, object] = {}
        exec(text_of(waits_for_signals, "serve"), names)
        assert names["SIGIO"] is SIGIO and names["SIGNALS"] == SIGNALS

    def test_a_name_of_its_own_is_not_taken_for_one_of_the_notebook(self) -> None:
        names: dict[str, object] = {}
        exec(text_of(has_a_lock_of_its_own, "serve"), names)
        assert "LOCK" not in names

    def test_a_helper_that_has_the_name_of_the_entry_is_not_overwritten(self) -> None:
        names: dict[str, object] = {}
        exec(text_of(one_at_a_time, "one_at_a_time"), names)
        with pytest.raises(
            UsageError, match="one_at_a_time uses a helper named receive, which is what the judge calls"
        ):
            text_of(one_at_a_time, "receive")

    def test_what_cannot_come_along_is_named(self) -> None:
        with pytest.raises(UsageError, match="uses LOCK, which cannot be taken"):
            text_of(uses_a_lock, "serve")
        with pytest.raises(UsageError, match="defined inside another function"):
            text_of(lambda: self, "serve")
        with pytest.raises(UsageError, match="or has no name"):
            text_of(lambda: None, "serve")
        with pytest.raises(UsageError, match="cannot be found"):
            text_of(uses_a_bare_class, "serve")
        with pytest.raises(UsageError, match="cannot be found"):
            text_of(len, "serve")


class TestCheck:
    def test_the_points_are_recorded(self) -> None:
        report = iolab.check("03-epoll", one_at_a_time, seed=5)
        recorded = progress.section(progress.read(), "exercises")["03-epoll"]
        assert recorded == report.as_dict()
        assert 0 < report.score < report.out_of
        assert "many clients" in report.failed()
        assert "<td" in report._repr_html_()

    def test_an_unknown_exercise_is_told_the_names(self) -> None:
        with pytest.raises(UsageError, match="did you mean 03-epoll"):
            iolab.check("03-epol", one_at_a_time)


class TestTheCommand:
    def test_json_has_every_check(self, tmp_path: Path) -> None:
        answer = tmp_path / "answer.py"
        answer.write_text(EXERCISES["03-epoll"].stub)
        done = CliRunner().invoke(main, ["grade", "03-epoll", str(answer), "--json", "--seed", "7"])
        report = json.loads(done.stdout)
        assert (done.exit_code, report["score"], report["seed"]) == (0, 0, 7)
        assert report["out_of"] == sum(check["points"] for check in report["checks"]) > 0
        assert all(set(check) == {"name", "passed", "points", "says"} for check in report["checks"])

    def test_a_person_reads_a_line_for_every_property(self, tmp_path: Path) -> None:
        answer = tmp_path / "answer.py"
        answer.write_text("no Python")
        done = CliRunner().invoke(main, ["grade", "03-epoll", str(answer)])
        assert "✗ respond is called" in done.stdout
        assert "0 of 21 points" in done.stdout
        assert "SyntaxError" in done.stdout

    def test_nothing_of_an_answer_commands_the_terminal(self, tmp_path: Path) -> None:
        answer = tmp_path / "answer.py"
        answer.write_text("\ufeffraise ValueError('\\x1b[2J\\u202e')", encoding="utf-8")
        done = CliRunner().invoke(main, ["grade", "03-epoll", str(answer)])
        assert r"ValueError: \x1b[2J\u202e" in " ".join(done.stdout.split())
        assert not {"\x1b", "\u202e"} & set(done.stdout)

    def test_the_exercises_are_listed(self) -> None:
        listed = CliRunner().invoke(main, ["grade", "--list", "--json"])
        assert [each["exercise"] for each in json.loads(listed.stdout)] == list(EXERCISES)
        assert "03-epoll" in CliRunner().invoke(main, ["grade", "--list"]).stdout

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["03-epol", "x.py"], "did you mean 03-epoll"),
            (["03-epoll", "there-is-none.py"], "there is no file or folder 'there-is-none.py'"),
            (["03-epoll"], "expected EXERCISE FILE, or files and folders"),
            ([], "expected EXERCISE FILE, or files and folders"),
            (["there-is-none"], "there is no file or folder 'there-is-none'"),
            (["/dev/null"], "what '/dev/null' answers is not in its name"),
            (
                ["/sys/block"],
                "there is no answer in '/sys/block': expected a file such as 03-epoll.py or 03-epoll.ipynb",
            ),
            (["--fail-under", "101", "/dev/null"], "101"),
        ],
    )
    def test_bad_input_is_one_line(self, arguments: list[str], says: str) -> None:
        done = CliRunner().invoke(main, ["grade", *arguments])
        assert done.exit_code == 2
        assert says in done.stderr
        assert len(done.stderr.splitlines()) == 1


class TestManyAnswers:
    @pytest.fixture(autouse=True)
    def judge_by_the_text(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have an answer that says `right` all points, one that says `half` half of them, and others none."""

        def judge(exercise: str, file: Path, seed: int | None) -> Report:
            text = read_answer(file)
            checks = (Check("one", "right" in text or "half" in text, 1, ""), Check("two", "right" in text, 1, ""))
            return Report(exercise, 1, checks)

        monkeypatch.setattr("iolab.cli.commands.grade.exercises.grade", judge)

    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        texts = {
            "03-epoll.py": "right",
            "ann/03_select/03-select.py": "half",
            "ann/03_select/helper.py": "a helper",
            "bob/04-selectors/mine.py": "right",
            "setup.py": "no answer",
            ".ipynb_checkpoints/03-epoll.py": "old",
        }
        for name, text in texts.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        monkeypatch.chdir(tmp_path)
        return tmp_path

    def test_of_a_folder_are_those_whose_name_says_what_they_answer(self, folder: Path) -> None:
        done = CliRunner().invoke(main, ["grade", ".", "--json"])
        reports = json.loads(done.stdout)["reports"]
        assert [(each["file"], each["exercise"], each["score"]) for each in reports] == [
            ("03-epoll.py", "03-epoll", 2),
            ("ann/03_select/03-select.py", "03-select", 1),
            ("bob/04-selectors/mine.py", "04-selectors", 2),
        ]
        assert done.exit_code == 0

    def test_several_files_and_folders_end_with_a_table(self, folder: Path) -> None:
        done = CliRunner().invoke(main, ["grade", "03-epoll.py", "bob"])
        lines = [line.split() for line in done.stdout.splitlines()]
        assert lines[-3:] == [
            ["file", "exercise", "score", "out_of"],
            ["03-epoll.py", "03-epoll", "2", "2"],
            ["bob/04-selectors/mine.py", "04-selectors", "2", "2"],
        ]

    def test_the_exercise_before_a_folder_counts_for_files_of_any_name(self, folder: Path) -> None:
        done = CliRunner().invoke(main, ["grade", "01-threads", "setup.py", "--json"])
        assert json.loads(done.stdout)["exercise"] == "01-threads"
        done = CliRunner().invoke(main, ["grade", "03-epoll", ".", "--json"])
        assert [each["file"] for each in json.loads(done.stdout)["reports"]] == ["03-epoll.py"]

    @pytest.mark.parametrize(
        ("options", "status"),
        [
            ("03-epoll.py", 0),
            ("ann", 0),
            ("ann --strict", 1),
            ("03-epoll.py --strict", 0),
            ("ann --fail-under 50", 0),
            ("ann --fail-under 50.1", 1),
            ("03-epoll.py bob ann --fail-under 60", 1),
            ("03-epoll.py bob --strict", 0),
            ("01-threads setup.py --fail-under 0", 0),
            ("01-threads setup.py --strict --json", 1),
        ],
    )
    def test_lost_points_are_a_status_where_that_is_asked_for(self, folder: Path, options: str, status: int) -> None:
        assert CliRunner().invoke(main, ["grade", *options.split()]).exit_code == status

    def test_a_notebook_is_an_answer_too(self, folder: Path) -> None:
        cells = [{"cell_type": "code", "id": "a", "metadata": {}, "source": "right = 1", "outputs": []}]
        book = {"cells": [each | {"execution_count": None} for each in cells], "metadata": {}}
        (folder / "03-select.ipynb").write_text(json.dumps(book | {"nbformat": 4, "nbformat_minor": 5}))
        done = CliRunner().invoke(main, ["grade", "03-select.ipynb", "--json", "--strict"])
        assert (done.exit_code, json.loads(done.stdout)["exercise"]) == (0, "03-select")

    def test_one_that_cannot_be_read_keeps_no_other_from_its_points(self, folder: Path) -> None:
        (folder / "02-nonblocking.ipynb").write_text("{")
        done = CliRunner().invoke(main, ["grade", "."])
        assert done.exit_code == 2 and "03-epoll: 2 of 2 points" in done.stdout
        assert "1 of 4 could not be judged: 02-nonblocking.ipynb: " in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_seed_draws_the_same_cases_and_another_one_others() -> None:
    def check(seed: int) -> tuple[Check, ...]:
        return grade("03-epoll", MODELS["epoll"].source, seed, only="megabytes").checks

    first = check(3)
    assert "bytes were answered correctly" in first[1].says
    assert check(3) == first != check(4)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_stub_has_no_points(exercise: str) -> None:
    report = grade(exercise, EXERCISES[exercise].stub, 1)
    assert report.score == 0
    assert "NotImplementedError" in report.checks[0].says


def test_a_judge_that_dies_leaves_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iolab.exercises.grading.GRADE_WAITS_FOR_JUDGE_S", 0.0)
    report = grade("03-epoll", MODELS["epoll"].source, 1)
    assert report.score == 0
    assert report.out_of > 0
    assert report.checks[0].says == "not checked: the 0 s that the judge has were over"
    assert report.checks[-1].says == "not checked, for the same reason"


def test_a_judge_that_ends_in_mid_message_leaves_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    first = encode(Check("respond is called", True, 1, "a request was answered"))
    script = f"import sys; sys.stdout.buffer.write({first + first[:20]!r})"
    monkeypatch.setattr("iolab.exercises.grading.build_command", lambda *_: [sys.executable, "-c", script])
    report = grade("03-epoll", "", 1)
    assert (report.score, len(report.checks)) == (1, len(EXERCISES["03-epoll"].properties))
    assert "ended before it checked this: expected a Check and a line feed" in report.checks[1].says
