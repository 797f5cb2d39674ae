"""What does not bear on serving costs nothing: imports, names, prints, whatever ends at the top level."""

from pathlib import Path

import pytest

from iolab import exercises
from iolab.exercises import grade
from iolab.models import MODELS

EPOLL = MODELS["epoll"].source
CHAT = (Path(exercises.__file__).parent / "chat.py").read_text()
IMPORTS = "import numpy\nimport pandas as pd\nfrom matplotlib import pyplot\n"

WITH_PROCESSES = """
import multiprocessing

def converse(connection, respond):
    with connection:
        try:
            while request := connection.recv(65536):
                connection.sendall(respond(request))
        except OSError:
            pass

def serve(listening, respond):
    fork = multiprocessing.get_context("fork")
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            continue
        fork.Process(target=converse, args=(connection, respond), daemon=True).start()
        connection.close()
"""

WITH_TRIO = """
import trio

def serve(listening, respond):
    door = trio.socket.from_stdlib_socket(listening)

    async def accept():
        async with trio.open_nursery() as conversations:
            while True:
                try:
                    connection, _ = await door.accept()
                except OSError:
                    continue
                conversations.start_soon(converse, connection)

    async def converse(connection):
        with connection:
            try:
                while request := await connection.recv(65536):
                    unsent = memoryview(respond(request))
                    while unsent:
                        unsent = unsent[await connection.send(unsent):]
            except OSError:
                pass

    trio.run(accept)
"""
"""Ends by an exception group around Stopped."""

LOUD = """
import argparse, sys, time
options = argparse.ArgumentParser().parse_args()
print("I begin" * 100_000)
print("I begin" * 100_000, file=sys.stderr)
time.sleep(2)
"""

RIGHT = {
    "a byte-order mark": ("03-epoll", "\ufeff" + EPOLL),
    "libraries that it does not use": ("03-epoll", IMPORTS + EPOLL),
    "a loud and slow top level": ("03-epoll", LOUD + EPOLL),
    "all of these at once": ("03-epoll", "\ufeff" + IMPORTS + LOUD + EPOLL),
    "a helper named like the judge's function": (
        "08-chat",
        f"def serve(dish):\n    return dish\n\n{CHAT}",
    ),
    "a process for each connection": ("01-threads", WITH_PROCESSES),
    "a library that takes plain sockets only": ("03-epoll", WITH_TRIO),
}


ONE_BY_ONE = [*list(RIGHT)[:3], "a process for each connection"]
"""Each day three of them are judged in one answer, and the corpus has one with processes."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.certify if name in ONE_BY_ONE else ()) for name in RIGHT]
)
def test_it_has_all_points(name: str) -> None:
    exercise, text = RIGHT[name]
    report = grade(exercise, text, 5)
    assert [f"{check.name}: {check.says}" for check in report.checks if not check.passed] == []
