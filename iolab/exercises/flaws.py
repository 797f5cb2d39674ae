"""Servers with a flaw, as they stand in many books: each is a model's text with one thing wrong."""

from dataclasses import dataclass

from iolab.models import MODELS

Swap = tuple[str, str]


@dataclass(frozen=True)
class Flaw:
    """One flaw: its name, and the model that it is put into."""

    name: str
    model: str
    swaps: tuple[Swap, ...] = ()

    @property
    def text(self) -> str:
        """The text of the flawed server."""
        text = MODELS[self.model].source
        for right, wrong in self.swaps:
            if right not in text:
                raise LookupError(f"{self.model} no longer says {right!r}: put the flaw into what it says now")
            text = text.replace(right, wrong)
        return text


DECODES = (("respond(request)", "respond(request.decode().encode())"),)
DROPS = (("if sent < len(reply):", "if False:"),)
ENDS = (("except OSError:  # reset by the peer", "except KeyError:"),)
BLOCKS = (("connection.setblocking(False)", "pass"),)
LOCKS = (
    ("from threading import Thread", "from threading import Lock, Thread\n\nlock = Lock()"),
    ("connection.sendall(", "lock.acquire(), connection.sendall("),
    ("respond(request))", "respond(request)), lock.release()"),
)

FLAWS = {
    "01-break-it": (
        Flaw("serves one client at a time", "blocking"),
        Flaw("lets one slow reader stop all others", "threads", LOCKS),
        Flaw("takes bytes for text", "threads", DECODES),
    ),
    "02-break-it": (
        Flaw("drops what a send did not take", "nonblocking", DROPS),
        Flaw("ends when a client resets", "nonblocking", ENDS),
        Flaw("takes bytes for text", "nonblocking", DECODES),
    ),
    "03-break-it": (
        Flaw("drops what a send did not take", "select", DROPS),
        Flaw("ends when a client resets", "select", ENDS),
        Flaw("lets one slow reader stop all others", "select", BLOCKS),
    ),
    "04-break-it": (
        Flaw("ends when a client resets", "selectors", ENDS),
        Flaw("lets one slow reader stop all others", "selectors", BLOCKS),
        Flaw("takes bytes for text", "selectors", DECODES),
    ),
}
"""Three flaws for each exercise."""

RIGHT = {
    "01-break-it": ("threads", "selectors"),
    "02-break-it": ("nonblocking", "select"),
    "03-break-it": ("select", "epoll"),
    "04-break-it": ("selectors", "coroutines"),
}
"""Models that a client must leave alone."""
