"""The listening socket, by which every server is stopped.

`shutdown(SHUT_RDWR)` on a listening socket wakes whatever waits on it: a blocked
`accept`, `select`, `epoll_wait`, an event loop. From then on `accept` raises
`Stopped`. So no server here needs a stop flag, a wake-up pipe or a timeout.
"""

import errno
import ipaddress
import numbers
import os
import select
import socket
import threading
import weakref
from collections.abc import Callable
from typing import Any, Self

from iolab.errors import UsageError

RECEIVE_BYTES = 65536
"""What every server asks of one `recv`: enough that a megabyte takes few calls."""

BACKLOG = 4096
"""Connections that may wait for `accept`; Linux cuts it to net.core.somaxconn (`listen(2)`)."""

SPARE_MS = 50
"""How often a blocking accept that found no descriptor looks for one."""

Respond = Callable[[bytes], bytes]
"""The work of a server: the bytes of one `recv` in, the bytes to send back out."""


class Stopped(SystemExit):
    """End a server from inside its `accept`; no `except Exception` swallows it."""


class ListeningSocket(socket.socket):
    """Listen for connections, remember the accepted ones, and stop them all at once."""

    def __init__(self, family: int = -1, address: tuple[Any, ...] | None = None, *, fileno: int | None = None) -> None:
        super().__init__(family, socket.SOCK_STREAM, fileno=fileno)
        self.stopping = False
        self.workers: Any = None
        """Who serves it in the place of this process (`iolab.workers.apart.Workers`), if anybody does."""
        self._shared = fileno is not None
        self._accepted: dict[int, weakref.ref[socket.socket]] = {}
        self._kept: list[socket.socket] = []
        self._spare: int | None = None
        self._turn = threading.Lock()
        if address is not None:
            self._bind(address)
        self._keep_spare()

    @classmethod
    def adopt(cls, descriptor: int) -> Self:
        """Take over a descriptor that listens already and that other processes hold too.

        Whoever shuts it down, here or there, stops it here.
        """
        return cls(fileno=descriptor)

    def _bind(self, address: tuple[Any, ...]) -> None:
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted sockets inherit TCP_NODELAY from the listening one (tcp(7)).
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.bind(address)
            self.listen()
        except BaseException:
            self.close()
            raise

    def listen(self, backlog: int = BACKLOG, /) -> None:
        """Listen; a socket that was stopped stays stopped, though an asyncio server listens again."""
        super().listen(backlog)
        if self.stopping:  # listen(2) revives a socket that was shut down
            shut_down(self)

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection and its peer.

        Raise Stopped once the socket is shut down, and ConnectionAbortedError for a
        connection that could not be kept: descriptors were used up (`accept(2)`, EMFILE).
        """
        try:
            connection, peer = self._take_next()
        except OSError:
            if self._was_stopped_elsewhere():
                self.stopping = True  # and never back: stop() may set it in another thread meanwhile
            if self.stopping:
                raise self._stopped() from None
            raise
        return self.remember(connection), peer

    def _take_next(self) -> tuple[socket.socket, Any]:
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
        return self._accept_on_spare()  # which waits for the next connection, or for the stop

    def remember(self, connection: socket.socket) -> socket.socket:
        """Take charge of a connection that came by another way than `accept`."""
        # Keyed by descriptor: a reused number replaces the closed connection before it,
        # so this holds no more entries than there were connections at once.
        self._accepted[connection.fileno()] = weakref.ref(connection)
        if self.stopping:  # it came in while stop() was walking the connections
            connection.close()
            raise self._stopped()
        return connection

    def connections(self) -> list[socket.socket]:
        """List the accepted connections that are open."""
        alive = [accepted() for accepted in list(self._accepted.values())]
        return [connection for connection in alive if connection is not None and connection.fileno() >= 0]

    def stop(self) -> None:
        """Shut down this socket and every connection: whoever waits on one is woken."""
        self.stopping = True
        try:
            self.shutdown(socket.SHUT_RDWR)
        except OSError:
            self._knock()
        for connection in self.connections():
            shut_down(connection)

    def close(self) -> None:
        """Close the socket and the spare descriptor; connections stay as they are."""
        self._drop_spare()
        super().close()

    def _was_stopped_elsewhere(self) -> bool:
        # Another process shut it down: what listened no longer does (socket(7)). A system call for every EAGAIN.
        return self._shared and not self.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)

    def _stopped(self) -> Stopped:
        # The server's frames and tasks are about to go, and would drop the connections
        # unclosed (ResourceWarning): keep them for the one who closes them.
        self._kept = self.connections()
        return Stopped()

    def _knock(self) -> None:
        # Where a listening socket cannot be shut down (ENOTCONN on macOS), one last
        # connection wakes whoever waits for it, and accept raises Stopped.
        try:
            socket.create_connection(self.getsockname()[:2], timeout=1).close()
        except OSError:
            pass

    def _accept_on_spare(self) -> tuple[socket.socket, Any]:
        # Out of descriptors, the connection stays in the backlog and the socket stays
        # readable: an event loop would spin. So accept it on the spare descriptor, and if
        # none is free then, close it, so that its peer learns of it. One may be: a blocking
        # accept takes its descriptor, or fails, before there is a connection.
        if not self.getblocking() and not self._somebody_waits():
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        with self._turn:  # of many threads in accept each would let go of the one spare, and keep another
            connection, peer = self._let_go_of_spare()
            if self._spare is None:
                connection.close()
                self._keep_spare()
                raise ConnectionAbortedError(errno.ECONNABORTED, "no descriptor left for this connection")
        return connection, peer

    def _let_go_of_spare(self) -> tuple[socket.socket, Any]:
        while True:
            self._drop_spare()
            try:
                return super().accept()
            except OSError as error:
                # Another thread was faster: it sleeps in accept with this descriptor, and serves who comes next.
                if error.errno not in (errno.EMFILE, errno.ENFILE) or not self.getblocking() or self._is_shut(SPARE_MS):
                    raise
            finally:
                self._keep_spare()

    def _is_shut(self, within_ms: int) -> bool:
        # POLLHUP is told unasked, and at once (poll(2)); that a descriptor is free again, nothing tells.
        shut = select.poll()
        shut.register(self, 0)
        return bool(shut.poll(within_ms))

    def _somebody_waits(self) -> bool:
        # EMFILE does not tell, for the same reason; and a spare let go for nothing may be lost to another thread.
        backlog = select.poll()
        backlog.register(self, select.POLLIN)
        return bool(backlog.poll(0))

    def _keep_spare(self) -> None:
        try:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._spare = None

    def _drop_spare(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            os.close(spare)


def shut_down(connection: socket.socket) -> None:
    """Shut a connection down in both directions, if it still is one."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the peer was faster
        pass


def listen(
    host: str = "127.0.0.1", port: int = 0, *, expose: bool = False, kind: type[ListeningSocket] = ListeningSocket
) -> ListeningSocket:
    """Listen on a loopback address; port 0 lets the kernel choose one.

    Other machines are let in only with `expose=True`: these servers are lessons, not services.
    Raise UsageError for an address that cannot be listened on.
    """
    family, address = resolve(host, port)
    if not expose and not ipaddress.ip_address(address[0]).is_loopback:
        raise UsageError(
            f"{host} is no loopback address, so other machines could connect; "
            "use 127.0.0.1, or say expose=True (--expose) if that is what you want"
        )
    try:
        return kind(family, address)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host} port {port}: {os.strerror(error.errno or 0)}; port 0 takes one that is free"
        ) from None


def require_address(address: object) -> None:
    """Raise UsageError for what is no pair of a host and a port."""
    if not (isinstance(address, tuple | list) and len(address) == 2 and isinstance(address[0], str)):
        raise UsageError(f"expected an address such as ('127.0.0.1', 8000), or a server's `address`, not {address!r}")


def _is_port(port: object) -> bool:
    return not isinstance(port, bool) and isinstance(port, numbers.Integral) and 0 <= int(port) <= 65535


def resolve(host: str, port: int) -> tuple[int, tuple[Any, ...]]:
    """Return the address family and socket address of a host and port; raise UsageError if there is none.

    Of a name that has both, such as `localhost`, it is that of IPv4: whoever tries ::1 first goes on to 127.0.0.1,
    and not the other way round.
    """
    addresses = addresses_of(host, port)
    return next((each for each in addresses if each[0] == socket.AF_INET), addresses[0])


def addresses_of(host: str, port: int) -> list[tuple[int, tuple[Any, ...]]]:
    """Return every address family and socket address of a host and port; raise UsageError if there is none."""
    if not _is_port(port):
        raise UsageError(f"a port is a number from 0 to 65535, not {port!r}")  # getaddrinfo: modulo 65536
    try:
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"the host {host!r} does not resolve ({error}); 127.0.0.1 always does") from None
    return [(family, address) for family, _, _, _, address in answers]
