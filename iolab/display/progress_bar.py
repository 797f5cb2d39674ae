"""The progress bar of a measurement: one in a notebook, one in a terminal, none in a script.

It is redrawn five times a second at most: what draws it holds the GIL, and the
server in this process waits meanwhile.
"""

import html
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

TICKS_PER_FRAME = 2
"""Ticks come ten times a second; every second one is drawn."""

FIRST_TICK = 12
"""The first that is drawn: what ends within a second needs no bar."""


@dataclass(frozen=True)
class Tick:
    """Progress, ten times a second: the share that is done, and the replies and errors so far."""

    done: float
    requests: int
    errors: int


Show = Callable[[str, Tick], None]


@contextmanager
def progress_bar(quiet: bool = False) -> Iterator[Show]:
    """Yield a function that shows how far the named work is; the bar is gone at the end."""
    draw, clear = _no_bar() if quiet else _notebook_bar() if "ipykernel" in sys.modules else _terminal_bar()
    seen = 0

    def show(what: str, tick: Tick) -> None:
        nonlocal seen
        if seen >= FIRST_TICK and seen % TICKS_PER_FRAME == 0:
            draw(what, tick)
        seen += 1

    try:
        yield show
    finally:
        clear()


def say(sentence: str) -> None:
    """Show one sentence under the cell, or on the terminal's error stream."""
    if "ipykernel" not in sys.modules:
        print(sentence, file=sys.stderr)
        return
    from IPython.display import display

    display({"text/html": f"<p><em>{html.escape(sentence)}</em></p>", "text/plain": sentence}, raw=True)


def show_in_notebook(value: object) -> bool:
    """Show a value under the cell; return whether there is one."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        return False
    display(value)
    return True


def _has_reader() -> bool:
    """Return whether a person runs the cell: nbconvert and nbval say that nobody is there to type."""
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return kernel is None or bool(kernel.get_parent().get("content", {}).get("allow_stdin", True))


def _no_bar() -> tuple[Show, Callable[[], None]]:
    return (lambda what, tick: None), (lambda: None)


def _notebook_bar() -> tuple[Show, Callable[[], None]]:
    from IPython.display import HTML, display

    if not _has_reader():
        return _no_bar()
    handle: Any = None

    def draw(what: str, tick: Tick) -> None:
        nonlocal handle
        label = f"{html.escape(what)}: {tick.requests:,} requests"
        bar = HTML(f'<label>{label} <progress value="{tick.done:.3f}">{tick.done:.0%}</progress></label>')
        if handle is None:
            handle = display(bar, display_id=True)
        else:
            handle.update(bar)

    return draw, lambda: handle and handle.update(HTML(""))


def _terminal_bar() -> tuple[Show, Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        return _no_bar()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[requests]:,} requests"),
        TimeElapsedColumn(),
    )
    bar = Progress(*columns, console=console, transient=True, auto_refresh=False)
    task = bar.add_task("", total=1.0, requests=0)
    bar.start()

    def draw(what: str, tick: Tick) -> None:
        bar.update(task, description=what, completed=tick.done, requests=tick.requests)
        bar.refresh()

    return draw, bar.stop
