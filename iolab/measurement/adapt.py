"""A workload in the words of a server that speaks a protocol of its own, such as HTTP."""

import socket
from dataclasses import replace

from iolab.background import start
from iolab.errors import LoadFailed
from iolab.listening import Respond
from iolab.models import Serve, find
from iolab.traffic.workload import Workload


def adapt(workload: Workload, model: str | Serve, respond: Respond) -> Workload:
    """Return the workload as this model understands it: each request wrapped in its protocol.

    A model that speaks bytes gets the workload as it is, and so does a request of your own.
    How long the reply is, a server of its own is asked once. Raise LoadFailed if it does not reply.
    """
    wrap = find(model).wrap if isinstance(model, str) else None
    if wrap is None or workload.request is not None:
        return workload
    request = wrap(b"a" * workload.size_bytes)
    with start(model, respond) as server:
        return replace(workload, request=request, reply_bytes=reply_bytes(server.address, request, workload.patience_s))


def reply_bytes(address: tuple[str, int], request: bytes, patience_s: float) -> int:
    """Ask once, and count what comes until the end of file."""
    try:
        with socket.create_connection(address, patience_s) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            counted = sum(map(len, iter(lambda: connection.recv(65536), b"")))
    except OSError as error:
        raise LoadFailed(f"the server was asked once, to see how long its replies are, and failed: {error}") from None
    if not counted:
        raise LoadFailed("the server was asked once, to see how long its replies are, and closed without a reply")
    return counted
