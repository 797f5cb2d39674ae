# lacks resets: a client that resets its connection at any moment disturbs no other: after a half-close it is EPIPE (BrokenPipeError), which nobody catches, if bytes were owed
import select
import types


def serve(listening, respond):
    epoll = select.epoll()
    listening.setblocking(False)
    epoll.register(listening, select.EPOLLIN)
    people = {}

    def goodbye(p):
        del people[p.fd]
        epoll.unregister(p.fd)
        p.sock.close()

    def receive(p):
        data = p.sock.recv(16384)
        if data:
            p.reply, p.at = respond(data), 0
            send(p)
        else:
            goodbye(p)

    def send(p):
        p.at += p.sock.send(memoryview(p.reply)[p.at:])
        if p.at < len(p.reply):
            expect(p, select.EPOLLOUT, send)
        else:
            p.reply = b""
            expect(p, select.EPOLLIN, receive)

    def expect(p, mask, action):
        if p.action is not action:
            p.action = action
            epoll.modify(p.fd, mask)

    while True:
        for fd, _ in epoll.poll():
            if fd == listening.fileno():
                try:
                    sock, _ = listening.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                sock.setblocking(False)
                people[sock.fileno()] = types.SimpleNamespace(
                    sock=sock, fd=sock.fileno(), reply=b"", at=0, action=receive)
                epoll.register(sock, select.EPOLLIN)
                continue
            p = people[fd]
            try:
                p.action(p)
            except BlockingIOError:
                if p.reply:
                    expect(p, select.EPOLLOUT, send)
            except ConnectionResetError:
                goodbye(p)
