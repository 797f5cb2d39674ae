"""Model: callbacks on the reactor of a framework, Twisted, with transports and protocols.
Waits in: epoll_wait, inside the reactor.
Readiness or completion: readiness in the reactor; completion for the protocol: it is called with the bytes.
State per connection: a protocol, and a transport with the bytes that its peer is owed.
Runs the reply: in the one thread, between two callbacks.
Breaks when: a reply takes long: nobody else is called back meanwhile.
"""

from socket import socket

from twisted.internet.abstract import FileDescriptor
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Server
from twisted.python.failure import Failure
from zope.interface import implementer

from iolab.listening import RECEIVE_BYTES, Respond, Stopped


def serve(listening: socket, respond: Respond) -> None:
    """Run a reactor in this thread, with one protocol per connection."""
    listening.setblocking(False)
    reactor = EPollReactor()

    class Listening(FileDescriptor):
        def fileno(self) -> int:
            return listening.fileno()

        def doRead(self) -> None:
            try:
                connection, peer = listening.accept()
            except (OSError, Stopped):  # the peer gave up while it waited in the backlog
                return
            conversation = Conversation()
            conversation.makeConnection(Server(connection, conversation, peer, None, 0, reactor))

        def connectionLost(self, reason: Failure) -> None:  # the listening socket was shut down
            reactor.stop()

    @implementer(IHalfCloseableProtocol)
    class Conversation(Protocol):
        def connectionMade(self) -> None:
            self.transport.bufferSize = RECEIVE_BYTES
            # The peer is slow, and owed more than this: read no more of it until it has its reply.
            self.transport.registerProducer(self.transport, streaming=True)

        def dataReceived(self, request: bytes) -> None:
            try:
                self.transport.write(respond(request))
            except OSError:  # Twisted would log it
                self.transport.abortConnection()

        def readConnectionLost(self) -> None:  # its end of file
            self.transport.loseConnection()  # once it has all that it is owed

        def writeConnectionLost(self) -> None:
            pass

    reactor.addReader(Listening(reactor))
    try:
        reactor.run(installSignalHandlers=False)
    finally:  # a reactor lives as long as its process, so it closes neither of these
        reactor.waker.connectionLost(None)
        reactor._poller.close()
