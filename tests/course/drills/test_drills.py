"""What a learner types is run at once, in a bounded time, and told in a sentence."""

import inspect
import linecache
import textwrap
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from iolab.background import runaways
from iolab.course.drills import DRILLS, UNFILLED, Outcome
from iolab.course.drills.attempt import Attempt, Wrong
from iolab.course.drills.turn import NAMES, solved
from iolab.errors import UsageError

pytestmark = pytest.mark.usefixtures("nothing_left")

PATIENT_S = 60
"""For what ends by itself, on a machine of any speed."""

SHORT_S = 0.3
"""For what never ends by itself."""

CELLS = count()


def write(text: str) -> Callable[..., Any]:
    """Define a function as a cell does; its text can be found."""
    text, file = textwrap.dedent(text), f"<cell {next(CELLS)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names = dict(NAMES)
    exec(compile(text, file, "exec"), names)
    function: Callable[..., Any] = [value for value in names.values() if inspect.isfunction(value)][-1]
    return function


def change(key: str, old: str, new: str) -> Callable[..., Any]:
    assert old in DRILLS[key].solution
    return write(DRILLS[key].solution.replace(old, new, 1))


def define(key: str, body: str) -> Callable[..., Any]:
    """Define an answer of the right signature with this one statement."""
    drill = DRILLS[key]
    return write(f"{'async ' * drill.asynchronous}def answer({', '.join(drill.takes)}):\n    {body}")


def tell(key: str, function: Callable[..., Any], limit_s: float = PATIENT_S) -> str:
    outcome = DRILLS[key].run(function, limit_s)
    assert outcome.right is False
    return outcome.sentence


@pytest.mark.parametrize("key", DRILLS)
class TestEveryDrill:
    def test_its_solution_is_right(self, key: str) -> None:
        outcome = DRILLS[key].run(solved(key, DRILLS[key]), PATIENT_S)
        assert outcome.right, outcome.sentence

    def test_its_last_hint_fills_every_blank(self, key: str) -> None:
        blanks = DRILLS[key].hints[-1].split("`")[1::2]
        assert len(blanks) >= 2 and all(blank in DRILLS[key].solution for blank in blanks)

    def test_another_signature_is_told(self, key: str) -> None:
        said = tell(key, write("def answer(): pass"))
        assert said == f"It takes (), and should be answer({', '.join(DRILLS[key].takes)})."

    def test_one_that_raises_is_told_with_its_line(self, key: str) -> None:
        said = tell(key, define(key, "1 / 0"))
        assert "Your function raised ZeroDivisionError: division by zero, at line 2: 1 / 0" in said

    def test_one_that_does_nothing_is_told(self, key: str) -> None:
        assert tell(key, define(key, "pass"))

    @pytest.mark.parametrize("line", ["while True: pass", "while True: time.sleep(0.01)"])
    def test_one_that_never_returns_is_stopped(self, key: str, line: str) -> None:
        before = set(threading.enumerate())
        said = tell(key, define(key, line), SHORT_S)
        assert "line 2" in said
        for thread in set(threading.enumerate()) - before:
            thread.join(PATIENT_S)
            assert not thread.is_alive()


class TestBlanks:
    @pytest.mark.parametrize(
        "text",
        [
            "def f(a, b):\n    x = ...",
            "def f(a, b):\n    while ...:\n        a(b)",
            "def f(a, b):\n    a.sendall(...)",
            "def f(a, b):\n    def g():\n        return ...\n    return g",
            "def f(a, b):\n    try:\n        a()\n    except ...:\n        pass",
        ],
    )
    def test_a_blank_is_seen_and_nothing_is_run(self, text: str) -> None:
        assert DRILLS["01-serve"].run(write(text)) == Outcome(None, UNFILLED)

    def test_what_is_no_function_is_refused(self) -> None:
        bad: Any = b"abc"
        with pytest.raises(UsageError, match="expected your function, by its name alone, not b'abc'"):
            DRILLS["01-serve"].run(bad)

    @pytest.mark.parametrize("text", ["async def f(listening, respond): pass", "def f(listening, respond): yield"])
    def test_a_coroutine_is_told(self, text: str) -> None:
        assert "Write it with `def`" in tell("01-serve", write(text))


class TestServe:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("respond(request)", "request", "sent b'abc' and got b'abc' back; `respond` makes b'ABC' of it."),
            (
                "while True:\n        c",
                "if True:\n        c",
                "Your function had returned",
            ),
            ("not request", "request", "got nothing back: your function closed the connection"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("01-serve", change("01-serve", old, new))

    def test_one_that_does_not_see_the_end_of_file(self) -> None:
        said = tell("01-serve", change("01-serve", "not request", "request is None"), SHORT_S)
        assert "The first client closed its side, and your function did not close the connection. It is at line" in said

    def test_one_that_waits_for_the_wrong_thing(self) -> None:
        said = tell("01-serve", change("01-serve", "connection.recv(65536)", "listening.accept()"), SHORT_S)
        assert said.startswith(f"The first client sent b'abc' and got nothing back in {SHORT_S} s. It is at line 6: ")

    def test_one_that_cannot_be_stopped_is_told(self) -> None:
        before = set(threading.enumerate())
        loop = """
            def serve(listening, respond):
                end_s = time.monotonic() + 3
                while time.monotonic() < end_s:
                    try:
                        one(listening, respond)
                    except BaseException:
                        pass
            """
        one = DRILLS["01-serve"].solution.replace("def serve", "def one")
        assert "swallowed `Stopped`" in tell("01-serve", write(one + textwrap.dedent(loop)), 1)
        for thread in set(threading.enumerate()) - before:  # an exception from outside ends it, or its own clock
            assert "serve" in runaways()
            thread.join(PATIENT_S)


class TestReceiveExactly:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("< count:", "< 1:", "3 and 5, and 5 were asked for. Your loop returned after the first 3: b'abc'."),
            ("recv(count - len(received))", "recv(65536)", "5 were asked for. Your function returned b'abcdefgh', not"),
            ("recv(count - len(received))", "recv(count)", "5 were asked for. Your function returned b'abcdefgh', not"),
            ("    return received", "    received", "Your function returned None: is the `return` missing?"),
            ("received += chunk", "received = chunk", "returned b'de', not b'abcde'"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        limit_s = SHORT_S if "returned b'de'" in says else PATIENT_S
        said = tell("01-exactly", change("01-exactly", old, new), limit_s)
        assert says in said or "had not returned" in said

    def test_one_that_does_not_see_the_end_of_file_runs_for_ever(self) -> None:
        said = tell("01-exactly", change("01-exactly", "break", "continue"), 1)
        assert "sent 2, and then its end of file. Your function had not returned after 1 s. It is at line" in said


class TestPatience:
    @pytest.mark.parametrize(
        ("old", "new", "says", "limit_s"),
        [
            ("connection.settimeout(0.3)", "pass", "said nothing more. Your function had not returned after 1 s", 1),
            ("settimeout(0.3)", "settimeout(0.001)", "Your function had returned by then.", PATIENT_S),
            (
                "TimeoutError",
                "ValueError",
                "said nothing more. Your function raised TimeoutError: timed out",
                PATIENT_S,
            ),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str, limit_s: float) -> None:
        assert says in tell("01-patience", change("01-patience", old, new), limit_s)


class TestFill:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("TimeoutError", "ValueError", "does not read. Your function raised TimeoutError: timed out"),
            ("+= client", "= client", "bytes were taken, but"),
            ("while", "if", "There is room for more"),
            ("return sent", "return client", "not the number of bytes that were taken"),
            ("return sent", "client.close()\n    return sent", "Your function closed the client"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("01-fill", change("01-fill", old, new))

    def test_one_without_a_limit_waits_for_ever(self) -> None:
        said = tell("01-fill", change("01-fill", "client.settimeout(0.2)", "pass"), 1)
        assert "does not read. Your function had not returned after 1 s." in said


class TestRound:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("BlockingIOError", "ValueError", "Your function raised BlockingIOError: [Errno 11]"),
            ("respond(request)", "request", "It was owed b'ABC', and got b'abc'."),
            ("connection.send(respond(request))", "respond(request)", "It was owed b'ABC', and got nothing."),
            ("connection.close()", "pass", "did not drop and close the one"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("02-round", change("02-round", old, new))


class TestSend:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("unsent[sent:]", "sent", "it should return the bytes that are still to be sent"),
            ("unsent[sent:]", "unsent", "returned them all, as if nothing had been sent"),
            ("unsent[sent:]", "unsent[:sent]", "is not the end of what it was given"),
            ("unsent[sent:]", "b''", "It received"),
            ("BlockingIOError", "ValueError", "buffers are full. Your function raised BlockingIOError"),
            ("sent = 0", "sent = len(unsent)", "others than were sent"),
            ("send(unsent)", "send(unsent[:4096])", "It sent 4,096, and there was room for many more"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        limit_s = 2 if says == "It received" or "others" in says else PATIENT_S
        assert says in tell("02-send", change("02-send", old, new), limit_s)


class TestTurn:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            (
                "[listening, *connections], [], []",
                "[*connections], [], []",
                "Then a new client connected. Your function",
            ),
            (
                "[listening, *connections], [], []",
                "[], connections, []",
                "The client was owed b'ABC', and got nothing.",
            ),
            ("[], [])", "[], [], 0)", "Your function returned, and should have waited."),
            ("respond(request)", "request", "The client was owed b'ABC', and got b'abc'."),
            ("connections.remove(ready)", "connections.clear()", "dropped the silent one"),
            ("ready.close()", "pass", "did not drop and close the one"),
            ("connections.append(connection)", "connection.close()", "It should be in `connections` now"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("03-turn", change("03-turn", old, new), 1)


class TestDrain:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("while True", "if True", "left 24 bytes unread. Nobody will report them."),
            ("BlockingIOError", "ValueError", "Your function raised BlockingIOError"),
            ("not request", "len(request) < 40", "got 40 bytes"),
            ("not request", "request is None", "closed its side. Your function had not returned"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("03-drain", change("03-drain", old, new), 0.5)


class TestLoop:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("while True", "if True", "Your function had returned."),
            ("callback(key.fileobj)", "callback(key)", "Your function raised AttributeError"),
            ("callback(key.fileobj)", "callback", "should have been called; none was"),
            ("interest.select()", "interest.select(0)[:0]", "should have been called; none was"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("04-loop", change("04-loop", old, new), 0.5)


class TestOwed:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("EVENT_READ, receive", "EVENT_READ | EVENT_WRITE, receive", "`select` would return every time"),
            ("EVENT_READ, receive", "EVENT_READ, send", "is not `receive`"),
            ("EVENT_WRITE", "EVENT_READ", "is not registered for `EVENT_WRITE` alone"),
            ("ready, rest", "ready, reply", "did not get the ten million bytes"),
            ("lambda ready: send(interest, ready, rest, receive)", "receive()", "Your function raised TypeError"),
            ("lambda ready: send(interest, ready, rest, receive)", "rest", "is not a function"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        limit_s = 1 if "ten million" in says else PATIENT_S
        assert says in tell("04-owed", change("04-owed", old, new), limit_s)


class TestClock:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("select(wait_s)", "select()", "It did not call `tick` three times"),
            ("select(wait_s)", "select(0)", "times: it does not sleep"),
            ("+= every_s", "= 0", "It was called too early."),
            (
                "due_s <= time.monotonic()",
                "not interest.select(0)",
                "Then a socket was ready in every turn. It did not",
            ),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("04-clock", change("04-clock", old, new), 0.5)


class TestTurns:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("StopIteration as", "ValueError as", "Your function raised StopIteration: Ada has paid"),
            ("end.value", "end", "Your loop heard ['Ada, stop 1', StopIteration('Ada has paid')]"),
            (
                "append(coroutine)",
                "insert(0, coroutine)",
                "heard ['Ada, stop 1', 'Ada, stop 2', 'Ada has paid'",
            ),
            ("append(coroutine)", "append(coroutines)", "Your function raised AttributeError"),
            ("            heard.append(c", "            (c", "Your loop heard ['Ada has paid']"),
            ("return heard", "heard", "Your function returned None: is the `return` missing?"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("07-turns", change("07-turns", old, new))


class TestStep:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("append(task.step)", "clear()", "After your step its `callbacks` are []; `task.step` belongs there"),
            ("task.step", "task.step()", "raised RuntimeError: a step was called inside of a step: hand over"),
            ("end.value", "end", "returned 42, and the result of the task is StopIteration(42)."),
            ("set_result(end.value)", "coroutine", "returned 42, and the result of the task is nothing."),
            ("send(None)", "throw(ValueError('no'))", "Your function raised ValueError: no"),
            ("task.step)", "task.step)\n        task.set_result(0)", "gave the task a result, 0, before"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("07-step", change("07-step", old, new))

    def test_any_callback_that_takes_the_next_step_will_do(self) -> None:
        function = change("07-step", "task.step", "lambda: task.step()")
        assert DRILLS["07-step"].run(function, PATIENT_S).right


class TestLine:
    @pytest.mark.parametrize(
        ("old", "new", "says", "limit_s"),
        [
            ("timeout(0.3)", "timeout(60)", "After 1 s your coroutine was still waiting.", 1),
            ("TimeoutError", "ValueError", "never the end of a line. Your function raised TimeoutError", PATIENT_S),
            ("line.upper()", "line", "It was owed b'ABC\\n', and got b'abc\\n'.", PATIENT_S),
            ("writer.close()", "pass", "Your coroutine returned without `writer.close()`.", PATIENT_S),
            ("writer.drain()", "asyncio.sleep(0)", "never awaited `writer.drain()` after its last `write`", PATIENT_S),
            ("await writer.drain()", "pass", "never awaited `writer.drain()` after its last `write`", PATIENT_S),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str, limit_s: float) -> None:
        assert says in tell("07-line", change("07-line", old, new), limit_s)

    def test_a_plain_function_is_told(self) -> None:
        said = tell("07-line", write("def answer(reader, writer): pass"))
        assert said == "Write it with `async def`: answer(reader, writer) is awaited."


class TestDrainOfTaps:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("while request", "if request", "while your function answered. Your function left 2 bytes unread."),
            ("respond(request)", "respond(request).lower()", "It was owed b'ABCDE', and got b'abcde'."),
            ("BlockingIOError", "ValueError", "Your function raised BlockingIOError: [Errno 11]"),
            ("True", "False", "Your function returned False, as if it had left."),
            ("False", "True", "The client closed its side. Your function returned True, and not False."),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("05-drain", change("05-drain", old, new))


class TestWhom:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("signal.SIGIO", "signal.SIGUSR1", "SIGIO came: the queue had been full. Your function returned {"),
            ("{descriptor_of(tap)}", "everyone", "A signal came for descriptor "),
            ("{descriptor_of(tap)}", "descriptor_of(tap)", ", and should return {"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("05-whom", change("05-whom", old, new))


class TestTurnOfCompletions:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("respond(received)", "received", " brought b'abc'. Then your function should order a write of b'ABC' to "),
            ("requests.read(descriptor, 65536)", "pass", " was done. Then your function should order a read from "),
            ("requests.write(descriptor, respond(received))", "pass", "; it ordered nothing."),
            ("elif received", "elif not received", "; it ordered nothing."),
            ("connections.pop(descriptor).close()", "pass", "did not drop and close that connection"),
            (
                "elif received",
                "elif result",
                "a reset. Then your function should order nothing; it ordered a write of b''",
            ),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("06-turn", change("06-turn", old, new))

    def test_one_that_waits_once_too_often_is_told(self) -> None:
        waits = change("06-turn", "    for descriptor", "    requests.wait()\n    for descriptor")
        assert "had not returned" in tell("06-turn", waits, SHORT_S)


class TestRest:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("[result:]", "[:result]", "should order a write of b'cdef' to "),
            ("unsent[descriptor] = rest", "pass", "Your function left {} in `unsent`."),
            ("requests.read(descriptor, 65536)", "pass", "Then the other four were sent. Then your function should or"),
            ("unsent.pop(descriptor)", "unsent[descriptor]", "in `unsent`, as if a write were still on order"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("06-rest", change("06-rest", old, new))


class TestAccept:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("BlockingIOError", "ValueError", "took the client. Your function raised BlockingIOError: [Errno 11]"),
            ("setblocking(False)", "setblocking(True)", "Its connection still blocks"),
            ("    return connection", "    connection.close()", "The first of them got None"),
            ("return None", "return 0", "nobody was left, but your function returned 0"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("09-accept", change("09-accept", old, new))

    def test_one_that_waits_for_another_client_is_stopped(self) -> None:
        patient = change("09-accept", "    try:", "    listening.setblocking(True)\n    try:")
        assert "The first took the client. Your function had not returned" in tell("09-accept", patient, 1)


class TestHandOn:
    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("    connection.close()", "    pass", "You kept a copy open"),
            ("ways.append(way)", "ways.insert(0, way)", "It was the turn of worker 2 of 2. It got nothing."),
            ("ways.append(way)", "pass", "Then 0 of 2 ways were left"),
            ("[connection.fileno()]", "[]", "A byte came, but no descriptor with it."),
            ("[connection.fileno()]", "[way.fileno()]", "does not hear from what was handed on"),
        ],
    )
    def test_what_is_wrong_is_said(self, old: str, new: str, says: str) -> None:
        assert says in tell("09-hand-on", change("09-hand-on", old, new))


class TestTraces:
    @pytest.mark.parametrize(
        ("key", "old", "new", "says"),
        [
            ("10-learns", " and call.result > 0", "", "A `recvfrom` on 8 was in vain, with -1."),
            ("10-learns", "call.descriptor", "3", "Your function returned 'blocking', and should return 'epoll_ctl'."),
            ("10-learns", '"blocking"', "None", "the listening socket. Then `recvfrom` on 7 brought 18 bytes. Your"),
            ("10-serves", " and call.result > 0", "", "Thread 9 asked for bytes in vain"),
            ("10-serves", " and accepters", "", "Threads 2 and 3 were born first."),
            ("10-serves", "receivers & accepters", "accepters", "should return 'one for each'"),
            (
                "10-serves",
                'if receivers <= newborn else "one accepts for others"',
                "",
                "return 'one accepts for others'",
            ),
        ],
    )
    def test_what_is_wrong_is_said(self, key: str, old: str, new: str, says: str) -> None:
        assert says in tell(key, change(key, old, new))


def test_a_bare_except_does_not_keep_a_loop_alive() -> None:
    function = write("def f(server):\n  while True:\n    try:\n      server.recv(1)\n    except: pass\n")
    with pytest.raises(Wrong, match="had not returned"), Attempt(function, SHORT_S) as attempt:
        attempt.call(attempt.pair()[0])
    assert attempt._ended.wait(PATIENT_S)
