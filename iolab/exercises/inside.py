"""What runs in the learner's process: the limits, the learner's text, and the listening socket that it is given.

This is a script: it is told its work as one line of JSON, and nothing that it says is believed.
"""

import json
import os
import resource
import signal
import socket
import sys
import types
from pathlib import Path
from typing import Any


def limit(told: dict[str, Any]) -> None:
    """End with the judge, take no more than was granted, and stay inside."""
    from iolab.kernel import confinement

    confinement.end_with_parent(signal.SIGKILL)
    if os.getppid() != told["judge"]:
        os._exit(1)
    for name, most in told["limits"].items():
        number, (_, hard) = getattr(resource, name), resource.getrlimit(getattr(resource, name))
        granted = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(number, (granted, granted))
    for number in (signal.SIGIO, *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)):
        signal.signal(number, signal.SIG_DFL)  # the judge ignores them, and that is inherited
    confinement.confine(str(Path.cwd()))


def load(text: str) -> dict[str, Any]:
    """Run the learner's text as a module, and return its names."""
    module = types.ModuleType("answer")
    module.__dict__["__file__"] = "answer.py"
    sys.modules["answer"] = module
    exec(compile(text, "answer.py", "exec"), module.__dict__)  # noqa: S102  it is what we are here for
    return module.__dict__


def responder(table: bytes, factor: int) -> Any:
    """Return a reply function: every byte stands for another one, said `factor` times."""

    def respond(request: bytes) -> bytes:
        reply = bytes(request).translate(table)
        if factor == 1:
            return reply
        grown = bytearray(factor * len(reply))
        for offset in range(factor):
            grown[offset::factor] = reply
        return bytes(grown)

    return respond


def door(descriptor: int) -> Any:
    """Return the judge's listening socket as one of iolab's; it is stopped from outside."""
    from iolab.listening import ListeningSocket

    class Door(ListeningSocket):
        def __init__(self) -> None:
            socket.socket.__init__(self, fileno=descriptor)
            self.stopping, self._accepted, self._kept, self._spare = False, {}, [], None
            self._keep_spare()

        def accept(self) -> tuple[socket.socket, Any]:
            try:
                return super().accept()
            except OSError:
                if self.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    raise
                self.stopping = True  # shut down: what listened no longer does (socket(7))
                raise self._stopped() from None

    return Door()


def main() -> None:
    """Do what the judge says: run the learner's function on what it was given."""
    told = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = told["path"]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    limit(told)
    answer = load(told["text"])[told["entry"]]
    if "address" in told:
        os.write(told["descriptor"], b"1" if answer(tuple(told["address"])) else b"0")
    else:
        answer(door(told["descriptor"]), responder(bytes.fromhex(told["table"]), told["factor"]))


if __name__ == "__main__":
    main()
