"""A server that nobody stopped does not hold up, or crash, the end of the interpreter."""

import pytest

from iolab.models import find
from tests.kernel.support import run_script


@pytest.mark.parametrize("model", ["signals", "aio", "io_uring"])
def test_the_interpreter_ends_though_a_server_runs(model: str) -> None:
    why_not = find(model).why_not()
    if why_not:
        pytest.skip(why_not)
    script = f"""
import socket
from iolab.api import start
server = start({model!r})
connections = [socket.create_connection(server.address) for _ in range(20)]
for connection in connections:
    connection.sendall(b"question")
    print(connection.recv(100).decode())
for connection in connections[10:]:
    connection.close()
import sys, warnings
warnings.simplefilter("ignore")  # of what is open, on purpose
"""
    assert run_script(script).split() == ["QUESTION"] * 20
