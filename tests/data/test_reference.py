"""What others have measured: every file of data/ parses, says where it comes from, and names no machine."""

import html
import json
import re
from pathlib import Path

import pytest

import iolab
from iolab.archive import results
from iolab.data import reference
from iolab.errors import UsageError
from iolab.experiments import EXPERIMENTS
from iolab.measurement.machine import cpu_family, kernel_version, machine

PUBLISHED = sorted(reference.DATA.glob("published/*.csv"))
RECORDED = sorted(reference.DATA.glob("recorded/*.json"))


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
class TestEveryPublishedTable:
    def test_it_parses_and_names_its_source(self, path: Path) -> None:
        table = iolab.reference(path.stem)
        assert all(table.about[key] for key in reference.HEAD)
        assert table.about["url"].startswith("http") and re.search(r"\b(19|20)\d\d\b", table.about["year"])
        assert table.about["source"] in table.caption and table.about["source"] in html.unescape(table._repr_html_())

    def test_its_rows_are_whole_and_of_one_kind(self, path: Path) -> None:
        rows = list(iolab.reference(path.stem))
        kinds = [{key: isinstance(cell, str) for key, cell in row.items()} for row in rows]
        assert len(rows) > 1 and all(kind == kinds[0] for kind in kinds)
        assert all(cell != "" and cell is not None for row in rows for cell in row.values())
        assert all(cell > 0 for row in rows for cell in row.values() if not isinstance(cell, str))

    def test_its_units_name_every_column(self, path: Path) -> None:
        table = iolab.reference(path.stem)
        labels = {key for key, cell in table[0].items() if isinstance(cell, str)} - {"unit"}
        assert all(re.search(rf"\b{key}\b", table.about["units"]) for key in set(table[0]) - labels)


class TestFigures:
    """The figures of the sources, typed a second time."""

    def test_tlpi(self) -> None:
        rows = [tuple(row.values()) for row in iolab.reference("tlpi-63-9")]
        assert rows == [(10, 0.61, 0.73, 0.41), (100, 2.9, 3.0, 0.42), (1000, 35, 35, 0.53), (10000, 990, 930, 0.66)]

    def test_lca(self) -> None:
        rows = [tuple(row.values()) for row in iolab.reference("lca-2006")]
        assert rows[0] == (10, 1.12, 1.28, 0.65) and rows[1] == (100, 6.8, 7.1, 0.68)
        assert rows[2] == (1000, 157, 151, 0.89) and rows[3] == (10000, 1750, 1087, 0.97)

    def test_the_others(self) -> None:
        assert {"percentile": 99, "corrected_ms": 1270, "uncorrected_ms": 6.04} in iolab.reference("wrk2-omission")
        assert [row["per_client"] for row in iolab.reference("c10k-budget")] == [50, 100, 50]
        assert [row["high_times"] for row in iolab.reference("uvloop-claims")] == [4, 1.13]
        echo = {row["clients"]: (row["io_uring_per_s"], row["epoll_per_s"]) for row in iolab.reference("io-uring-echo")}
        assert (echo[1], echo[300], echo[1000]) == ((13093, 13177), (216637, 145517), (173343, 108380))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
class TestEveryRecordedRun:
    def test_it_parses_with_all_fields(self, path: Path) -> None:
        record, about = results.read(path), iolab.reference(path.stem).about
        assert record.name == path.stem == about["experiment"]
        assert all(set(row) == set(record.columns()) for row in record.rows)
        assert all(about[key] for key in ("machine", "cpu", "cpus", "memory_gb", "kernel", "python", "commit"))
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", about["date"])
        assert about["command"] == f"IOLAB_PROFILE=full iolab record {path.stem}"

    def test_its_shape_is_the_published_one(self, path: Path) -> None:
        assert results.read(path).verdict.word == "holds"

    def test_it_names_no_machine(self, path: Path) -> None:
        assert re.fullmatch(r"\w+ [\d.]+", iolab.reference(path.stem).about["kernel"])
        assert not re.search(r"/(home|root|tmp|work|usr|Users)\b", path.read_text())


def test_every_experiment_has_a_recorded_run() -> None:
    assert [path.stem for path in RECORDED] == sorted(EXPERIMENTS)


def test_the_index_has_a_line_for_every_file() -> None:
    listed = re.findall(r"^\| \[[\w.-]+\]\(([\w./-]+)\)", (reference.DATA / "README.md").read_text(), re.M)
    assert {str(path.relative_to(reference.DATA)) for path in PUBLISHED + RECORDED} <= set(listed)
    assert all((reference.DATA / path).exists() for path in listed) and len(set(listed)) == len(listed)


class TestWrongNames:
    def test_a_slip_is_told_the_name(self) -> None:
        with pytest.raises(UsageError, match=r"no reference 'tlpi-63'; did you mean tlpi-63-9\?"):
            iolab.reference("tlpi-63")

    def test_a_path_is_no_name(self) -> None:
        with pytest.raises(UsageError, match="there is no reference"):
            iolab.reference("../published/tlpi-63-9")

    def test_without_the_data_of_the_checkout(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reference, "DATA", tmp_path)
        assert reference.rows_of("tlpi-63-9") == []
        with pytest.raises(UsageError, match="there are none"):
            iolab.reference("tlpi-63-9")


class TestWrongFiles:
    def test_a_table_without_its_head(self) -> None:
        with pytest.raises(UsageError, match="it lacks source, url, year, units"):
            reference.parse_table("mine", "# title: Mine\na,b\n1,2\n")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "no JSON",
            "[]",
            "7",
            "{}",
            '{"rows": []}',
            '{"rows": [1]}',
            '{"rows": [{"case": 1}], "experiment": "gil"}',
        ],
    )
    def test_what_is_no_recorded_run(self, text: str, tmp_path: Path) -> None:
        path = tmp_path / "mine.json"
        path.write_text(text)
        with pytest.raises(UsageError, match=r"mine\.json is no recorded run; `iolab record` writes one"):
            results.read(path)

    def test_figures_that_are_no_numbers(self, tmp_path: Path) -> None:
        row = {"watched": 100, "call": "poll", "us_per_wait": "fast", "why_not": ""}
        path = tmp_path / "mine.json"
        path.write_text(
            json.dumps(
                {
                    "experiment": "wait_cost",
                    "placement": "",
                    "doubts": [],
                    "machine": "",
                    "date": "",
                    "rows": [row, row | {"watched": 1000}],
                }
            )
        )
        with pytest.raises(UsageError, match="is no recorded run"):
            results.read(path)

    def test_a_folder_and_nothing(self, tmp_path: Path) -> None:
        for path in (tmp_path, tmp_path / "nothing.json", tmp_path / "nothing.csv"):
            with pytest.raises(UsageError, match="cannot read"):
                reference.read(path)

    def test_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "mine.csv").write_bytes(b"\xff\xfe")
        with pytest.raises(UsageError, match=r"mine\.csv is no"):
            reference.read(tmp_path / "mine.csv")


class TestMachine:
    def test_a_processor_is_its_family(self) -> None:
        assert cpu_family("Intel(R) Xeon(R) Platinum 8370C CPU @ 2.80GHz") == "Intel Xeon Platinum 8370C"
        assert cpu_family("AMD Ryzen 7 5800X 8-Core Processor") == "AMD Ryzen 7 5800X"

    def test_a_kernel_is_its_numbers(self) -> None:
        assert kernel_version("6.8.0-47-generic") == "6.8.0"
        assert kernel_version("5.15.167.4-microsoft-standard-WSL2") == "5.15.167.4"
        assert kernel_version("odd") == "unknown"

    def test_this_one_is_described(self) -> None:
        assert re.fullmatch(r"\d+ CPUs? \(.+\), \d+ GB, \w+ [\d.]+, \w+ 3[\d.]+\w*", str(machine()))
