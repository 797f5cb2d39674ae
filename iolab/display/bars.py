"""Progress while a measurement runs: a bar in a notebook, a bar in a terminal, nothing in a script.

A bar is redrawn four times a second and no more: what draws it holds the GIL, and the
server in this process waits meanwhile.
"""

import html
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from iolab.traffic.workload import Tick

EVERY = 2
"""Ticks come ten times a second; every second one is drawn."""

PATIENCE = 12
"""Ticks before the first is drawn: what ends within a second needs no bar."""

Show = Callable[[str, Tick], None]


@contextmanager
def bar(quiet: bool = False) -> Iterator[Show]:
    """Yield a function that shows how far the named work is; the bar is gone at the end."""
    draw, clear = _nothing() if quiet else _notebook() if "ipykernel" in sys.modules else _terminal()
    seen = 0

    def show(what: str, tick: Tick) -> None:
        nonlocal seen
        if seen >= PATIENCE and seen % EVERY == 0:
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


def _watched() -> bool:
    """Say whether a person runs the cell: nbconvert and nbval say that nobody is there to type."""
    from IPython import get_ipython

    kernel = getattr(get_ipython(), "kernel", None)
    return kernel is None or bool(kernel.get_parent().get("content", {}).get("allow_stdin", True))


def _nothing() -> tuple[Show, Callable[[], None]]:
    return (lambda what, tick: None), (lambda: None)


def _notebook() -> tuple[Show, Callable[[], None]]:
    from IPython.display import HTML, display

    if not _watched():
        return _nothing()
    handle: Any = None

    def draw(what: str, tick: Tick) -> None:
        nonlocal handle
        label = f"{html.escape(what)}: {tick.requests:,} requests"
        shown = HTML(f'<label>{label} <progress value="{tick.done:.3f}">{tick.done:.0%}</progress></label>')
        if handle is None:
            handle = display(shown, display_id=True)
        else:
            handle.update(shown)

    return draw, lambda: handle and handle.update(HTML(""))


def _terminal() -> tuple[Show, Callable[[], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        return _nothing()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[requests]:,} requests"),
        TimeElapsedColumn(),
    )
    shown = Progress(*columns, console=console, transient=True, auto_refresh=False)
    task = shown.add_task("", total=1.0, requests=0)
    shown.start()

    def draw(what: str, tick: Tick) -> None:
        shown.update(task, description=what, completed=tick.done, requests=tick.requests)
        shown.refresh()

    return draw, shown.stop
