"""Plays the acts: the last room of the program, which has all others before it."""

from typing import Any

ACTS: dict[str, Any] = dict(locals())
"""All that the program has defined so far, by name."""


def serve(listening: Any, respond: Any, acts: Any = ACTS) -> None:
    """Do what clients ask for: an act by its name, with numbers drawn from a seed."""
    import random

    while True:
        connection, _ = listening.accept()
        with connection:
            name, seed = connection.recv(100).decode().split()
            try:
                more = [listening] if name == "accepts" else []
                says = acts[name](globals()["Loop"](), random.Random(seed), *more) or "fine"
            except BaseException as error:
                says = f"`run` raised {type(error).__name__}: {error}"
            connection.sendall(respond(says.encode()))
