"""Recorded runs of the lessons: kept in files, shown where a run cannot be made, and called what they are."""

import gzip
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import iolab
from iolab import settings
from iolab.archive import fallback, runs
from iolab.data import reference
from iolab.errors import UsageError
from iolab.kernel import descriptors
from iolab.measurement.run import Run
from iolab.trace.timeline import Timeline
from iolab.traffic.doubts import Doubt
from iolab.traffic.records import Records
from tests.made_up import machine_without

FILES = sorted(reference.DATA.glob("recorded/lessons/*"))


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep recorded runs in a folder of the test; return it."""
    monkeypatch.setattr(reference, "DATA", tmp_path)
    monkeypatch.delenv(settings.RECORD, raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # nbval has imported it
    return tmp_path / "recorded/lessons"


@pytest.fixture(scope="module")
def run() -> Run:
    return iolab.measure("epoll", connections=3, idle=2, requests=300)


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    return iolab.timeline("blocking", connections=1, requests=40)


def rows(records: Records) -> set[tuple[int, ...]]:
    columns = (records.connection, records.due_ns, records.sent_ns, records.answered_ns)
    return set(zip(*(column.tolist() for column in columns), strict=True))


def same(ours: Run | Timeline, theirs: Run | Timeline) -> bool:
    return rows(ours.records) == rows(theirs.records) and _plain(ours) == _plain(theirs)


def _plain(made: Run | Timeline) -> dict[str, Any]:
    told = runs.to_json(made) | {"records": {name: getattr(made.records, name) for name in runs.PLAIN}}
    return told | {"workload": made.records.workload, "placement": replace(made.placement, recorded="")}


class TestFiles:
    def test_a_run_comes_back_as_it_was(self, run: Run, tmp_path: Path) -> None:
        runs.save(run, tmp_path / "new/06-ring.json.gz", "the command")
        found = runs.read(tmp_path / "new/06-ring.json.gz", Run)
        assert same(found, run) and found.summary() == run.summary()
        assert bool((np.diff(found.records.answered_ns) >= 0).all())

    def test_a_timeline_comes_back_as_it_was(self, timeline: Timeline, tmp_path: Path) -> None:
        runs.save(timeline, tmp_path / "a", "the command")
        found = runs.read(tmp_path / "a", Timeline)
        assert same(found, timeline) and found.calls == timeline.calls

    def test_requests_of_your_own_come_back(self, tmp_path: Path) -> None:
        made = iolab.measure("sanic", connections=1, requests=5)
        runs.save(made, tmp_path / "a", "")
        assert runs.read(tmp_path / "a", Run).records.workload == made.records.workload

    def test_every_figure_says_that_it_is_recorded(self, run: Run, timeline: Timeline, tmp_path: Path) -> None:
        for name, each in (("run", run), ("timeline", timeline)):
            runs.save(each, tmp_path / name, "")
        old_run, old_line = runs.read(tmp_path / "run", Run), runs.read(tmp_path / "timeline", Timeline)
        figures = iolab.figures
        drawn = [
            *(figures.latency(old_run), figures.percentiles(run, old_run), figures.cpu(run, old_run)),
            *(figures.omission(run, old_run), figures.phases(old_line), figures.textbook(timeline, old_line)),
        ]
        for figure in drawn:
            assert "recorded on" in figure.get_supxlabel().replace("\n", " ")
            assert max(map(len, figure.get_supxlabel().splitlines())) < 130
        assert "recorded on" in old_run._repr_html_() and "recorded on" in old_line.conditions

    def test_what_was_made_here_says_so_beside_what_was_not(self, run: Run, tmp_path: Path) -> None:
        runs.save(replace(run, model="io_uring"), tmp_path / "a", "")
        lines = iolab.figures.cpu(run, runs.read(tmp_path / "a", Run)).get_supxlabel().splitlines()
        assert lines[0].startswith("epoll: ") and "recorded" not in lines[0] and lines[1].startswith("io_uring: ")

    def test_the_same_is_written_for_the_same(self, run: Run) -> None:
        assert runs.pack(runs.to_json(run)) == runs.pack(runs.to_json(run))

    def test_a_long_run_is_cut_and_stays_true(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        long = iolab.measure("epoll", connections=10, seconds=0.6)
        monkeypatch.setattr(runs, "LIMIT_BYTES", len(runs.pack(runs.to_json(long))) * 2 // 3)
        runs.save(long, tmp_path / "a", "")
        short = runs.read(tmp_path / "a", Run)
        assert (tmp_path / "a").stat().st_size <= runs.LIMIT_BYTES
        assert rows(short.records) < rows(long.records) and short.records.errors == {}
        assert short.records.workload.seconds == pytest.approx(short.records.duration_s, rel=0.5)
        assert int(short.records.answered_ns.max()) <= int(short.cpu.at_ns[-1])

    def test_a_long_timeline_is_cut_and_says_so(
        self, timeline: Timeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runs, "LIMIT_BYTES", len(runs.pack(runs.to_json(timeline))) * 2 // 3)
        runs.save(timeline, tmp_path / "a", "")
        short = runs.read(tmp_path / "a", Timeline)
        assert short.calls == timeline.calls[-len(short.calls) :] and not short.complete
        assert [doubt for doubt in short.doubts if doubt.kind == "cut"] == [Doubt("cut", {"kept": len(short.calls)})]

    def test_what_cannot_be_cut_is_told(self, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runs, "LIMIT_BYTES", 10)
        with pytest.raises(UsageError, match="the run of epoll fits into no file of 10 bytes; ask for fewer requests"):
            runs.save(run, tmp_path / "a", "")

    def test_another_kind_is_told(self, run: Run, tmp_path: Path) -> None:
        runs.save(run, tmp_path / "a", "")
        with pytest.raises(UsageError, match="a is no recorded timeline, but a run"):
            runs.read(tmp_path / "a", Timeline)

    @pytest.mark.parametrize(
        "spoilt", [b"", b"{}", gzip.compress(b"[]", mtime=0), gzip.compress(b'{"kind": "Run"}', mtime=0)]
    )
    def test_a_broken_file_is_told(self, spoilt: bytes, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(spoilt)
        with pytest.raises(UsageError, match="a is broken; restore it, or make it again with IOLAB_RECORD=1"):
            runs.read(tmp_path / "a", Run)

    @pytest.mark.parametrize("part", ["records", "cpu", "usage", "placement"])
    @pytest.mark.parametrize("instead", [None, 7, "x", {}, []])
    def test_a_spoilt_part_is_told(self, part: str, instead: object, run: Run, tmp_path: Path) -> None:
        runs.save(run, tmp_path / "a", "")
        told = json.loads(gzip.decompress((tmp_path / "a").read_bytes()))
        (tmp_path / "a").write_bytes(runs.pack(told | {part: instead}))
        with pytest.raises(UsageError, match="is broken"):
            runs.read(tmp_path / "a", Run)


@pytest.fixture
def no_io_uring(monkeypatch: pytest.MonkeyPatch) -> None:
    machine_without("io_uring", "made up: no ring", monkeypatch)


class TestHereOrRecorded:
    def test_where_it_can_be_made_it_is(self, data: Path, capfd: pytest.CaptureFixture[str]) -> None:
        made = iolab.measure("epoll", connections=1, requests=20, recorded="06-ring")
        assert not made.placement.recorded and not data.exists() and capfd.readouterr() == ("", "")

    def test_it_is_saved_where_that_is_asked_for(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(settings.RECORD, "1")
        made = iolab.measure("epoll", connections=1, requests=20, recorded="06-ring")
        line = iolab.timeline("epoll", connections=1, requests=20, recorded="06-ring-line")
        assert same(runs.read(data / "06-ring.json.gz", Run), made) and not made.placement.recorded
        assert same(runs.read(data / "06-ring-line.json.gz", Timeline), line)

    @pytest.mark.usefixtures("no_io_uring")
    def test_a_model_that_cannot_run_is_shown_as_recorded(
        self, data: Path, run: Run, timeline: Timeline, capfd: pytest.CaptureFixture[str]
    ) -> None:
        runs.save(run, data / "06-ring.json.gz", "")
        runs.save(timeline, data / "06-line.json.gz", "")
        assert same(iolab.measure("io_uring", connections=2, requests=60, recorded="06-ring"), run)
        assert same(iolab.timeline("io_uring", connections=2, requests=60, recorded="06-line"), timeline)
        out, err = capfd.readouterr()
        assert out == "" and len(err.splitlines()) == 2
        assert "made up: no ring. Shown instead is the run recorded on " in err

    def test_too_few_descriptors_are_told(
        self, data: Path, run: Run, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        runs.save(run, data / "01-crowd.json.gz", "")
        monkeypatch.setattr(descriptors, "room", lambda: 120)
        work = iolab.Workload(connections=10, idle=111, seconds=0.1)
        assert same(iolab.measure("epoll", connections=10, idle=990, recorded="01-crowd"), run)
        assert same(iolab.measure("epoll", work, recorded="01-crowd"), run)
        first, second = capfd.readouterr().err.splitlines()
        assert first.startswith("1,000 connections are too many here: this process has descriptors for 120 (")
        assert second.startswith("121 connections are too many here")

    def test_as_many_as_there_is_room_for_are_made(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(descriptors, "room", lambda: 12)
        made = iolab.measure("epoll", connections=2, idle=10, requests=20, recorded="01-crowd")
        assert len(made.records) == 20

    def test_functions_of_your_own_are_made(self, data: Path) -> None:
        serve = iolab.MODELS["epoll"].serve
        assert len(iolab.measure(serve, connections=1, requests=5, recorded="01-mine").records) == 5

    @pytest.mark.usefixtures("no_io_uring")
    def test_a_run_that_was_not_recorded_is_told(self, data: Path) -> None:
        with pytest.raises(UsageError, match=r"no recorded run 06-ring\.json\.gz; IOLAB_RECORD=1 makes it"):
            iolab.measure("io_uring", requests=60, recorded="06-ring")

    @pytest.mark.usefixtures("no_io_uring")
    def test_nothing_is_recorded_of_a_model_that_cannot_run(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(settings.RECORD, "1")
        with pytest.raises(UsageError, match="io_uring cannot run here: made up"):
            iolab.measure("io_uring", requests=60, recorded="06-ring")

    @pytest.mark.parametrize("name", ["", "ring", "6-ring", "06-", "06-ring.json", "../06-ring", "06-Ring", 6, True])
    def test_what_is_no_name_is_told(self, name: Any) -> None:
        with pytest.raises(UsageError, match=r"such as '06-ring', not|a text in quotes or None, not"):
            iolab.measure("epoll", requests=10, recorded=name)


def test_room_is_what_the_limit_leaves() -> None:
    with Path("/dev/null").open() as one, Path("/dev/null").open() as other:
        less = descriptors.room()
        assert one and other
    assert descriptors.room() == less + 2
    assert descriptors.room() <= descriptors.most_connections()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
class TestEveryFile:
    def test_it_opens_and_is_small(self, path: Path) -> None:
        told = json.loads(gzip.decompress(path.read_bytes()))
        kinds: dict[str, type[Any]] = {"Run": Run, "Timeline": Timeline}
        found = runs.read(path, kinds[told["kind"]])
        assert (len(found.records) or found.records.errors) and found.placement.recorded.startswith("recorded on ")
        assert path.stat().st_size <= runs.LIMIT_BYTES and told["command"].endswith("make notebooks")

    def test_its_name_can_be_asked_for_and_it_names_no_machine(self, path: Path) -> None:
        assert fallback.NAME.fullmatch(path.name.removesuffix(".json.gz"))
        assert not any(place in gzip.decompress(path.read_bytes()) for place in (b"/home", b"/root", b"/tmp", b"/work"))
