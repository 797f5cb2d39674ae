"""Recorded runs: written, read back, held against another, drawn, and all of it in the terminal."""

import html
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

import iolab
from iolab.archive import provenance, results
from iolab.cli.main import main
from iolab.data import reference
from iolab.errors import UsageError
from iolab.experiments import EXPERIMENTS, Result
from iolab.settings import PROFILES
from tests.made_up import WORDS, copies, equals, gils, idles, memories, stalls, waits

EXAMPLES: list[Result] = [
    waits(), idles(), stalls(130, 130, 90_000), gils(12_000, 9_000, 142), memories(21_000, 350, 6_000),
    copies(1, 70), equals(1),
]  # fmt: skip


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record.name)
class TestRecords:
    def test_one_is_written_and_read_back(self, record: Result, tmp_path: Path) -> None:
        path = results.save(record, tmp_path / "new", "the command")
        assert path.name == f"{record.name}.json"
        assert results.read(path) == record
        written = json.loads(path.read_text())
        assert written["command"] == "the command" and str(tmp_path) not in path.read_text()

    def test_a_notebook_shows_the_verdict(self, record: Result) -> None:
        shown = html.unescape(record._repr_html_())
        assert str(record.verdict) in shown and record.title in shown

    def test_beside_itself_every_ratio_is_one(self, record: Result) -> None:
        rows = results.side_by_side(record, record)
        assert len(rows) == len(record.rows) and {row["ratio"] for row in rows} == {1.0}
        assert results.same_shape(record, record).word == "holds"

    def test_its_figure_says_in_words_what_it_shows(self, record: Result) -> None:
        figure = iolab.figures.experiment(record)
        assert figure.alt.startswith(record.title[0].upper()) and "holds" in figure.alt
        assert all(axes.get_xscale() == "log" for axes in figure.axes)
        assert "no figures" not in figure.alt or record.name == "connection_cost"

    def test_its_figure_is_drawn_where_nothing_was_measured(self, record: Result) -> None:
        empty = [{**row, **dict.fromkeys(record.figures), "why_not": "made up"} for row in record.rows]
        figure = iolab.figures.experiment(type(record)(tuple(empty), ""))
        assert "made up" in figure.alt or "no figures on this machine" in figure.alt
        figure.savefig(os.devnull, format="png")


class TestSideBySide:
    def test_rows_of_either_side_are_there(self) -> None:
        rows = results.side_by_side(waits(most=100), waits(most=10))
        assert [row["ratio"] for row in rows] == [1.0] * 3 + [None] * 3

    def test_a_slow_machine_has_the_same_shape(self) -> None:
        here, there = waits(us=1000), waits(us=1)
        assert {row["ratio"] for row in results.side_by_side(here, there)} == {1000.0}
        assert results.same_shape(here, there).word == "holds"
        assert results.same_shape(here, waits(epoll=1)).word == "fails"

    def test_two_experiments_do_not_compare(self) -> None:
        with pytest.raises(UsageError, match="give two runs of one experiment"):
            results.side_by_side(waits(), idles())

    def test_outside_a_checkout_there_is_no_commit(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
        assert provenance.commit() == "not in a checkout"


class TestSizes:
    def test_every_profile_has_sizes_that_its_experiment_takes(self) -> None:
        for name, experiment in EXPERIMENTS.items():
            assert name == experiment.result.name and set(experiment.sizes) == set(PROFILES)
            for sizes in experiment.sizes.values():
                assert set(sizes) <= set(experiment.run.__annotations__)

    def test_the_command_names_the_profile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IOLAB_PROFILE", "full")
        assert results.command("gil") == "IOLAB_PROFILE=full iolab record gil"


@pytest.fixture
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands run the smallest of the experiments."""
    sizes = {"quick": {"watched": (5, 10), "seconds": 0.005}}
    monkeypatch.setattr(EXPERIMENTS["wait_cost"], "sizes", sizes)
    monkeypatch.setenv("IOLAB_PROFILE", "quick")


def iolab_says(*arguments: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.usefixtures("_tiny")
class TestTerminal:
    def test_an_experiment_prints_rows_and_verdict(self) -> None:
        status, said = iolab_says("experiment", "wait_cost")
        assert status == 0 and "µs a wait" in said and "same shape: " in said

    def test_an_experiment_as_json(self) -> None:
        status, said = iolab_says("experiment", "wait_cost", "--json")
        found = json.loads(said)
        assert status == 0 and len(found["rows"]) == 6 and found["verdict"]["word"] in WORDS

    def test_its_figure(self, tmp_path: Path) -> None:
        assert iolab_says("experiment", "wait_cost", "--figure", tmp_path / "new/mine.png")[0] == 0
        assert (tmp_path / "new/mine.png").read_bytes().startswith(b"\x89PNG")

    def test_record_and_compare(self, tmp_path: Path) -> None:
        status, said = iolab_says("record", "wait_cost", "--to", tmp_path)
        assert status == 0 and f"{tmp_path / 'wait_cost.json'}: same shape: " in said
        status, said = iolab_says("compare", "--against", tmp_path / "wait_cost.json")
        assert status == 0 and "ratio" in said and "there: " in said

    def test_compare_two_files_as_json(self) -> None:
        recorded = reference.DATA / "recorded/wait_cost.json"
        status, said = iolab_says("compare", recorded, "--against", recorded, "--json")
        found = json.loads(said)
        assert status == 0 and found["verdict"]["word"] == "holds"
        assert {row["ratio"] for row in found["rows"]} <= {1.0, None}

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (("experiment", "wait_kost"), "did you mean wait_cost?"),
            (("record", "wait_cost", "gill"), "there is no experiment 'gill'; did you mean gil?"),
            (("record", "wait_cost", "--to", "/dev/null/here"), "choose another folder with --to"),
            (("compare", "--against", "nothing.json"), "cannot read nothing.json: No such file"),
            (("compare", "--against", __file__), "is no recorded run; `iolab record` writes one"),
            (("experiment", "wait_cost", "--figure", "mine.docx"), "mine.docx"),
        ],
    )
    def test_what_is_wrong_is_one_line(
        self, arguments: Sequence[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        status, said = iolab_says(*arguments)
        assert status == 2 and said.splitlines()[-1].startswith("iolab: ") and says in said
        assert list(tmp_path.iterdir()) == []
