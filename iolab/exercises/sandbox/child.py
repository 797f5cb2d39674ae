"""The fork server's own process, and what runs in those that it forks: the limits, and the learner's text.

This is a script. It imports what every trial needs, and forks for each message that brings it a file with the
work, the descriptor to serve on or to answer into, and the one to speak into. Nothing that a forked process
says is believed.
"""

import gc
import json
import os
import resource
import signal
import socket
import sys
import time
import types
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
    os.chdir(told["folder"])
    os.environ["HOME"] = told["folder"]
    confinement.show()
    confinement.confine(told["folder"])


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


def prepare() -> None:
    """Import what every trial needs, and leave it out of every collection, so that its memory stays shared."""
    import iolab.kernel.confinement
    import iolab.listening  # noqa: F401

    gc.collect()
    gc.freeze()


def forked() -> int:
    """Fork twice, and return 0 here, and in the second process the number of the one in the middle, which ends."""
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return 0
    middle = os.getpid()
    if os.fork():
        os._exit(0)
    return middle


def work(middle: int, control: socket.socket, told_in: int, descriptor: int, mouth: int) -> None:
    """Do what the judge says: run the learner's function on what it was given."""
    with open(told_in, "rb") as file:
        told = json.load(file)
    os.setsid()
    while os.getppid() == middle:  # not adopted yet
        time.sleep(0.0005)
    for number in (1, 2):
        os.dup2(mouth, number)
    os.close(mouth)
    with control:
        control.send(os.getpid().to_bytes(4, sys.byteorder))
    limit(told)
    answer = load(told["text"])[told["entry"]]
    if "address" in told:
        os.write(descriptor, b"1" if answer(tuple(told["address"])) else b"0")
    else:
        answer(door(descriptor), responder(bytes.fromhex(told["table"]), told["factor"]))


def main() -> None:
    """Fork whenever the judge asks for it; a forked process returns when its work is done."""
    from iolab.kernel import confinement

    with socket.socket(fileno=int(sys.argv[1])) as control:
        prepare()
        confinement.end_with_parent(signal.SIGKILL)
        confinement.hide()
        while (came := socket.recv_fds(control, 16, 3))[1]:
            if middle := forked():
                work(middle, control, *came[1])
                return
            for descriptor in came[1]:
                os.close(descriptor)


if __name__ == "__main__":
    sys.path[:] = json.loads(sys.argv[2])
    main()
