"""A workload in the words of a server that speaks a protocol of its own, such as HTTP."""

import socket
from dataclasses import replace

from iolab.background import start
from iolab.errors import LoadFailed
from iolab.kernel.interrupts import InOnePiece
from iolab.listening import Respond
from iolab.models import Model
from iolab.traffic.workload import Workload


def adapt(workload: Workload, model: Model, respond: Respond) -> Workload:
    """Return the workload as this model understands it: each request wrapped in its protocol.

    A model that speaks bytes gets the workload as it is, and so does a request of your own.
    A throwaway server is asked once for the length of the reply. Raise LoadFailed if it does not reply.
    """
    if model.wrap is None or workload.request is not None:
        return workload
    request = model.wrap(b"a" * workload.size_bytes)
    with InOnePiece(lambda: start(model, respond)) as server:
        return replace(workload, request=request, reply_bytes=reply_bytes(server.address, request, workload.patience_s))


def reply_bytes(address: tuple[str, int], request: bytes, patience_s: float) -> int:
    """Ask once, and count the bytes until the end of file."""
    try:
        with socket.create_connection(address, patience_s) as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            received = sum(map(len, iter(lambda: connection.recv(65536), b"")))
    except OSError as error:
        raise LoadFailed(f"cannot ask the server how long its replies are: {error}") from None
    if not received:
        raise LoadFailed("cannot tell how long the replies are: the server closed without one")
    return received
