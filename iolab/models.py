"""The I/O models: the page of each, whether it runs on this machine, and the one door for a name or a function."""

import ast
import difflib
import importlib
import importlib.util
import inspect
import os
import select as system_calls  # a submodule is named `select`, and would take its place here
import sys
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from iolab import servers
from iolab.errors import UsageError, require_list, unknown
from iolab.kernel import processes
from iolab.kernel.aio import why_not as needs_aio
from iolab.kernel.signals import why_not as needs_signals
from iolab.kernel.uring import why_not as needs_io_uring
from iolab.listening import ListeningSocket, Respond

Serve = Callable[[ListeningSocket, Respond], None]
Probe = Callable[[], str | None]
Wrap = Callable[[bytes], bytes]

SELECT_NEEDS = 3
"""Descriptors below 1024 for a select that can serve: the listening socket, its spare, one connection."""


def runs_everywhere() -> None:
    """Probe nothing: sockets and threads are on every platform of Python."""


def needs_epoll() -> str | None:
    """Say why epoll cannot run here, or return None."""
    return (
        None
        if hasattr(system_calls, "epoll")
        else "epoll is a system call of Linux alone; on this system kqueue or poll takes its place"
    )


def needs_poll() -> str | None:
    """Say why poll cannot run here, or return None."""
    return None if hasattr(system_calls, "poll") else "poll is not among the system calls of Windows; select is"


def needs_low_descriptors() -> str | None:
    """Say why select cannot run here, or return None: it takes descriptors below 1024 only (select(2))."""
    with Path(os.devnull).open("rb") as lowest_free:
        if lowest_free.fileno() + SELECT_NEEDS < 1024:
            return None
    return "select takes descriptors below 1024 only, and this process has those in use; close some, or restart it"


def needs_fork() -> str | None:
    """Say why servers of several processes cannot run here, or return None."""
    if sys.platform != "linux":
        return "its processes are ended by PR_SET_PDEATHSIG and watched by pidfd_open, which Linux alone has"
    needs, room = 2 + max(2, len(os.sched_getaffinity(0))), processes.room()  # parent, client, workers
    if room is not None and room < needs:
        return f"it takes {needs} processes, and there is room for {room} more (`ulimit -u`, or a container's pids.max)"
    return None


def needs_package(name: str, *, on_windows: bool = True) -> Probe:
    """Return a probe that says whether a package is missing; it looks for it without importing it."""

    def probe() -> str | None:
        if not on_windows and sys.platform == "win32":
            return f"{name} does not run on Windows"
        return None if importlib.util.find_spec(name) else f"{name} is not installed; pip install 'iolab[models]'"

    return probe


def http_post(body: bytes) -> bytes:
    """Return the HTTP request that carries these bytes (RFC 9112)."""
    return b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@dataclass(frozen=True, repr=False)
class Model:
    """One I/O model: a server of the course with its page, or a function of the learner's own."""

    name: str
    probe: Probe = runs_everywhere
    colour: str = ""
    """Its colour in figures; models that a lesson holds side by side differ. Without one, the figure chooses."""
    function: Serve | None = None
    """The function that serves, if it is no page of the course."""
    serves_at_once: int | None = None
    """How many clients it serves at the same time, while others wait; None if it is as many as come."""
    spins: bool = False
    descriptors_below: int | None = None
    """A connection whose descriptor is this or more is turned away; None: the process's limit is the only one."""
    apart: bool = False
    """Whether its connections are served by processes of its own, beside this one."""
    wrap: Wrap | None = None
    """How a payload becomes a request, where the server speaks a protocol; None: the bytes are the request."""
    plain_connections: bool = False
    """Whether it takes nothing but a plain socket, so that its connections cannot record themselves."""

    def __repr__(self) -> str:
        return f"{self.name}: {self.card.get('Model', 'a function of your own')}"

    @property
    def serves_many(self) -> bool:
        """Whether a second client is served while the first is there."""
        return self.serves_at_once != 1

    @property
    def path(self) -> Path:
        """The file that the learner reads."""
        return Path(servers.__path__[0], self.module.rpartition(".")[2] + ".py")

    @property
    def module(self) -> str:
        """The module's full name; `epoll-edge` lives in `iolab.servers.epoll_edge`."""
        return f"{servers.__name__}.{self.name.replace('-', '_')}"

    @cached_property
    def source(self) -> str:
        """The text of the server."""
        return inspect.getsource(self.function) if self.function else self.path.read_text(encoding="utf-8")

    @property
    def card(self) -> dict[str, str]:
        """The six lines of the docstring, by their headings; none of a function of one's own."""
        text = "" if self.function else ast.get_docstring(ast.parse(self.source)) or ""
        return {heading: line.strip() for heading, _, line in (row.partition(":") for row in text.splitlines())}

    @property
    def serve(self) -> Serve:
        """The server's function; its module is imported here, on first use."""
        if self.function:
            return self.function
        serve: Serve = importlib.import_module(self.module).serve
        return serve

    def why_not(self) -> str | None:
        """Say in one sentence why the model cannot run on this machine; None if it can."""
        return self.probe()

    def require(self) -> None:
        """Raise UsageError if the model cannot run on this machine."""
        if reason := self.why_not():
            raise UsageError(f"{self.name} cannot run here: {reason}; `iolab doctor` lists what can")


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        Model("blocking", colour="black", serves_at_once=1),
        Model("threads", colour="purple"),
        Model("nonblocking", colour="green", spins=True),
        Model("select", needs_low_descriptors, colour="orange", descriptors_below=1024),
        Model("poll", needs_poll, colour="vermilion"),
        Model("epoll", needs_epoll, colour="blue"),
        Model("epoll-edge", needs_epoll, colour="sky"),
        Model("selectors", colour="green"),
        Model("signals", needs_signals, colour="vermilion"),
        Model("aio", needs_aio, colour="vermilion"),
        Model("io_uring-oneshot", needs_io_uring, colour="sky"),
        Model("io_uring", needs_io_uring, colour="green"),
        Model("coroutines", colour="orange"),
        Model("asyncio", colour="green"),
        Model("asyncio-protocol", colour="sky"),
        Model("tornado", needs_package("tornado"), colour="vermilion"),
        Model("twisted", lambda: needs_epoll() or needs_package("twisted")(), colour="purple"),
        Model("sanic", needs_package("sanic"), colour="orange", wrap=http_post),
        Model("uvloop", needs_package("uvloop", on_windows=False), colour="black"),
        Model("gevent", needs_package("gevent"), colour="orange"),
        Model("trio", needs_package("trio"), colour="vermilion", plain_connections=True),
        Model("pool", colour="green", serves_at_once=64),
        Model("processes", needs_fork, colour="black", apart=True),
        Model("prefork", needs_fork, colour="orange", apart=True),
        Model("prefork-exclusive", needs_fork, colour="vermilion", apart=True),
        Model("reuseport", needs_fork, colour="sky", apart=True),
        Model("handoff", needs_fork, colour="green", apart=True),
    )
}
"""All models by name, in the order of the lessons."""


def find(name: str) -> Model:
    """Return the model of this name; raise UsageError for what is none."""
    if not isinstance(name, str):
        raise UsageError(f"expected the name of a model, such as 'epoll', not {name!r}")
    if name in MODELS:
        return MODELS[name]
    raise unknown("model", name, MODELS)


def resolve(model: "str | Serve | Model") -> Model:
    """Return the model of a name, or the one that a function of the learner's own is; raise UsageError for neither.

    This is the door: what calls `resolve` takes a name or a function, and what it calls takes a Model.
    """
    if isinstance(model, Model):
        return model
    if isinstance(model, str):
        return find(model)
    if wrong := _why_no_server(model):
        raise UsageError(f"expected the name of a model or a function serve(listening, respond), not {wrong}")
    return Model(getattr(model, "__name__", "serve"), function=model)


def _why_no_server(function: object) -> str | None:
    """Name what cannot serve for what it is; return None for a function that takes a socket and a reply."""
    if inspect.ismodule(function):
        return f"the module {function.__name__}"
    if inspect.isclass(function):
        return f"the class {function.__name__}"
    if not callable(function):
        return repr(function)
    name = getattr(function, "__name__", type(function).__name__)
    if inspect.iscoroutinefunction(function):
        return f"the coroutine function {name}: write `def`, and call asyncio.run inside it"
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return f"the generator {name}: calling it serves nobody"
    try:
        signature = inspect.signature(function)
        signature.bind(None, None)
    except TypeError:
        return f"{name}{signature}, which does not take those two"
    except ValueError:  # a function in C that does not say what it takes
        pass
    return None


def choose(models: "Iterable[str | Serve | Model]" = ()) -> list[Model]:
    """Return the models that run here, of those given or of all; raise UsageError if none does, or one is none."""
    require_list(models, "models in a list, such as ['epoll']")
    subjects = [resolve(model) for model in models] or list(MODELS.values())
    by_name = {model.name: model for model in subjects}
    if twice := [model.name for model in subjects if by_name[model.name] != model]:
        raise UsageError(f"two different models are called {twice[0]}; give each function a name of its own")
    runnable = [model for model in subjects if model.why_not() is None]
    if not runnable:
        subjects[0].require()
    return runnable


def diff(before: str | Callable[..., object], after: str | Callable[..., object]) -> str:
    """Return the unified diff from the text of a model, without its card, or of a function, to that of another.

    Lines that differ in their indentation alone are the same line, as for `diff -w`.
    """
    (old_name, old), (new_name, new) = map(_named_text, (before, after))
    matcher = difflib.SequenceMatcher(None, [line.strip() for line in old], [line.strip() for line in new])
    lines: list[str] = []
    for hunk in matcher.get_grouped_opcodes(2):
        lines.append(f"@@ -{hunk[0][1] + 1},{hunk[-1][2] - hunk[0][1]} +{hunk[0][3] + 1},{hunk[-1][4] - hunk[0][3]} @@")
        for kind, old_from, old_to, new_from, new_to in hunk:
            lines += [f"-{line}" for line in old[old_from:old_to] if kind != "equal"]
            lines += [f"{' ' if kind == 'equal' else '+'}{line}" for line in new[new_from:new_to]]
    return "\n".join([f"--- {old_name}", f"+++ {new_name}", *lines] if lines else [])


def _named_text(model: str | Callable[..., object]) -> tuple[str, list[str]]:
    if not inspect.isfunction(model):
        found = find(model)  # type: ignore[arg-type]  # which refuses what is no name
        return found.name, body(found)
    try:
        return model.__name__, textwrap.dedent(inspect.getsource(model)).splitlines()
    except OSError:
        raise UsageError(f"the text of {model!r} cannot be found; give a function written with `def`") from None


def body(model: Model) -> list[str]:
    """Return the lines of a server after its card."""
    docstring = ast.parse(model.source).body[0]
    return model.source.splitlines()[docstring.end_lineno or 0 :]
