"""The course in a terminal: what it prints, how it ends, and what it says to bad input."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

import iolab
from iolab.api import start
from iolab.cli import terminal
from iolab.cli.arguments import Duration, Rate, TextOrFile
from iolab.cli.commands.doctor import health_tables
from iolab.cli.main import main
from iolab.kernel import perf, tracepoints
from tests.peers import DEAD, Peer, ask, connect, replying
from tests.serving import IOLAB, Serving

Patch = pytest.MonkeyPatch

pytestmark = pytest.mark.usefixtures("nothing_left")

ENDS_S = 60
LOAD_FIELDS = [
    "requests",
    "per_s",
    "p50_us",
    "p99_us",
    "max_us",
    "in_client_us",
    "latency_of",
    "errors",
    "client_cpu_share",
]
WHOLE_LOAD_FIELDS = [*LOAD_FIELDS, "percentiles", "doubts"]
COMPARE_FIELDS = ["model", "connections", *LOAD_FIELDS, "server_cpu_us_per_request", "server_cpu_share"]
COMPARE_FIELDS += ["ratio", "interval", "p", "verdict"]


def iolab_(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command, env = IOLAB + [str(each) for each in arguments], os.environ | {"COLUMNS": "80"} | environment
    options: dict[str, Any] = {"capture_output": True, "encoding": "utf-8", "errors": "replace", "timeout": ENDS_S}
    return subprocess.run(command, check=False, env=env, **options)


def good(*arguments: object, **environment: str) -> str:
    done = iolab_(*arguments, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert max(map(len, done.stdout.splitlines())) <= 80 or "--json" in arguments
    return done.stdout


def bad(*arguments: object) -> str:
    """Run a command that cannot work, and return the one line that it says."""
    done = CliRunner().invoke(main, [str(each) for each in arguments], prog_name="iolab")
    assert (done.stdout, done.exit_code) == ("", 2)
    assert isinstance(done.exception, SystemExit)
    (line,) = done.stderr.splitlines()
    assert line.startswith("iolab: ")
    return line


@pytest.fixture
def address() -> Iterator[str]:
    with start("epoll") as server:
        yield "{}:{}".format(*server.address)


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            ("serve epol", r"there is no model 'epol'; did you mean epoll\? the models are blocking, threads"),
            ("serve", r"Missing argument 'MODEL'; see `iolab serve --help`"),
            ("serve epoll --port 65536", "a port is a number from 0 to 65535, not 65536"),
            ("serve epoll --port http", "'http' is not a valid integer"),
            ("serve epoll --host 0.0.0.0", r"no loopback address.*127\.0\.0\.1, or say expose=True \(--expose\)"),
            ("serve epoll threads", r"unexpected extra argument \(threads\)"),
            ("load", r"Missing argument 'HOST:PORT\|URL'"),
            ("load 127.0.0.1", r"'127\.0\.0\.1' is not HOST:PORT, such as 127\.0\.0\.1:9000"),
            ("load 127.0.0.1:", "is not HOST:PORT"),
            ("load 127.0.0.1:65536", "is not HOST:PORT"),
            ("load 127.0.0.1:http", "is not HOST:PORT"),
            ("load 127.0.0.1:²", "is not HOST:PORT"),
            ("load 127.0.0.1:" + "9" * 5000, "is not HOST:PORT"),
            ("load https://127.0.0.1/", "does not begin with http://; TLS and other protocols are not spoken here"),
            ("load http://:x/", "is not HOST:PORT"),
            ("load nowhere.invalid:80", "'nowhere.invalid' does not resolve"),
            ("compare epol", "did you mean epoll"),
            ("compare epoll --connections 0", "connections to be a whole number of 1 or more, not 0"),
            ("compare epoll --connections 1,x", "'1,x' is not a list of numbers such as 1,10,100"),
            ("compare epoll --repeats 0", "0 is not in the range"),
            ("compare epoll poll --baseline threads", r"models that are compared \(epoll, poll\), not 'threads'"),
            ("compare epoll --order-seed x", "'x' is not a valid integer"),
            ("compare epoll --figure x.jpgg", "'x.jpgg' is not a figure; use a name that ends in .png"),
            ("compare epoll --figure /proc/x.png", "cannot write to '/proc/x.png'"),
            ("compare epoll --figure /dev/null/x.png", "cannot write to '/dev/null/x.png': File exists"),
            ("timeline epol", "did you mean epoll"),
            ("timeline epoll --worker 1", "epoll serves in this process, and has no workers"),
            ("timeline prefork --requests 1", "say which one to record, such as worker=1"),
            ("timeline epoll --trace /proc/x.json", "cannot write to '/proc/x.json'"),
            ("srve", "No such command 'srve'"),
            ("--nonsense", "No such option '--nonsense'; see `iolab --help`"),
        ],
    )
    def test_one_line_names_what_was_given_and_what_would_work(self, arguments: str, says: str) -> None:
        assert re.search(says, bad(*arguments.split()))

    @pytest.mark.parametrize(
        ("option", "value", "says"),
        [
            ("--connections", 0, "connections to be a whole number of 1 or more, not 0"),
            ("--connections", 10**7, r"too many here: .* descriptors for [\d,]+"),
            ("--seconds", 0, "not 0"),
            ("--seconds", "1e400", "not inf"),
            ("--seconds", "soon", "'soon' is not a duration such as 10s, 2m, 500ms, or 10 for seconds"),
            ("--seconds", "10 years", "'10 years' is not a duration"),
            ("--duration", "ms", "'ms' is not a duration"),
            ("-z", "2h", r"at most 3,600, not 7200\.0"),
            ("--rate", "fast", "'fast' is not a rate such as 1000"),
            ("--rate", "50/", "'' is not a duration"),
            ("--rate", "50/0s", "'50/0s' is not a rate"),
            ("--expect", "uper", "'uper' is none of upper, echo, any, and no file to read: No such file"),
            ("--expect", "/", "no file to read: Is a directory"),
            ("--send", "/proc", "cannot read '/proc': Is a directory"),
            ("--send", "", "at least 1 byte"),
            ("--http=index.html", "--json", "a path that begins with /, not 'index.html'"),
            ("--body", "x", "give --http, and no --send"),
            ("--header", "Accept", "give --http"),
            ("--threads", 4, "there is no --threads: a client is one thread"),
            ("-s", "post.lua", "there is no -s: every request is the same"),
            ("--http2", "--json", "there is no --http2: HTTP/1.1 is spoken"),
            ("-k", "--json", "there is no -k: TLS is not spoken"),
            ("--requests", 0, "1 or more, not 0"),
            ("--size", 1 << 40, "at most 1,073,741,824"),
            ("--size", "64k", "'64k' is not a valid integer"),
            ("--rate", 0, "rate_per_s to be a finite number above 0"),
        ],
    )
    def test_of_a_load(self, option: str, value: object, says: str, address: str) -> None:
        assert re.search(says, bad("load", address, option, value))

    def test_a_dead_server(self) -> None:
        dead = "{}:{}".format(*DEAD)
        says = rf"connection 1 of 10 to {dead} failed: .*Connection refused; is a server listening there\?"
        assert re.search(says, bad("load", dead))

    @pytest.mark.parametrize("arguments", ["serve epol", "load nowhere.invalid:80", "compare epoll --seconds nan"])
    def test_a_process_ends_like_that(self, arguments: str) -> None:
        done = iolab_(*arguments.split())
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch("iolab: .*\n", done.stderr)

    def test_without_a_command_it_tells_what_there_is(self) -> None:
        done = iolab_()
        assert "Traceback" not in done.stderr
        assert all(name in done.stdout + done.stderr for name in ("serve", "load", "compare", "doctor"))


class TestServe:
    @pytest.mark.parametrize(
        ("model", "number"), [("blocking", signal.SIGINT), ("threads", signal.SIGTERM), ("epoll", signal.SIGINT)]
    )
    def test_until_a_signal(self, model: str, number: int) -> None:
        with Serving(model) as serving, connect(serving.address) as client:
            assert ask(client) == b"QUESTION"
            serving.process.send_signal(number)
            rest = serving.process.communicate(timeout=ENDS_S)
            assert (serving.process.returncode, *rest) == (128 + number, "", "")
            assert client.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            connect(serving.address)

    def test_on_the_port_and_host_asked_for(self) -> None:
        host, port = DEAD
        with Serving("threads", "--port", str(port), "--host", host) as serving:
            assert serving.address == (host, port)
            assert serving.line == f"threads listens on {host}:{port}; press Ctrl-C to stop it\n"

    def test_says_where_in_json(self) -> None:
        with Serving("epoll", "--json") as serving:
            message = json.loads(serving.line)
            assert list(message) == ["model", "host", "port"]
            with connect((message["host"], message["port"])) as client:
                assert ask(client) == b"QUESTION"

    def test_over_ipv6(self) -> None:
        if not socket.has_ipv6:
            pytest.skip("this Python has no IPv6")
        with Serving("epoll", "--host", "::1", "--json") as serving:
            port = json.loads(serving.line)["port"]
            for server in (f"[::1]:{port}", f"::1:{port}"):
                assert json.loads(good("load", server, "--requests", 20, "--json"))["requests"] == 20


class TestLoad:
    def test_a_table(self, address: str) -> None:
        output = good("load", address, "--requests", 1234, "--connections", 3)
        heading, figures, clocks, service, *plot = output.splitlines()
        assert " ".join(heading.split()) == "requests req/s in client µs errors client CPU"
        assert (figures.split()[0], figures.split()[3]) == ("1,234", "0")
        assert " ".join(clocks.split()) == "time p50 µs p90 µs p99 µs p99.9 µs max µs" and service.startswith(
            "service time"
        )
        assert plot[0] == "p50 to p99" and plot[1].startswith("service time")

    def test_with_a_rate_the_response_time_stands_above_the_service_time(self, address: str) -> None:
        lines = good("load", address, "--rate", 1000, "--requests", 200).splitlines()
        assert [line[:13].strip() for line in lines[2:5]] == ["time", "response time", "service time"]

    def test_what_it_cannot_tell_is_said(self, address: str) -> None:
        assert "! asked 5,000,000/s, held" in good("load", address, "--rate", 5_000_000, "--seconds", 0.1)

    @pytest.mark.certify
    def test_a_rate_that_is_held_is_no_doubt(self, address: str) -> None:
        assert "asked" not in good("load", address, "--rate", 500, "--seconds", 0.1, "--spin")

    def test_json_is_one_object_with_the_fields_promised(self, address: str) -> None:
        output = json.loads(good("load", address, "--requests", 200, "--json"))
        assert list(output) == WHOLE_LOAD_FIELDS
        assert (output["requests"], output["errors"]) == (200, 0)
        assert 0 < output["p50_us"] <= output["p99_us"] <= output["max_us"]
        assert output["per_s"] > 0

    @pytest.mark.parametrize("reply", [b"[/b]", b"[red]", b"\x1b[31m\xff\x00", b"[link=x]"])
    def test_a_wrong_reply_is_shown_as_it_came_whatever_it_is(self, reply: bytes) -> None:
        with Peer(replying(lambda request, number, turn: reply[:4].ljust(64, b"!"))) as peer:
            done = iolab_("load", "{}:{}".format(*peer.address), "--requests", 10, "--connections", 2)
        assert (done.returncode, done.stderr) == (1, "")
        output = done.stdout
        assert "! 2 x wrong reply: connection" in output
        assert repr(reply[:4])[2:-1] in "".join(output.split())

    @pytest.mark.parametrize("wait", ["500ms", "0.5", "0.5s", "500000us", " 500 ms "])
    def test_a_duration_is_in_seconds_or_has_its_unit(self, wait: str) -> None:
        assert Duration().convert(wait, None, None) == 0.5

    @pytest.mark.parametrize(("rate", "per_s"), [("1000", 1000), ("50/1s", 50), ("60/m", 1), ("1/500ms", 2)])
    def test_a_rate_is_a_second_or_as_vegeta_has_it(self, rate: str, per_s: float) -> None:
        assert Rate().convert(rate, None, None) == per_s

    @pytest.mark.parametrize(
        ("text", "bytes_"),
        [(r"PING\r\n", b"PING\r\n"), (r"\x00\xff\0\\n", b"\0\xff\0\\n"), (r"\q", b"\\q"), ("é", "é".encode())],
    )
    def test_a_text_has_the_escapes_of_c(self, text: str, bytes_: bytes) -> None:
        assert TextOrFile().convert(text, None, None) == bytes_

    def test_an_echo_server_in_the_words_of_others_and_every_file(self, tmp_path: Path) -> None:
        ping, hgrm, csv = tmp_path / "ping", tmp_path / "a.hgrm", tmp_path / "a.csv"
        ping.write_bytes(b"ping")
        options = f"-c 2 -n 20 -R 2000 --latency --hgrm {hgrm} --csv {csv} --json --timeout 9s".split()
        with Peer(replying(lambda request, number, turn: request)) as peer:
            address = "{}:{}".format(*peer.address)
            output = json.loads(good("load", address, "--send", ping, "--expect", "echo", *options))
        assert (output["requests"], output["errors"]) == (20, 0)
        assert [row["percentile"] for row in output["percentiles"]] == [50, 90, 99, 99.9, 99.99, 100]
        assert len(csv.read_text().splitlines()) == 21 and "Percentile" in hgrm.read_text()

    def test_an_echo_server_without_that_word_fails_and_names_it(self) -> None:
        with Peer(replying(lambda request, number, turn: request)) as peer:
            done = CliRunner().invoke(main, ["load", "{}:{}".format(*peer.address), "-n", "20"])
        assert (done.exit_code, done.stderr) == (1, "")
        assert "`--expect echo`" in " ".join(done.stdout.split())

    def test_a_server_of_http_by_its_url_or_by_an_option(self) -> None:
        def respond(request: bytes, number: int, turn: int) -> bytes:
            status = b"200 OK" if request.startswith(b"GET /a ") else b"404 Not Found"
            return b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"

        with Peer(replying(respond)) as peer:
            address = "{}:{}".format(*peer.address)
            for target in ((f"http://{address}/a",), (address, "--http", "/a"), ("--http=/a", address)):
                done = CliRunner().invoke(main, ["load", *target, "-n", "20"])
                assert (done.exit_code, done.stderr) == (0, "") and "status 200: 20" in done.stdout
            done = CliRunner().invoke(main, ["load", "--http", address, "-n", "20"])
        assert done.exit_code == 1 and "status 404: 20" in done.stdout

    def test_help_has_what_others_have_or_says_why_not(self) -> None:
        text = good("load", "--help")
        for name in (
            "-c",
            "-d",
            "-z",
            "-n",
            "-R",
            "-q",
            "-H",
            "-m",
            "-D",
            "--timeout",
            "--duration",
            "--threads",
            "-s",
        ):
            assert re.search(rf"(^|[ ,]){name}\b", text, re.MULTILINE), name

    @pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
    def test_a_terminal_that_cannot_write_every_sign(self, encoding: str, address: str) -> None:
        done = iolab_("load", address, "--requests", 10, PYTHONIOENCODING=encoding)
        assert (done.returncode, done.stderr) == (0, "")


class TestCompare:
    def test_json_is_one_object_with_the_fields_promised(self) -> None:
        output = json.loads(good("compare", "blocking", "epoll", "--connections", "1,2", "--requests", 100, "--json"))
        assert [row["connections"] for row in output["rows"]] == [1, 1, 2, 2]
        assert output["baseline"] == "epoll" and output["order_seed"] >= 0
        assert [doubt["kind"] for doubt in output["doubts"]].count("few repeats") == 1
        for first, second in (output["rows"][:2], output["rows"][2:]):
            words = {row["model"]: row["verdict"] for row in (first, second)}
            assert words == {"blocking": "cannot tell", "epoll": "baseline"}
            assert first["ratio"] <= second["ratio"]
        for row in output["rows"]:
            assert list(row) == COMPARE_FIELDS
            assert (row["requests"], row["errors"]) == (100, 0)
            assert row["server_cpu_us_per_request"] > 0
            assert row["server_cpu_share"] > 0

    def test_a_table_and_a_figure(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        figure = Path("new", "figure.svg")
        output = good("compare", "epoll", "--requests", 200, "--figure", figure)
        assert output.splitlines()[0].split()[:2] == ["model", "conns"]
        first = output.splitlines()[1].split()
        assert first[0] == "epoll" and "baseline" in first
        assert "<svg" in figure.read_text()

    def test_bars_share_one_axis_of_whole_decades(self) -> None:
        output = io.StringIO()
        console = Console(width=80, file=output)
        console.print(terminal.spans({"quick": (10.0, 10.0), "slow": (100.0, 10_000.0), "slower": (2e6, 3e6)}))
        quick, slow, slower, axis = output.getvalue().splitlines()
        assert axis.split() == ["10", "µs", "100", "µs", "1", "ms", "10", "ms", "100", "ms", "1", "s", "10", "s"]
        begins = [len(line) - len(line[6:].lstrip()) for line in (quick, slow, slower)]
        assert begins == sorted(begins) and len(set(begins)) == 3
        assert quick.strip() != "quick"  # a bar has a column at the least

    def test_a_figure_spoils_neither_the_json_nor_a_home_that_cannot_be_written(self, tmp_path: Path) -> None:
        figure, nowhere = tmp_path / "figure.png", {"HOME": "/dev/null", "MPLCONFIGDIR": "", "XDG_CONFIG_HOME": ""}
        done = iolab_("compare", "epoll", "--requests", 200, "--json", "--figure", figure, **nowhere)
        assert "rows" in json.loads(done.stdout)
        assert done.stderr == f"the percentile curves are in {figure}\n"
        assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")

    def test_a_refused_figure_leaves_no_file(self, tmp_path: Path) -> None:
        bad("compare", "epoll", "--connections", 0, "--figure", tmp_path / "figure.png")
        assert list(tmp_path.iterdir()) == []


class TestTimeline:
    def test_a_table_of_where_the_time_went(self) -> None:
        lines = good("timeline", "epoll", "--connections", 2, "--requests", 20).splitlines()
        assert re.match("call +calls/req +asleep µs +waking µs +running µs +preempted µs +lock µs", lines[0])
        assert {"epoll_wait", "accept", "recv", "send"} <= {line.split()[0] for line in lines}
        assert max(map(len, lines)) <= 80

    def test_json_has_each_call_with_the_fields_promised(self) -> None:
        output = json.loads(good("timeline", "blocking", "--requests", 5, "--json"))
        times = {f"{name}_us" for name in ["start", "end", "asleep", "waking", "running", "preempted", "lock"]}
        assert all({"call", "connection", "result"} | times <= set(call) for call in output["calls"])
        assert [call["result"] for call in output["calls"] if call["call"] == "recv"] == [64] * 5 + [0]
        assert output["requests"] == 5

    def test_where_the_kernel_refuses_the_parts_are_null_and_a_note_says_why(self, monkeypatch: Patch) -> None:
        monkeypatch.setattr(perf, "unsupported", lambda: "there is none in this test")
        command = ["timeline", "epoll", "--requests", "5"]
        output = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)
        assert {call["running_us"] for call in output["calls"]} == {None} and output["gaps"] == []
        assert [doubt["kind"] for doubt in output["doubts"]] == ["no switches"]

    def test_a_trace_a_figure_and_a_replay(self, tmp_path: Path, monkeypatch: Patch) -> None:
        monkeypatch.chdir(tmp_path)
        good(
            "timeline",
            "epoll",
            "--requests",
            20,
            "--trace",
            "trace.json",
            "--figure",
            "figure.svg",
            "--replay",
            "run.html",
        )
        assert "Replay of epoll" in Path("run.html").read_text(encoding="utf-8")
        assert json.loads(Path("trace.json").read_text())["traceEvents"] and Path("figure.svg").stat().st_size

    def test_steps_that_cannot_be_seen_are_refused_in_one_line(self, monkeypatch: Patch) -> None:
        monkeypatch.setattr(tracepoints, "why_not", lambda: "only root may read tracefs here")
        done = CliRunner().invoke(main, ["timeline", "epoll", "--steps"])
        assert done.exit_code == 2
        assert done.stderr == "iolab: the kernel's steps cannot be recorded here: only root may read tracefs here\n"


class TestDoctor:
    def test_json_names_every_model_and_why_not(self) -> None:
        output = json.loads(good("doctor", "--json"))
        assert [row["model"] for row in output["models"]] == list(iolab.MODELS)
        for row in output["models"]:
            assert set(row) == {"model", "runs", "why_not"}
            assert row["runs"] == (row["why_not"] is None)
        findings = {finding["what"]: finding["value"] for finding in output["findings"]}
        assert {findings["thread switches"], findings["the kernel's steps"]} <= {"yes", "no"}

    def test_a_report_of_80_columns(self) -> None:
        output = good("doctor")
        assert re.search(r"epoll +runs", output)
        assert "Python" in output

    def test_what_to_install_is_shown_in_full(self) -> None:
        why_not = "it is not installed; pip install 'iolab[models]'"
        report = iolab.doctor()
        console = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: PTH123
        for part in health_tables(type(report)((), ({"model": "x", "runs": False, "why_not": why_not},))):
            console.print(part)
        assert "'iolab[models]'" in console.export_text()
        console.file.close()


class Stream(io.StringIO):
    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("is_terminal", "quiet", "seen"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_steps_are_for_a_terminal_alone(
    is_terminal: bool, quiet: bool, seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with terminal.steps(quiet=quiet) as show:
        before = threading.active_count()
        show("[one] of two")
        assert ("[one] of two" in stream.getvalue()) == seen
        show("two of two")
        assert threading.active_count() == before
    assert bool(stream.getvalue()) == seen


def test_no_figure_of_a_table_is_cut() -> None:
    row: dict[str, Any] = dict.fromkeys(COMPARE_FIELDS, 1_234_567.8) | {"model": "a-model-with-a-long-name"}
    row |= {"connections": 10_000, "errors": 10_000, "server_cpu_share": 1.5, "client_cpu_share": 0.95}
    console = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: PTH123
    console.print(terminal.table([row]))
    output = console.export_text()
    console.file.close()
    assert "…" not in output
    assert output.count("1,234,568") == 5
    assert max(map(len, output.splitlines())) <= 80


@pytest.mark.parametrize("command", [(), ("serve",), ("load",), ("compare",), ("doctor",), ("timeline",)])
def test_help(command: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*command, "--help"], prog_name="iolab", env={"COLUMNS": "80"})
    assert done.stdout.startswith(f"Usage: {' '.join(['iolab', *command])} ")
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_version() -> None:
    assert re.match(r"iolab, version \d", good("--version"))


@pytest.mark.parametrize(("typed", "offered"), [("iolab do", ["doctor"]), ("iolab compare --rep", ["--repeats"])])
def test_the_shell_completes(typed: str, offered: list[str]) -> None:
    asked = {"_IOLAB_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    output = iolab_(**asked).stdout.split()
    assert [each.partition(",")[2] for each in output] == offered
