# lacks everybody hears: counts what was sent as owed until the buffer is empty once, so a slow reader that is never owed more than some 100 KiB is cut off after 1.5 MiB in all; breaks "still hears ... while no more than 1 MiB is owed to it"
import collections
import selectors
import socket

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
OWED = 1536 * 1024
LINE = 300 * 1024
TURN = 65536


class Client:
    def __init__(self, sock):
        self.sock, self.prefix = sock, None
        self.come, self.seen = bytearray(), 0     # seen: no line feed before it
        self.owed, self.sent, self.mask, self.ended = bytearray(), 0, 0, False


def chat(listening):
    selector = selectors.DefaultSelector()
    everybody, members = set(), set()
    unfinished = collections.deque()      # clients with whole lines that wait
    half = collections.deque()            # those that closed their sending half

    def watch(client):
        mask = 0 if client.ended or client in unfinished else READ
        if client.owed:
            mask |= WRITE
        if mask == client.mask:
            return
        if not client.mask:
            selector.register(client.sock, mask, client)
        elif not mask:
            selector.unregister(client.sock)
        else:
            selector.modify(client.sock, mask, client)
        client.mask = mask

    def drop(client):
        if client in everybody:
            everybody.discard(client)
            members.discard(client)
            if client.mask:
                selector.unregister(client.sock)
                client.mask = 0
            client.sock.close()

    def give(client, data):
        sent = 0
        if not client.owed:
            try:
                sent = client.sock.send(data)
            except BlockingIOError:
                pass
            except OSError:
                return drop(client)
        if sent < len(data):
            if len(client.owed) + len(data) - sent > OWED:
                return drop(client)
            client.owed += memoryview(data)[sent:]
            watch(client)

    def work(client):
        """Pass on some whole lines; whether there are more of them."""
        come, start, out, cost, more = client.come, 0, [], 0, True
        while cost < TURN:
            end = come.find(b"\n", max(start, client.seen))
            if end < 0:
                client.seen, more = len(come), False
                break
            line = bytes(come[start:end + 1])
            start = client.seen = end + 1
            if client.prefix is None:
                if line == b"\n":
                    drop(client)
                    return False
                client.prefix = line[:-1] + b": "
                give(client, b"welcome " + line)
                if client in everybody:
                    members.add(client)
            else:
                out += client.prefix, line
                cost += len(client.prefix) + len(line)
        del come[:start]
        client.seen -= start
        if out:
            data = b"".join(out)
            for other in list(members):
                if other is not client:
                    give(other, data)
        if not more and len(come) > LINE:
            drop(client)
        return more

    def turn(client):
        if work(client):
            unfinished.append(client)
        if client in everybody:
            watch(client)

    def receive(client):
        try:
            data = client.sock.recv(16384)
        except BlockingIOError:
            return
        except OSError:
            return drop(client)
        if data:
            client.come += data
            return turn(client)
        client.ended = True
        if client not in members:
            return drop(client)
        watch(client)
        half.append(client)              # it still hears
        if len(half) > 400:
            here = [one for one in half if one in everybody]
            half.clear()
            half.extend(here)
            if len(half) > 400:
                drop(half.popleft())

    listening.setblocking(False)
    selector.register(listening, READ)
    try:
        while True:
            for key, events in selector.select(0 if unfinished else None):
                client = key.data
                if client is None:
                    try:
                        sock, _ = listening.accept()
                    except OSError:
                        continue
                    sock.setblocking(False)
                    try:
                        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    except OSError:
                        pass
                    client = Client(sock)
                    everybody.add(client)
                    watch(client)
                    continue
                if events & WRITE and client in everybody and client.owed:
                    try:
                        with memoryview(client.owed) as view:
                            client.sent += client.sock.send(view[client.sent:])
                        if client.sent == len(client.owed):
                            client.owed.clear()
                            client.sent = 0
                        watch(client)
                    except BlockingIOError:
                        pass
                    except OSError:
                        drop(client)
                if events & READ and client in everybody and client.mask & READ:
                    receive(client)
            for _ in range(len(unfinished)):
                client = unfinished.popleft()
                if client in everybody:
                    turn(client)
    finally:
        for client in list(everybody):
            client.sock.close()
        selector.close()
