"""Servers without their names, for exercise 10-xray: to look at as traces and as processes, and to name."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from iolab.display.tables import Part, Readable
from iolab.errors import ServerFailed, UsageError, guard, unknown
from iolab.exercises import recordings
from iolab.exercises.calls import Call
from iolab.exercises.properties.naming import WORDS, open_five
from iolab.exercises.recordings import Recording, draw_part
from iolab.kernel.interrupts import InOnePiece
from iolab.models import find

SERVE = "from iolab.course.mysteries import serve; serve()"
SHOWS = 40
"""How many calls are shown of a trace; the others are there."""


class Calls(list[Call], Readable):
    """A trace: a list of calls, which shows its first ones as a table."""

    def parts(self) -> list[Part]:
        """Return the first calls as a table."""
        caption = f"the first {SHOWS} of {len(self)} calls" if len(self) > SHOWS else f"{len(self)} calls"
        return [Part(list(map(_write_row, islice(self, SHOWS))), caption)]


def _write_row(call: Call) -> dict[str, Any]:
    peer = f" of {call.peer}" if call.peer and call.kind == "connection" else ""
    return {
        "ms": round(call.start_s * 1e3, 2),
        "process": call.process,
        "thread": call.thread,
        "call": call.name,
        "on": "" if call.descriptor is None else f"{call.descriptor}, {call.kind}{peer}",
        "watched": ", ".join(f"{number} {kind}" for number, kind in call.watched.items()),
        "flags": " ".join(call.flags),
        "result": call.error or ("" if call.result is None else call.result),
        "took (ms)": round(call.took_s * 1e3, 2),
    }


@dataclass(frozen=True, repr=False)
class Process:
    """A server that runs, and its address."""

    pid: int
    address: tuple[str, int]

    def __repr__(self) -> str:
        host, port = self.address
        return f"a server: PID {self.pid}, listens on {host}:{port}"


@dataclass(frozen=True, repr=False)
class Mystery:
    """One of the five servers: its calls as they were recorded, and the same server as a process."""

    number: int
    calls: Calls
    _recording: Recording

    def __repr__(self) -> str:
        return f"server {self.number} of five, {len(self.calls)} calls of it"

    def why_not(self) -> str | None:
        """Say in one sentence why it cannot run on this machine; None if it can."""
        return find(self._recording.word).why_not()

    @contextmanager
    def run(self) -> Iterator[Process]:
        """Run the server for the length of a block. Raise UsageError if it cannot run on this machine."""
        find(self._recording.word).require()
        command = [sys.executable, "-c", SERVE]
        with InOnePiece(lambda: _Child(command, self._recording.word)) as child:
            process = Process(child.pid, ("127.0.0.1", child.port))
            print(process)
            yield process

    def is_it(self, word: str) -> str:
        """Say whether a word names its model, and how one sees that."""
        if word not in WORDS:
            raise unknown("word", word, WORDS)
        if word == self._recording.word:
            return f"Yes, `{word}`: {self._recording.because}."
        return f"No, it is not `{word}`, which is {WORDS[word]}. Look again at who receives, and at what it waits in."


class _Child:
    """The process of a server: told on its standard input what to run, so that no list of processes names it."""

    def __init__(self, command: list[str], word: str) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        self.pid, line = self._process.pid, self._process.stdout.readline()
        if not line:
            self._process.communicate()
            raise ServerFailed(f"the server did not start; its exit status was {self._process.returncode}")
        self.port = int(line)

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the end of its input ends it


@guard
def mystery(number: int) -> Mystery:
    """Return one of the five servers without a name, by its number, from 1 to 5."""
    five = open_five()
    if number not in range(1, len(five) + 1):
        raise UsageError(f"expected a number from 1 to {len(five)}, not {number!r}")
    recording = five[number - 1]
    return Mystery(number, Calls(draw_part(recording, random.Random(number))), recording)


@guard
def calls_of(name: str) -> Calls:
    """Return a trace of a server that you know: a word of exercise 10-xray, or a server of the world as "Redis"."""
    open_to_all = (each for each in recordings.load() if each.open)
    known = {each.word if each.server == recordings.COURSE else each.server: each for each in open_to_all}
    if name not in known:
        raise unknown("server", name, known)
    return Calls(draw_part(known[name], random.Random(name)))


def serve() -> None:
    """Serve by the model whose name is read, until the end of the input."""
    from iolab.background import start  # the exercise's sheet alone needs it
    from iolab.replies import upper

    model = find(sys.stdin.readline().strip())
    nameless = replace(model, name="server", function=model.serve)  # threads carry the name, and strace shows it
    with start(nameless, upper) as server:
        print(server.address[1], flush=True)
        sys.stdin.read()
