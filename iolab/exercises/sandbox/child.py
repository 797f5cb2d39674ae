"""The other end of the sandbox: the fork server's process, the keepers that it forks, and the answer in their children.

`forkserver` has the theory of operation. Nothing that an answer's process says is believed.
"""

import builtins
import contextlib
import faulthandler
import fcntl
import gc
import importlib
import inspect
import json
import os
import re
import resource
import select
import signal
import socket
import sys
import types
from collections.abc import Callable
from functools import partial
from typing import Any

from iolab.exercises.calls import Call
from iolab.exercises.exercise import PROGRAM_FOLLOWS
from iolab.exercises.protocol import ClientLaunch, Launch, NamingLaunch, ServerLaunch, decode, reply
from iolab.exercises.sandbox import notes, reach, watch
from iolab.exercises.sandbox.forkserver import WITH_SIGNALS, WITHOUT_RINGS
from iolab.exercises.sandbox.last_words import ANSWER, PROGRAM, READY, LastWords
from iolab.kernel import confinement, namespaces
from iolab.listening import ListeningSocket, Stopped

DESCRIPTORS = 4
"""What a message of the judge brings: the launch, the socket to serve on or to answer into, the line and the words."""

LINE_AT = 600
"""The line has a number that no descriptor of an answer has where calls are noted (`confined.LIMITS`)."""

STATUS_BYTES = 4
MOST_LETTERS = 40
"""How much of a word is passed on."""

LIBRARIES = (
    *("asyncio", "trio", "anyio", "multiprocessing", "concurrent.futures", "numpy", "scipy", "pandas", "matplotlib"),
    *("pyplot", "seaborn", "sklearn", "IPython", "ipywidgets", "twisted", "tornado", "uvloop", "gevent", "sanic"),
)
"""Libraries that take long to import: once, for all trials."""


def main() -> None:
    """Fork whenever the judge asks for it; a forked process returns when its work is done."""
    with socket.socket(fileno=int(sys.argv[1])) as control:
        sys.argv[:] = [ANSWER]
        confinement.end_with_parent(signal.SIGKILL)
        confinement.hide()
        confinement.adopt()
        network, door = namespaces.leave_network(), Door()
        reach.list_readable()  # is cached
        freeze()
        while descriptors := socket.recv_fds(control, 16, DESCRIPTORS)[1]:
            launch = _read_launch(descriptors[0])
            preload(launch.answer)
            if not os.fork():
                control.close()
                enter_world(launch, network)
                keep(launch, door, *descriptors[1:])
                return
            for descriptor in descriptors:
                os.close(descriptor)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _read_launch(descriptor: int) -> Launch:
    return decode(os.pread(descriptor, os.fstat(descriptor).st_size, 0), ServerLaunch, ClientLaunch, NamingLaunch)


def preload(text: str) -> None:
    """Import what an answer mentions and what takes long."""
    for name in LIBRARIES:
        full = "matplotlib.pyplot" if name == "pyplot" else name
        if full not in sys.modules and re.search(rf"^.*\bimport\b.*\b{name}\b|^\s*from\s+{name}\b", text, re.MULTILINE):
            with contextlib.suppress(Exception):
                importlib.import_module(full)
            freeze()


def freeze() -> None:
    """Keep all objects from being collected: a collection writes into each one, which would unshare its page."""
    gc.collect()
    gc.freeze()


def enter_world(launch: Launch, network: int | None) -> None:
    """Go into a world of its own, if there can be one; return in the process that keeps it."""
    if network is not None:
        if isinstance(launch, ClientLaunch):
            namespaces.return_to_network(network)
        os.close(network)
    if namespaces.begin_world():
        if os.fork():
            os._exit(0)
        namespaces.furnish_world(launch.folder)


def keep(launch: Launch, door: "Door", descriptor: int, line: int, words: int) -> None:
    """Start the answer's process, send its status when it ends, and end all that it started when the judge hangs up."""
    confinement.adopt()
    with socket.socket(fileno=line) as judge:
        if not (pid := os.fork()):
            begin_trial(launch, door, judge, descriptor, words)
            return
        os.closerange(0, line)
        os.closerange(line + 1, 256)
        waiting, ended = select.poll(), os.pidfd_open(pid)
        waiting.register(judge, select.POLLIN)
        waiting.register(ended, select.POLLIN)
        while (ready := waiting.poll()) and judge.fileno() not in dict(ready):
            waiting.unregister(ended)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            with contextlib.suppress(OSError):
                judge.send(status.to_bytes(STATUS_BYTES, sys.byteorder, signed=True))
        end_family()
        os._exit(0)


def end_family() -> None:
    """End all descendants of this process, and wait until they have ended."""
    first_of_a_world = os.getpid() == 1
    while True:
        with contextlib.suppress(ProcessLookupError):
            if first_of_a_world:
                os.kill(-1, signal.SIGKILL)  # to all in this world but itself
        for pid in () if first_of_a_world else watch.list_family(os.getpid())[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def begin_trial(launch: Launch, door: "Door", judge: socket.socket, descriptor: int, words: int) -> None:
    """Report to the judge, shut this process in, and run the answer."""
    os.setsid()
    with judge:
        report(judge, isinstance(launch, ServerLaunch) and launch.notes)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.close(null)
    shut_in(launch)
    last_words = LastWords(words, launch.answer)
    last_words.listen()
    faulthandler.enable(words)
    try:
        call_answer(launch, door, descriptor, last_words)
        os._exit(0)  # its threads and processes may go on: that they do is no fault
    except Stopped:
        os._exit(0)
    except Unusable as error:
        last_words.say(f"it died: {error}")
        raise
    except BaseExceptionGroup as group:
        if other := group.split(Stopped)[1]:
            last_words.say_death(other)
            raise
        os._exit(0)
    except BaseException as error:
        last_words.say_death(error)
        raise


def report(judge: socket.socket, takes_notes: bool) -> None:
    """Say that this process is there, with its number, by the kernel, and hand over the listener of its calls."""
    with socket.socket(fileno=fcntl.fcntl(judge, fcntl.F_DUPFD_CLOEXEC, LINE_AT)) as line:
        listener = notes.install(line.fileno()) if takes_notes else None
        rights = [] if listener is None else [listener]
        socket.send_fds(line, [b"here"], rights)
        for each in rights:
            os.close(each)


def shut_in(launch: Launch) -> None:
    """Take no more than is granted, and reach nothing but the folder and what a Python program needs to read."""
    for name, most in launch.limits.items():
        number, (_, hard) = getattr(resource, name), resource.getrlimit(getattr(resource, name))
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(number, (allowed, allowed))
    for number in (signal.SIGIO, *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)):
        signal.signal(number, signal.SIG_DFL)  # the judge ignores them, and that is inherited
    os.chdir(launch.folder)
    os.environ["HOME"] = os.environ["TMPDIR"] = launch.folder
    confinement.show()
    confinement.adopt()
    port = launch.port if isinstance(launch, ClientLaunch) else None
    rings = os.environ.pop(WITHOUT_RINGS, None) is None
    alone = os.getppid() == 1 or confinement.scopes_signals()  # its keeper is the first of a world
    signals = os.environ.pop(WITH_SIGNALS, None) is not None and alone
    confinement.confine(
        confinement.Reach(launch.folder, reach.list_readable(), reach.list_listable(), port, rings, signals)
    )


def call_answer(launch: Launch, door: "Door", descriptor: int, words: LastWords) -> None:
    """Call the answer's function on what it is to serve, to examine, or to name."""
    function = load_answer(launch)
    words.say(READY)
    if isinstance(launch, ClientLaunch):
        verdict = function((launch.host, launch.port))
        if verdict is not True and verdict is not False:
            raise Unusable(f"`{launch.entry}` returned {_cut(verdict)}, neither True nor False")
        os.write(descriptor, b"1" if verdict else b"0")
    elif isinstance(launch, NamingLaunch):
        for rows in json.loads(launch.traces):
            word = function([Call.from_row(row) for row in rows])
            if not isinstance(word, str):
                raise Unusable(f"`{launch.entry}` returned {_cut(word)}, which is no word")
            os.write(descriptor, json.dumps(word[:MOST_LETTERS]).encode() + b"\n")
    elif isinstance(launch, ServerLaunch):
        respond = partial(reply, table=bytes.fromhex(launch.table), factor=launch.factor, pace_ms=launch.pace_ms)
        function(door.open(descriptor), respond)
        words.say(f"`{launch.entry}` returned")


class Unusable(Exception):
    """Say that an answer lacks its function, that it cannot be called, or that it returned what is no verdict."""


def load_answer(launch: Launch) -> Callable[..., Any]:
    """Run the answer's text as a module, and the judge's program, if there is one, behind it; return the function."""
    text, mark, program = launch.answer.rpartition(PROGRAM_FOLLOWS)
    text = text if mark else program
    module = types.ModuleType("answer")
    module.__dict__["__file__"] = ANSWER
    sys.modules["answer"] = module
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]  # `site` would, which is left out
    exec(compile(text.removeprefix("\ufeff"), ANSWER, "exec"), module.__dict__)  # noqa: S102  it is what we are here for
    names = {} if mark else module.__dict__
    if mark:  # it sees the learner's names and changes none of them: a helper may have the name of its function
        exec(compile(program, PROGRAM, "exec"), module.__dict__, names)  # noqa: S102
    return _find_function(names, launch.entry)


def _find_function(names: dict[str, Any], entry: str) -> Callable[..., Any]:
    function = names.get(entry)
    if function is None:
        raise Unusable(f"your answer does not define `{entry}`")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise Unusable(f"`{entry}` is an `async def`: a call runs nothing of it; make it a `def` that runs a loop")
    if inspect.isgeneratorfunction(function):
        raise Unusable(f"`{entry}` has a `yield`: a call runs nothing of it; make it a function without one")
    if not callable(function):
        raise Unusable(f"`{entry}` is of type {type(function).__name__}, which cannot be called")
    return function  # type: ignore[no-any-return]


def _cut(value: object) -> str:
    try:
        return repr(value)[:40]
    except Exception:
        return type(value).__name__


class Door:
    """The listening socket as the answer gets it: a plain `socket`, whose `accept` behaves like a ListeningSocket's.

    Some libraries refuse what is not exactly a `socket` (trio), and such a one has no `accept` of its own. So that of
    the class is replaced, before any library takes it, and asks a ListeningSocket where it is for this door.
    """

    def __init__(self) -> None:
        self._plain_accept = socket.socket.accept
        self._listening: ListeningSocket | None = None
        door = self
        socket.socket.accept = lambda self: door._accept(self)  # type: ignore[method-assign]

    def open(self, descriptor: int) -> socket.socket:
        """Return the socket to serve on."""
        self._listening = ListeningSocket.adopt(os.dup(descriptor))
        self._inode = os.fstat(descriptor).st_ino
        return socket.socket(fileno=descriptor)

    def _accept(self, sock: socket.socket) -> tuple[socket.socket, Any]:
        listening = self._listening
        if listening is None or isinstance(sock, ListeningSocket) or os.fstat(sock.fileno()).st_ino != self._inode:
            return self._plain_accept(sock)
        if listening.gettimeout() != sock.gettimeout():
            listening.settimeout(sock.gettimeout())
        return listening.accept()
