"""Properties of a function that names the model of a server by its system calls."""

import json
import os
import random
import select
import time
from collections.abc import Iterator, Sequence
from io import FileIO

from iolab.exercises import recordings
from iolab.exercises.calls import Call
from iolab.exercises.peers import Violated
from iolab.exercises.protocol import NamingLaunch, printable
from iolab.exercises.recordings import SEVERAL, Recording, draw_part
from iolab.exercises.sandbox.confined import LIMITS, Confined

WORDS = {
    "blocking": "one thread, which sleeps in a call for one connection at a time",
    "nonblocking": "one thread, which never sleeps: it asks everybody in turn, mostly in vain",
    "select": "one thread, which waits for all of its connections in `select`",
    "poll": "one thread, which waits for all of its connections in `poll`",
    "epoll": "one thread, which waits in an epoll whose connections are level-triggered",
    "epoll-edge": "one thread, which waits in an epoll whose connections are edge-triggered",
    "signals": "one thread, which waits for a signal of a connection",
    "io_uring": "one thread, which has the kernel receive, and waits until that is done",
    "threads": "a thread for each connection, born when that came",
    "processes": "a process for each connection, born when that came",
    "pool": "several threads of one process, which were there before the connections",
    "prefork": "several processes, which were there before the connections",
}
"""The words, and what each stands for; the last four say who serves, whatever they wait in."""

ONE_THREAD = tuple(word for word in WORDS if word not in SEVERAL)
FIVE = ("select", "threads", "epoll-edge", "nonblocking", "prefork")
"""The five servers of `iolab.course.mystery`, in an order that `open_five` draws."""

JUDGE_WAITS_FOR_WORDS_S = 8.0
LEAST_RIGHT = 2


def open_five() -> list[Recording]:
    """Return the recordings of the five servers, always in the same order."""
    words = random.Random("five servers").sample(FIVE, len(FIVE))
    return [_find(word, open_=True)[0] for word in words]


def look_for_words(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a function that returns a word of the list for each of the five, and not always the same."""
    five = open_five()
    words = ask_words(answer, entry, [draw_part(each, draw) for each in five])
    right = sum(word == each.word for word, each in zip(words, five, strict=True))
    if right < LEAST_RIGHT:
        raise Violated(f"of the five of `iolab.course.mystery` it named {right} right, fewer than {LEAST_RIGHT}")
    return f"the five servers got words of the list, and {right} of them the right ones"


def look_for_waits(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a function that says what one thread waits in; level and edge are another property's."""
    chosen = [draw.choice(_find(word)) for word in (*ONE_THREAD, *draw.sample(ONE_THREAD, 2))]
    return _look(answer, entry, draw, chosen, alike=("epoll", "epoll-edge"))


def look_for_mode(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a function that tells level-triggered from edge-triggered."""
    chosen = [draw.choice(_find(word)) for word in ("epoll", "epoll-edge") * 3]
    return _look(answer, entry, draw, chosen)


def look_for_servers(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a function that says who serves; what one thread waits in is another property's."""
    chosen = [draw.choice(_find(word)) for word in SEVERAL * 2]
    chosen += [draw.choice(_find(word)) for word in ONE_THREAD]
    return _look(answer, entry, draw, chosen, alike=ONE_THREAD)


def look_from_middle(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a function that needs no beginning."""
    return _look(answer, entry, draw, [draw.choice(_find(word)) for word in WORDS], late=True)


def look_for_world(answer: str, entry: str, draw: random.Random) -> str:
    """Look for a function that names servers that the course did not write."""
    names = list(dict.fromkeys(each.server for each in recordings.load() if each.server != recordings.COURSE))
    return _look(answer, entry, draw, [draw.choice(recordings.find(name)) for name in names])


def _look(
    answer: str,
    entry: str,
    draw: random.Random,
    chosen: list[Recording],
    *,
    late: bool = False,
    alike: Sequence[str] = (),
) -> str:
    draw.shuffle(chosen)
    words = ask_words(answer, entry, [draw_part(each, draw, late=late) for each in chosen])
    pairs = list(zip(chosen, words, strict=True))
    wrong = [(each, word) for each, word in pairs if word != each.word and not {word, each.word} <= set(alike)]
    if wrong:
        raise Violated(f"it named {len(pairs) - len(wrong)} of {len(pairs)} servers right. {_explain(*wrong[0])}")
    return f"it named {len(pairs)} servers right"


def _explain(recording: Recording, word: str) -> str:
    says = f"One was {recording.server}, which is `{recording.word}`: {recording.because}"
    return f"{says}. Your answer said `{word}`"


def ask_words(answer: str, entry: str, traces: Sequence[Sequence[Call]]) -> list[str]:
    """Return the word that the learner's function gives each trace. Raise Violated if it does not, or gives another."""
    text = json.dumps([[call.to_row() for call in trace] for trace in traces])
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", 0) as reader, os.fdopen(write_end, "wb", 0) as writer:
        with Confined(lambda folder: NamingLaunch(answer, entry, folder, LIMITS, text), writer.fileno()) as namer:
            writer.close()  # so that the end of file comes with the end of the function
            words = list(_read_words(reader, namer, len(traces)))
    if others := [word for word in words if word not in WORDS]:
        raise Violated(f"it returned {others[0]!r}, which is not one of the twelve words")
    return words


def _read_words(reader: FileIO, namer: Confined, count: int) -> Iterator[str]:
    lines, deadline_s = b"", time.monotonic() + JUDGE_WAITS_FOR_WORDS_S
    while lines.count(b"\n") < count:
        if not select.select([reader], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
            raise Violated(f"it had not named {count} traces after {JUDGE_WAITS_FOR_WORDS_S:.0f} s")
        if not (part := reader.read(1 << 16)):
            namer.wait_for_end()
            done = lines.count(b"\n")
            raise Violated(f"it named {done} of {count} traces: {namer.describe_end()}")
        lines += part
    for line in lines.splitlines()[:count]:
        try:
            yield printable(str(json.loads(line)))
        except ValueError:
            yield printable(line.decode(errors="replace")[:40])


def _find(word: str, *, open_: bool = False) -> list[Recording]:
    """Return the recordings of the course's servers of a word: those that learners may have, or the others."""
    every = (each for each in recordings.load() if each.server == recordings.COURSE and each.word == word)
    return [each for each in every if each.open == open_]
