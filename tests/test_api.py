"""The face of the package: its functions, tables, texts, bars, replies and sizes."""

import html
import inspect
import re
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import iolab
from iolab import replies
from iolab.display import progress_bar, tables
from iolab.display.tables import Table
from iolab.errors import LoadFailed, UsageError
from iolab.listening import ListeningSocket, Respond
from iolab.measurement.comparison import Comparison
from iolab.settings import PROFILES
from iolab.traffic.workload import Tick
from tests.peers import Peer, upper

pytestmark = pytest.mark.usefixtures("nothing_left")


class TestFunctions:
    def test_they_do_as_they_say_and_print_nothing(self, capfd: pytest.CaptureFixture[str]) -> None:
        run = iolab.measure("epoll", connections=2, requests=50)
        assert (len(run.records), run.records.errors) == (50, {})
        made = iolab.compare(["blocking", "epoll"], [1], requests=20)
        assert [row["model"] for row in made.rows] == ["blocking", "epoll"]
        line = iolab.timeline("blocking", connections=1, requests=5)
        assert len(line.named("sendall")) == 5
        with Peer(upper) as peer:
            assert len(iolab.load(peer.address, connections=1, requests=7)) == 7
        with iolab.start("threads") as server:
            assert server.name == "threads"
        assert capfd.readouterr() == ("", "")

    def test_a_workload_is_taken_whole_or_spelt_out(self) -> None:
        whole = iolab.measure("epoll", iolab.Workload(connections=3, requests=30))
        assert whole.records.workload == iolab.Workload(connections=3, requests=30)

    def test_replies_of_your_own_are_measured(self) -> None:
        run = iolab.measure("epoll", respond=iolab.replies.slow(0.002), connections=1, requests=5)
        assert run.records.service_ns.min() >= 2_000_000

    @pytest.mark.parametrize("call", [lambda: iolab.measure("epol"), lambda: iolab.timeline("epol")])
    def test_an_unknown_model_is_told_the_names(self, call: Any) -> None:
        with pytest.raises(UsageError, match="did you mean epoll"):
            call()

    def test_a_dead_server_is_told(self) -> None:
        with Peer(upper) as peer:
            pass
        with pytest.raises(LoadFailed, match="is a server listening there"):
            iolab.load(peer.address)


face: Any = iolab  # mypy refuses most of these before they run
SERVE = r"expected the name of a model or a function serve\(listening, respond\), not "


class TestTheDoor:
    """What cannot work is refused in one sentence, before a server starts."""

    @pytest.mark.parametrize(
        ("call", "says"),
        [
            (lambda: face.start("epol"), "did you mean epoll"),
            (lambda: face.start(3), f"{SERVE}3"),
            (lambda: face.measure(None), f"{SERVE}None"),
            (lambda: face.timeline(lambda: None), f"{SERVE}<lambda>"),
            (lambda: face.timeline(print), "a timeline copies a function written with `def`; print is a builtin"),
            (lambda: face.compare(["epoll", 3]), f"{SERVE}3"),
            (lambda: face.measure("epoll", 10), "a Workload, or options by name such as connections=10, not 10"),
            (lambda: face.timeline("epoll", 10), "a Workload, or options by name"),
            (lambda: face.load(("127.0.0.1", 9), 10), "a Workload, or options by name"),
            (lambda: face.measure("epoll", iolab.Workload(), seconds=1), "not both; put seconds into the Workload"),
            (lambda: face.compare("epoll"), r"expected models in a list, such as \['epoll'\], not 'epoll'"),
            (lambda: face.compare("epoll", 10), r"expected models in a list, such as \['epoll'\], not 'epoll'"),
            (lambda: face.compare(["epoll"], 10), r"numbers of connections in a list, such as \[10\], not 10"),
            (lambda: face.compare(["epoll"], []), "at least one number of connections"),
            (lambda: face.compare(["epoll"], [10], repeats=0), "repeats to be a whole number of 1 or more, not 0"),
            (
                lambda: face.measure("epoll", conections=10),
                "no option 'conections'; did you mean connections",
            ),
            (lambda: face.compare(["epoll"], conections=[1]), "did you mean connections"),
            (
                lambda: face.timeline("epoll", request=9, requets=5),
                "no option 'requets'; did you mean request",
            ),
            (lambda: face.load(("127.0.0.1", 9), second=1), "did you mean seconds"),
            (lambda: face.start("epoll", prot=80), "did you mean port"),
            (
                lambda: face.measure("epoll", seconds=-1),
                "seconds to be a finite number above 0, .*, not -1",
            ),
            (lambda: face.measure("epoll", connections=10**7), "10,000,000 connections are too many here"),
            (lambda: face.timeline("epoll", idle=10**7), "10,000,010 connections are too many here"),
            (lambda: face.compare(["epoll"], [1, 10**7]), "10,000,000 connections are too many here"),
            (lambda: face.load(("127.0.0.1", 9), connections=10**7), "10,000,000 connections are too many here"),
            (lambda: face.card(3), "expected the name of a model, such as 'epoll', not 3"),
            (lambda: face.experiments.wait_cost(watched=-1), r"watched to be a list of numbers, .*, not -1"),
            (lambda: face.experiments.wait_cost(watched=[-1]), "each of watched to be a whole number of 1 or more"),
            (lambda: face.experiments.wait_cost(watchd=[1]), "there is no option 'watchd'; did you mean watched"),
            (lambda: face.experiments.wait_cost(seconds=-1), "seconds to be a finite number above 0"),
            (lambda: face.experiments.idle_cost(idle=5), "idle to be a list of numbers"),
            (lambda: face.experiments.idle_cost(models=["epol"]), "did you mean epoll"),
            (lambda: face.experiments.omission(seconds=0), "seconds to be a finite number above 0"),
            (lambda: face.experiments.gil(seconds="1"), "seconds to be a finite number above 0, .*, not '1'"),
            (
                lambda: face.experiments.connection_cost(connections=[0]),
                "connections to be a whole number of 1 or more",
            ),
        ],
    )
    def test_what_cannot_work_is_refused(self, call: Callable[[], object], says: str) -> None:
        with pytest.raises(UsageError, match=says):
            call()

    @pytest.mark.parametrize("function", [iolab.measure, iolab.timeline, iolab.load, iolab.compare])
    def test_an_editor_completes_every_option(self, function: Callable[..., object]) -> None:
        parameters = inspect.signature(function).parameters
        assert {field.name for field in fields(iolab.Workload)} <= set(parameters)
        assert not [each for each in parameters.values() if each.kind is each.VAR_KEYWORD]

    def test_functions_of_your_own_compare(self) -> None:
        def mine(listening: ListeningSocket, respond: Respond) -> None:
            iolab.MODELS["epoll"].serve(listening, respond)

        made = iolab.compare([mine, "epoll"], [2], requests=20)
        assert [(run.model, len(run.records)) for run in made.runs] == [("mine", 20), ("epoll", 20)]


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

    def test_runs_and_rankings_are_tables(self) -> None:
        run = iolab.measure("epoll", connections=1, requests=20)
        made = Comparison((run, run))
        assert "<td" in run._repr_html_()
        assert "<td" in made._repr_html_()
        assert "<td" in Table(made.ranking)._repr_html_()


class TestTexts:
    def test_the_source_has_no_card_and_begins_with_code(self) -> None:
        text = iolab.source("blocking")
        assert "Model:" not in text
        assert text.splitlines()[0].startswith(("import ", "from "))
        assert "def serve(listening" in text
        assert text._repr_mimebundle_()["text/markdown"].startswith("```python\n")

    def test_the_source_of_a_function_is_its_own(self) -> None:
        assert iolab.source(iolab.replies.upper).startswith("def upper(request: bytes) -> bytes:")

    def test_the_source_of_a_method_begins_at_the_margin(self) -> None:
        lines = iolab.source(Table._repr_html_).splitlines()
        assert lines[0].startswith("def _repr_html_(self)") and lines[1].startswith("    return")

    def test_a_diff_shows_what_changes_and_nothing_of_the_cards(self) -> None:
        text = iolab.diff("blocking", "threads")
        assert text._repr_mimebundle_()["text/markdown"].startswith("```diff\n")
        assert any(line.startswith("+") and "Thread(" in line for line in text.splitlines())
        assert "Waits in" not in text

    def test_a_model_does_not_differ_from_itself(self) -> None:
        assert iolab.diff("epoll", "epoll") == ""

    def test_a_card_has_six_rows(self) -> None:
        card = iolab.card("epoll")
        assert len(card) == 6
        assert all(html.escape(line) in card._repr_html_() for line in card.values())

    @pytest.mark.parametrize("ask", [iolab.source, iolab.card, lambda name: iolab.diff("epoll", name)])
    def test_an_unknown_model_is_told_the_names(self, ask: Any) -> None:
        with pytest.raises(UsageError, match="did you mean threads"):
            ask("thread")


class TestDoctor:
    def test_every_model_is_there_and_says_whether_it_runs(self) -> None:
        report = iolab.doctor()
        assert [row["model"] for row in report.models] == list(iolab.MODELS)
        shown = report._repr_html_()
        assert "runs here" in shown
        yes = re.findall(r'<th scope="row"[^>]*>([^<]+)</th><td[^>]*>yes</td>', shown)
        assert [name for name in yes if name in iolab.MODELS] == [row["model"] for row in report.models if row["runs"]]

    def test_what_does_not_run_says_why(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(iolab.MODELS["epoll"]), "why_not", lambda model: "1 < 2")
        assert "no: 1 &lt; 2" in iolab.doctor()._repr_html_()


def fake_notebook(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make the bar believe that it is in a notebook; return what it shows there."""
    shown: list[str] = []
    module = ModuleType("IPython.display")

    class Handle:
        def update(self, drawn: str) -> None:
            shown.append(drawn)

    def display(drawn: str, display_id: bool) -> Handle:
        shown.append(drawn)
        return Handle()

    vars(module).update(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


class TestBars:
    def test_in_a_notebook_it_grows_and_is_gone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shown = fake_notebook(monkeypatch)
        with progress_bar.progress_bar() as show:
            for step in range(100):
                show("<mine>", Tick(step / 100, step * 10, 0))
        assert 0 < len(shown) - 1 <= 100 / progress_bar.TICKS_PER_FRAME
        assert "&lt;mine&gt;" in shown[0]
        assert shown[-1] == ""
        values = [float(value) for value in re.findall('value="([^"]+)"', "".join(shown))]
        assert values == sorted(values)

    def test_what_ends_soon_has_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shown = fake_notebook(monkeypatch)
        with progress_bar.progress_bar() as show:
            show("short", Tick(0.5, 1, 0))
        assert shown == []

    @pytest.mark.parametrize("somebody", [True, False])
    def test_it_is_drawn_for_somebody_who_watches(self, monkeypatch: pytest.MonkeyPatch, somebody: bool) -> None:
        shown = fake_notebook(monkeypatch)
        kernel = SimpleNamespace(get_parent=lambda: {"content": {"allow_stdin": somebody}})
        monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=kernel))
        with progress_bar.progress_bar() as show:
            for step in range(100):
                show("mine", Tick(step / 100, 1000, 0))
        assert bool(shown) is somebody

    def test_it_is_gone_after_an_error_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shown = fake_notebook(monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert shown[-1] == ""

    def test_in_a_terminal_it_is_drawn_and_gone(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
        with progress_bar.progress_bar() as show:
            for step in range(100):
                show("mine", Tick(step / 100, 1000, 0))
        out, err = capsys.readouterr()
        assert out == ""
        assert "1,000 requests" in err
        with progress_bar.progress_bar(quiet=True) as show:
            for step in range(100):
                show("mine", Tick(step / 100, 1000, 0))
        assert capsys.readouterr() == ("", "")


def interrupted() -> None:
    with progress_bar.progress_bar() as show:
        for _ in range(100):
            show("mine", Tick(0.5, 1, 0))
        raise KeyboardInterrupt


class TestReplies:
    def test_slow_sleeps_and_busy_computes(self) -> None:
        cpu_ns = []
        for answer in (replies.slow(0.05), replies.busy(0.05)):
            wall_ns, before_ns = time.perf_counter_ns(), time.thread_time_ns()
            assert answer(b"abc") == b"ABC"
            assert time.perf_counter_ns() - wall_ns >= 50_000_000
            cpu_ns.append(time.thread_time_ns() - before_ns)
        assert cpu_ns[1] > 2 * cpu_ns[0]

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


class TestProfiles:
    def test_quick_is_the_default_and_the_smaller(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("IOLAB_PROFILE", raising=False)
        quick, full = iolab.profile(), PROFILES["full"]
        assert quick.name == "quick"
        assert (quick.seconds, quick.repeats, quick.many) < (full.seconds, full.repeats, full.many)

    def test_another_can_be_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IOLAB_PROFILE", "full")
        assert iolab.profile() == PROFILES["full"]

    def test_one_that_does_not_exist_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IOLAB_PROFILE", "fast")
        with pytest.raises(UsageError, match="IOLAB_PROFILE is 'fast'; it can be quick or full"):
            iolab.profile()
