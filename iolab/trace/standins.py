"""Stand-ins for what a server imports to wait: the same functions and objects, which record their waits."""

import asyncio
import select
import selectors
import signal
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from iolab.trace import completions
from iolab.trace.recorder import EAGAIN, Recorder, current, error_name

Measure = Callable[[Any], int | str]


class StandIns:
    """What takes the place of the parts of select, selectors, signal and asyncio that wait."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._all: dict[int, Any] = {}
        self._module(select, self._of_select())
        self._module(selectors, {name: self._selector(kind) for name, kind in selector_classes().items()})
        self._module(signal, self._of_signal())
        self._all |= {id(original): stand_in for original, stand_in in completions.stand_ins(recorder)}
        self._module(asyncio, {"run": self._run, "Runner": self._runner, "new_event_loop": self._loop})

    def of(self, value: Any) -> Any:
        """Return the stand-in for something that was imported, or the thing itself."""
        return self._all.get(id(value), value)

    def _module(self, module: ModuleType, stand_ins: dict[str, Any]) -> None:
        copy = self._all[id(module)] = ModuleType(module.__name__, module.__doc__)
        vars(copy).update(vars(module) | stand_ins)
        self._all |= {id(getattr(module, name)): stand_in for name, stand_in in stand_ins.items()}

    def _of_select(self) -> dict[str, Any]:
        kinds = {name: partial(self._make_watcher, name) for name in WAITING_METHODS if hasattr(select, name)}
        return {"select": self._logging("select", select.select, ready_of_three), **kinds}

    def _of_signal(self) -> dict[str, Any]:
        measures: dict[str, Measure] = {"sigwait": int, "sigwaitinfo": signal_number, "sigtimedwait": signal_number}
        return {
            name: self._logging(name, getattr(signal, name), measure)
            for name, measure in measures.items()
            if hasattr(signal, name)
        }

    def _selector(self, kind: Callable[[], Any]) -> Callable[[], Any]:
        def make() -> Any:
            # The selectors of the standard library keep the object that waits under this name, or its function.
            selector = kind()
            if hasattr(selector, "_selector"):
                selector._selector = self._watch(selector._selector)
            elif hasattr(selector, "_select"):
                selector._select = self._logging("select", selector._select, ready_of_three)
            return selector

        return make

    def _run(self, main: Any, *, debug: bool | None = None, loop_factory: Any = None) -> Any:
        with self._runner(debug=debug, loop_factory=loop_factory) as runner:
            return runner.run(main)

    def _runner(self, *, debug: bool | None = None, loop_factory: Any = None) -> asyncio.Runner:
        return asyncio.Runner(debug=debug, loop_factory=loop_factory or self._loop)

    def _loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(self._selector(selectors.DefaultSelector)())

    def _make_watcher(self, kind: str, *arguments: Any, **options: Any) -> "Watcher":
        return self._watch(getattr(select, kind)(*arguments, **options))

    def _watch(self, plain: Any) -> "Watcher":
        method, name = WAITING_METHODS[type(plain).__name__]
        return Watcher(plain, method, self._logging(name, getattr(plain, method), len))

    def _logging(self, name: str, function: Callable[..., Any], measure: Measure) -> Callable[..., Any]:
        clock, log = self._recorder.clock, self._recorder.log

        def call(*arguments: Any, **options: Any) -> Any:
            start_ns = clock()
            try:
                result = function(*arguments, **options)
            except OSError as error:
                log((name, None, start_ns, clock(), error_name(error), current.number, None))
                raise
            log((name, None, start_ns, clock(), measure(result), current.number, None))
            return result

        return call


WAITING_METHODS = {
    "epoll": ("poll", "epoll_wait"),
    "poll": ("poll", "poll"),
    "devpoll": ("poll", "poll"),
    "kqueue": ("control", "kevent"),
}
"""By the type of an object that watches descriptors: the method that waits, and the system call behind it."""


class Watcher:
    """An object that watches descriptors, whose waits are recorded; it does the rest itself."""

    def __init__(self, plain: Any, method: str, wait: Callable[..., Any]) -> None:
        self._plain = plain
        setattr(self, method, wait)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def __enter__(self) -> "Watcher":
        return self

    def __exit__(self, *_: Any) -> None:
        self._plain.close()


def selector_classes() -> dict[str, Callable[[], Any]]:
    """Return the selectors that this system has, by name."""
    names = ("DefaultSelector", "EpollSelector", "PollSelector", "SelectSelector", "DevpollSelector", "KqueueSelector")
    return {name: getattr(selectors, name) for name in names if hasattr(selectors, name)}


def ready_of_three(lists: tuple[list[Any], list[Any], list[Any]]) -> int:
    """Return how many descriptors `select` found ready."""
    return len(lists[0]) + len(lists[1]) + len(lists[2])


def signal_number(info: Any) -> int | str:
    """Return the signal that was taken; none within the timeout is EAGAIN (`sigtimedwait(2)`)."""
    return EAGAIN if info is None else int(info.si_signo)
