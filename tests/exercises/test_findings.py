"""A death is told once, in one line: the learner's line, the exception, and nothing that a terminal would obey."""

import pytest

from iolab.exercises import grade

ACCEPTS = "def serve(listening, respond):\n    connection, _ = listening.accept()\n"

DEATHS = {
    "no Python": ("x = 1\ndef serve(:", "it died at line 2, `def serve(:`: SyntaxError: invalid syntax"),
    "no function": ("def server(a, b): ...", "it died: your answer does not define `serve`"),
    "an async def": ("async def serve(a, b): ...", "it died: `serve` is an `async def`: a call runs nothing of it"),
    "a generator": ("def serve(a, b):\n    yield", "it died: `serve` has a `yield`: a call runs nothing of it"),
    "no callable": ("serve = 3", "it died: `serve` is of type int, which cannot be called"),
    "a return": ("def serve(a, b):\n    return", "it ended: `serve` returned"),
    "an exception": (ACCEPTS + "    1 / 0", "it died at line 3, `1 / 0`: ZeroDivisionError: division by zero"),
    "an exit": (
        ACCEPTS + "    raise SystemExit('bye')",
        "it died at line 3, `raise SystemExit('bye')`: SystemExit: bye",
    ),
    "an exception group": (
        ACCEPTS + "    raise ExceptionGroup('all', [KeyError('a')])",
        "it died at line 3, `raise ExceptionGroup('all', [KeyError('a')])`: KeyError: 'a' (in an exception group)",
    ),
    "a thread": (
        f"import threading\n\ndef work():\n    1 / 0\n\n{ACCEPTS}"
        "    threading.Thread(target=work).start()\n    listening.accept()",
        "the server sleeps in accept, after a thread died at line 4, `1 / 0`: ZeroDivisionError: division by zero",
    ),
    "a thread that ends on purpose": (
        f"import threading\n\n{ACCEPTS}    threading.Thread(target=exit).start()\n    listening.accept()",
        "; the server sleeps in accept",
    ),
    "a task": (
        """
import asyncio

async def converse(reader, writer):
    await reader.read(100)
    1 / 0

def serve(listening, respond):
    async def run():
        async with await asyncio.start_server(converse, sock=listening) as server:
            await server.serve_forever()
    asyncio.run(run())
""",
        "after a task died at line 6, `1 / 0`: ZeroDivisionError: division by zero",
    ),
    "a helper's line": (
        f"def half(x):\n    return x.nothing\n\n{ACCEPTS}    half(connection)",
        "it died at line 2, `return x.nothing`: AttributeError: 'socket' object has no attribute 'nothing'",
    ),
    "a signal": ("import os\n" + ACCEPTS + "    os.kill(os.getpid(), 15)", "it was killed by SIGTERM"),
    "a realtime signal": ("import os\n" + ACCEPTS + "    os.kill(os.getpid(), 35)", "it was killed by SIGRTMIN+1"),
    "a bad address": ("import ctypes\n" + ACCEPTS + "    ctypes.string_at(0)", "it was killed by SIGSEGV at line 4"),
    "no top level that ends": ("while True:\n    pass", "its top level still ran after 10 s"),
    "a long message": (ACCEPTS + "    raise ValueError('x' * 100_000)", ": ValueError: xxx"),
    "a message for the terminal": (
        ACCEPTS + "    raise ValueError(chr(27) + '[2J' + chr(0) + chr(0x202e) + chr(13) + chr(10) + '.')",
        r"ValueError: \x1b[2J\x00\u202e\r .",
    ),
}


@pytest.mark.parametrize("name", DEATHS)
def test_a_death_is_told_in_one_line(name: str) -> None:
    text, expected = DEATHS[name]
    first, *others = grade("03-epoll", text, 1).checks
    assert expected in first.says
    assert first.says.isprintable()
    assert len(first.says) < 700
    assert {each.says for each in others} == {"not checked without “respond is called”"}


def test_a_chat_that_is_missing_is_called_by_its_name() -> None:
    report = grade("08-chat", "def chatter(listening): ...", 1)
    assert "it died: your answer does not define `chat`" in report.checks[0].says


def test_a_verdict_is_true_or_false() -> None:
    report = grade("01-break-it", "def exposes(address):\n    return 'False'", 1)
    assert "it died: `exposes` returned 'False', neither True nor False" in report.checks[0].says


def test_a_server_that_died_is_never_said_to_compute() -> None:
    answers_once = "    connection.sendall(respond(connection.recv(100)))\n    connection.recv(100)\n    1 / 0"
    for check in grade("03-epoll", ACCEPTS + answers_once, 1).checks:
        assert "computing" not in check.says, check
