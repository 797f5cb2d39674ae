"""With processes limited (`ulimit -u`), which binds ordinary users alone: what is left out is said, the rest runs."""

import json

import pytest

from tests import ordinary

pytestmark = pytest.mark.skipif(bool(ordinary.why_not()), reason=ordinary.why_not() or "none")

LOOK = """
import json, socket
from click.testing import CliRunner
import iolab
from iolab.cli.main import main

done = CliRunner().invoke(main, ["serve", "prefork"])
with iolab.start("epoll") as server:
    client = socket.create_connection(server.address)
    client.sendall(b"question")
    alone = client.recv(100).decode()
    client.close()
print(json.dumps([iolab.MODELS["prefork"].why_not(), done.exit_code, done.output, alone]))
"""


@pytest.mark.certify
def test_a_server_of_processes_that_has_no_room_says_so_and_others_serve() -> None:
    with ordinary.make_room() as room:
        why_not, status, output, reply = json.loads(ordinary.run(room, LOOK, processes=3))
    for says in (why_not, " ".join(output.split())):
        assert "it takes " in says and "there is room for" in says and "`ulimit -u`" in says
    assert status == 2 and "prefork cannot run here" in output
    assert reply == "QUESTION"
