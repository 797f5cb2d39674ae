"""The other end of the sandbox: the fork server's process, and the answer in those that it forks.

`forkserver` has the theory of operation. Nothing that a forked process says is believed.
"""

import gc
import os
import resource
import signal
import socket
import sys
import time
import types
from functools import partial
from typing import Any

from iolab.exercises.protocol import ClientLaunch, Launch, ServerLaunch, decode, reply
from iolab.kernel import confinement
from iolab.listening import ListeningSocket

DESCRIPTORS = 3
"""What a message of the judge brings: the launch, the socket to serve on or to answer into, and the output."""


def main() -> None:
    """Fork whenever the judge asks for it; a forked process returns when its work is done."""
    with socket.socket(fileno=int(sys.argv[1])) as control:
        gc.collect()
        gc.freeze()  # a collection writes into every object, which would unshare its page
        confinement.end_with_parent(signal.SIGKILL)
        confinement.hide()
        while descriptors := socket.recv_fds(control, 16, DESCRIPTORS)[1]:
            if middle := fork_twice():
                begin_trial(middle, control, *descriptors)
                return
            for descriptor in descriptors:
                os.close(descriptor)


def fork_twice() -> int:
    """Return 0 here, and in a grandchild the number of the process between the two, which ends at once."""
    middle = os.fork()
    if middle:
        os.waitpid(middle, 0)
        return 0
    middle = os.getpid()
    if os.fork():
        os._exit(0)
    return middle


def begin_trial(middle: int, control: socket.socket, launch_file: int, descriptor: int, output: int) -> None:
    """Report to the judge, shut this process in, and run the answer."""
    os.setsid()
    while os.getppid() == middle:  # not adopted yet
        time.sleep(0.0005)
    for number in (1, 2):
        os.dup2(output, number)
    os.close(output)
    with control:
        control.send(os.getpid().to_bytes(4, sys.byteorder))
    with open(launch_file, "rb") as file:
        launch = decode(file.read(), ServerLaunch, ClientLaunch)
    shut_in(launch)
    call_answer(launch, descriptor)


def shut_in(launch: Launch) -> None:
    """End with the judge, take no more than is granted, and write nowhere but into the folder."""
    confinement.end_with_parent(signal.SIGKILL)
    if os.getppid() != launch.judge:
        os._exit(1)
    for name, most in launch.limits.items():
        number, (_, hard) = getattr(resource, name), resource.getrlimit(getattr(resource, name))
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(number, (allowed, allowed))
    for number in (signal.SIGIO, *range(signal.SIGRTMIN, signal.SIGRTMAX + 1)):
        signal.signal(number, signal.SIG_DFL)  # the judge ignores them, and that is inherited
    os.chdir(launch.folder)
    os.environ["HOME"] = launch.folder
    confinement.show()
    confinement.confine(launch.folder)


def call_answer(launch: Launch, descriptor: int) -> None:
    """Call the answer's function on what it is to serve, or to examine."""
    function = load_answer(launch.answer)[launch.entry]
    if isinstance(launch, ClientLaunch):
        os.write(descriptor, b"1" if function((launch.host, launch.port)) else b"0")
    elif isinstance(launch, ServerLaunch):
        respond = partial(reply, table=bytes.fromhex(launch.table), factor=launch.factor)
        function(ListeningSocket.adopt(descriptor), respond)


def load_answer(answer: str) -> dict[str, Any]:
    """Run the answer's text as a module, and return its names."""
    module = types.ModuleType("answer")
    module.__dict__["__file__"] = "answer.py"
    sys.modules["answer"] = module
    exec(compile(answer, "answer.py", "exec"), module.__dict__)  # noqa: S102  it is what we are here for
    return module.__dict__
