"""Tables of figures: headings, how a value is written, HTML and text."""

import re

import numpy as np
import pytest

import iolab
from iolab.display import tables
from iolab.display.tables import Table
from iolab.measurement.comparison import Comparison

pytestmark = pytest.mark.usefixtures("nothing_left")


class TestTables:
    @pytest.mark.parametrize(
        ("key", "value", "expected"),
        [
            ("per_s", None, "–"),
            ("per_s", 123456.7, "123,457"),
            ("p50_us", 12.34, "12.3"),
            ("p50_us", 0.127, "0.13"),
            ("p50_us", 0.0005, "0.00050"),
            ("p50_us", -0.5, "-0.50"),
            ("p50_us", 0.0, "0.0"),
            ("p50_us", float("inf"), "inf"),
            ("p50_us", 99.96, "100.0"),
            ("p50_us", 100.04, "100"),
            ("errors", 0, "0"),
            ("requests", 1234567, "1,234,567"),
            ("server_cpu_share", 0.123, "12%"),
            ("client_cpu_share", 1.5, "150%"),
            ("model", "epoll", "epoll"),
            ("runs", True, "True"),
            ("per_s", np.float64(12.34), "12.3"),
            ("requests", np.int64(1234), "1,234"),
            ("runs", np.bool_(True), "True"),
            ("interval", [0.9, 1.25], "0.90 to 1.25"),
            ("ratio", 1.036, "1.04"),
            ("verdict", "cannot tell", "cannot tell"),
        ],
    )
    def test_a_value_is_written_the_same_everywhere(self, key: str, value: object, expected: str) -> None:
        assert tables.format_value(key, value) == expected

    def test_rows_have_headings_in_one_order_and_none_is_lost(self) -> None:
        rows = [{"errors": 1, "mine": "x", "model": "epoll", "per_s": 5}]
        assert list(tables.columns(rows).values()) == ["model", "req/s", "errors", "mine"]

    def test_what_stands_before_the_model_stays_before_it(self) -> None:
        rows = [{"queue": "long", "per_s": 5, "model": "epoll", "note": "x"}]
        assert list(tables.columns(rows).values()) == ["queue", "model", "req/s", "note"]
        assert list(tables.columns([{"watched": 1, "poll": 2}])) == ["watched", "poll"]

    @pytest.mark.parametrize(
        ("key", "heading"),
        [
            ("io_uring_per_s", "io_uring, requests/s"),
            ("poll_s", "poll, s"),
            ("corrected_ms", "corrected, ms"),
            ("us_per_wait", "µs per wait"),
            ("memory_bytes_per_connection", "memory, bytes per connection"),
            ("p50_us", "p50 µs"),
            ("io_uring", "io_uring"),
            ("took (µs)", "took (µs)"),
        ],
    )
    def test_a_unit_in_a_name_is_a_word_in_the_heading(self, key: str, heading: str) -> None:
        assert tables.heading_of(key) == heading

    def test_sentences_stand_under_a_table(self) -> None:
        assert Table([{"n": 1}], "", ["1 < 2"])._repr_html_().endswith("</table><ul><li>1 &lt; 2</li></ul>")

    def test_html_is_escaped_and_has_headings_of_rows_and_columns(self) -> None:
        shown = Table([{"model": "<b>", "note": "1 < 2"}], "a & b")._repr_html_()
        assert "<caption>a &amp; b</caption>" in shown
        assert re.search(r'<th scope="row"[^>]*>&lt;b&gt;</th>', shown)
        assert "1 &lt; 2" in shown
        assert "<b>" not in shown

    def test_code_is_set_as_code_and_a_long_caption_has_room(self) -> None:
        shown = Table([{"model": "`select` & `<b>`", "n": 1}], "`epoll` " * 10)._repr_html_()
        assert "<code>select</code> &amp; <code>&lt;b&gt;</code>" in shown and "<code>epoll</code>" in shown
        assert "min-width" in shown and "min-width" not in Table([{"n": 1}], "short")._repr_html_()

    def test_no_rows_are_no_error(self) -> None:
        assert Table([], "nothing")._repr_html_() == "<p>nothing</p>"
        assert tables.notes([]) == ""

    def test_text_stands_in_columns(self) -> None:
        shown = tables.as_text([{"model": "epoll", "per_s": 5}, {"model": "threads", "per_s": 12345}])
        assert shown.splitlines() == ["model    req/s", "epoll    5", "threads  12,345"]

    def test_text_that_is_too_wide_is_broken_and_loses_nothing(self) -> None:
        wordy = tables.as_text([{"claim": "C1", "it says": "many words " * 20, "because": "of figures " * 20}])
        assert max(map(len, wordy.splitlines())) <= tables.LINE_LETTERS
        assert (wordy.count("many"), wordy.count("figures")) == (20, 20)
        many = tables.as_text([{"model": "epoll", **{f"figure number {n}": n for n in range(30)}}])
        assert max(map(len, many.splitlines())) <= tables.LINE_LETTERS
        assert many.count("epoll") > 1 and all(f"figure number {n}" in many for n in range(30))

    def test_what_a_page_discusses_stands_where_a_narrow_one_shows_it(self) -> None:
        rows = [
            {
                "model": "epoll",
                "per_s": 5,
                "p99_us": 1.0,
                "server_cpu_us_per_request": 3.0,
                "ratio": 1.0,
                "verdict": "x",
            }
        ]
        assert list(tables.columns(rows))[:4] == ["model", "server_cpu_us_per_request", "ratio", "verdict"]

    def test_runs_and_rankings_are_tables(self) -> None:
        run = iolab.measure("epoll", connections=1, requests=20)
        made = Comparison((run, run))
        assert "<td" in run._repr_html_()
        assert "<td" in made._repr_html_()
        assert "<td" in Table(made.ranking)._repr_html_()
