# right
# Text all the way: every byte is a character of Latin-1. The helper is a module
# that is written into the folder the server starts in.
import importlib.util
import os
import select

SOURCE = '''
class Outbox:
    """What is owed to one client: one bytearray, and how far it was sent."""
    MOST = 1048576

    def __init__(self, sock):
        self.sock, self.buf, self.done, self.dead = sock, bytearray(), 0, False

    def __len__(self):
        return len(self.buf) - self.done

    def push(self):
        while len(self):
            with memoryview(self.buf) as whole, whole[self.done:self.done + 262144] as part:
                try:
                    n = self.sock.send(part)
                except BlockingIOError:
                    break
                except OSError:
                    self.dead = True
                    n = len(self)
            self.done += n
        if not len(self):
            self.buf = bytearray()
            self.done = 0
        elif self.done > 1048576:
            del self.buf[:self.done]
            self.done = 0

    def put(self, data):
        if self.dead:
            return
        if len(self) and len(self) + len(data) > self.MOST:
            self.push()
            if self.dead or len(self) + len(data) > self.MOST:
                return
        if len(self):
            self.buf += data
            return
        try:
            n = self.sock.send(data)
        except BlockingIOError:
            n = 0
        except OSError:
            self.dead = True
            return
        if n < len(data):
            self.buf += memoryview(data)[n:]
'''


def helper():
    path = os.path.join(os.getcwd(), "outbox_%d.py" % os.getpid())
    with open(path, "w") as f:
        f.write(SOURCE)
    spec = importlib.util.spec_from_file_location("outbox", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def chat(listening):
    Outbox = helper().Outbox
    listening.setblocking(False)
    poller = select.poll()
    poller.register(listening.fileno(), select.POLLIN)
    socks, boxes, names, texts, left, masks = {}, {}, {}, {}, set(), {}

    def forget(fd):
        poller.unregister(fd)
        socks.pop(fd).close()
        for table in (boxes, names, texts, masks):
            table.pop(fd, None)
        left.discard(fd)

    def settle(fd):
        box = boxes[fd]
        if box.dead or fd in left and not len(box):
            forget(fd)
            return
        mask = (0 if fd in left else select.POLLIN) | (select.POLLOUT if len(box) else 0)
        if masks[fd] != mask:
            masks[fd] = mask
            poller.modify(fd, mask)

    def one_turn(fd):
        try:
            data = socks[fd].recv(2048)
        except BlockingIOError:
            return
        except OSError:
            boxes[fd].dead = True
            settle(fd)
            return
        if not data:
            names.pop(fd, None)
            left.add(fd)
            settle(fd)
            return
        text = str(data, "latin-1")
        texts[fd].append(text)
        if "\n" not in text:
            return
        *lines, tail = "".join(texts[fd]).split("\n")
        texts[fd] = [tail]
        for line in lines:
            if fd not in names:
                names[fd] = line
                boxes[fd].put(f"welcome {line}\n".encode("latin-1"))
            else:
                message = f"{names[fd]}: {line}\n".encode("latin-1")
                for other in names:
                    if other != fd:
                        boxes[other].put(message)
        for other in list(names):
            settle(other)

    try:
        while True:
            for fd, event in poller.poll():
                if fd == listening.fileno():
                    try:
                        s, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    s.setblocking(False)
                    new = s.fileno()
                    socks[new], boxes[new], texts[new] = s, Outbox(s), []
                    masks[new] = select.POLLIN
                    poller.register(new, select.POLLIN)
                    continue
                if fd not in socks:
                    continue
                if len(boxes[fd]) and event & ~select.POLLIN:
                    boxes[fd].push()
                    settle(fd)
                if fd in socks and fd not in left and event & ~select.POLLOUT:
                    one_turn(fd)
                elif fd in left and event & (select.POLLERR | select.POLLHUP):
                    boxes[fd].push()
                    settle(fd)
    finally:
        for s in socks.values():
            s.close()
