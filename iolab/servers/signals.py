"""Model: signal-driven I/O; a realtime signal carries the descriptor that is ready.
Waits in: sigwaitinfo.
Readiness or completion: readiness, told by one signal for each change; the program remembers it until EAGAIN.
State per connection: a socket, whether it is ready, and the bytes that it is owed.
Runs the reply: in the one thread, between two signals.
Breaks when: signals come faster than they are taken: the queue is full, and everyone must be asked.
"""

from signal import SIGIO, sigtimedwait, sigwaitinfo
from socket import socket

from iolab.kernel.signals import SIGNALS, Interest, descriptor_of
from iolab.listening import RECEIVE_BYTES, Respond


def serve(listening: socket, respond: Respond) -> None:
    """Wait for a signal, and serve the connection that it names until nothing is left."""
    listening.setblocking(False)
    connections: dict[int, socket] = {}
    unsent: dict[int, memoryview] = {}

    def accept() -> None:
        try:
            connection, _ = listening.accept()
        except BlockingIOError:  # drained
            raise
        except OSError:  # the peer gave up while it waited in the backlog
            return
        connection.setblocking(False)
        connections[connection.fileno()] = connection
        interest.register(connection)
        ready.add(connection.fileno())  # what it sent before raised no signal

    def receive(descriptor: int) -> None:
        request = connections[descriptor].recv(RECEIVE_BYTES)
        if request:
            send(descriptor, respond(request))
        else:
            close(descriptor)

    def send(descriptor: int, reply: bytes | memoryview) -> None:
        try:
            sent = connections[descriptor].send(reply)
        except BlockingIOError:
            sent = 0
        if sent < len(reply):  # the peer is slow: read no more until it has its reply
            unsent[descriptor] = memoryview(reply)[sent:]
            ready.discard(descriptor)
        else:
            unsent.pop(descriptor, None)

    def close(descriptor: int) -> None:
        unsent.pop(descriptor, None)
        ready.discard(descriptor)
        interest.unregister(descriptor)  # or a fork's copy keeps it armed
        connections.pop(descriptor).close()

    with Interest() as interest:
        interest.register(listening)
        ready = {listening.fileno()}
        while True:
            for descriptor in ready.copy():  # one step each: a busy one holds up nobody
                try:
                    if descriptor == listening.fileno():
                        accept()
                    elif descriptor in unsent:
                        send(descriptor, unsent[descriptor])
                    elif descriptor in connections:
                        receive(descriptor)
                    else:  # it was closed before its signal was taken
                        ready.discard(descriptor)
                except BlockingIOError:  # drained: the next signal will tell
                    ready.discard(descriptor)
                except OSError:  # reset by the peer
                    close(descriptor)
            signal = sigtimedwait(SIGNALS, 0) if ready else sigwaitinfo(SIGNALS)
            while signal:  # all in the queue, so that a busy one gets no extra turns
                if signal.si_signo == SIGIO:  # the queue was full: ask everyone
                    interest.discard()
                    ready.update(connections, {listening.fileno()})
                else:
                    ready.add(descriptor_of(signal))
                signal = sigtimedwait(SIGNALS, 0)
