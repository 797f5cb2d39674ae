# right
from twisted.internet import main
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IReadWriteDescriptor
from zope.interface import implementer


@implementer(IReadWriteDescriptor)
class Base:
    def __init__(self, reactor, sock):
        self.reactor, self.sock = reactor, sock
        sock.setblocking(False)
        reactor.addReader(self)

    def fileno(self):
        return self.sock.fileno()

    def logPrefix(self):
        return type(self).__name__

    def doWrite(self):
        pass

    def connectionLost(self, reason):
        pass


class Door(Base):
    stopped = None

    def __init__(self, reactor, sock, respond):
        super().__init__(reactor, sock)
        self.respond = respond

    def doRead(self):
        if self.stopped:
            return
        try:
            sock, _ = self.sock.accept()
        except (ConnectionAbortedError, BlockingIOError):
            return
        except SystemExit as e:
            self.stopped = e
            self.reactor.removeReader(self)
            self.reactor.stop()
            return
        Visitor(self.reactor, sock).respond = self.respond

    def connectionLost(self, reason):
        self.doRead()       # it hung up without being readable: that is Stopped, too


class Visitor(Base):
    rest = b""

    def doRead(self):
        if self.rest:
            return
        try:
            data = self.sock.recv(16000)
        except BlockingIOError:
            return
        except OSError:
            return main.CONNECTION_LOST
        if not data:
            return main.CONNECTION_DONE
        self.rest = memoryview(self.respond(data))
        failed = self.flush()
        if failed:
            return failed
        if self.rest:
            self.reactor.addWriter(self)
            self.reactor.removeReader(self)

    def doWrite(self):
        failed = self.flush()
        if failed:
            return failed
        if not self.rest:
            self.reactor.addReader(self)
            self.reactor.removeWriter(self)

    def flush(self):
        try:
            self.rest = self.rest[self.sock.send(self.rest):]
        except BlockingIOError:
            pass
        except OSError:
            return main.CONNECTION_LOST

    def connectionLost(self, reason):
        self.sock.close()


def serve(listening, respond):
    reactor = EPollReactor()
    door = Door(reactor, listening, respond)
    reactor.run(installSignalHandlers=False)
    raise door.stopped
