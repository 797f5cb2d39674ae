# right
# epoll as the manual pages have it: libc by way of ctypes, and naked descriptors.
import ctypes
import os
import platform

EPOLLIN, EPOLLOUT = 1, 4
ADD, DEL, MOD = 1, 2, 3

libc = ctypes.CDLL(None, use_errno=True)


class Event(ctypes.Structure):
    if platform.machine() in ("x86_64", "AMD64"):
        _pack_ = 1
    _fields_ = [("events", ctypes.c_uint32), ("data", ctypes.c_uint64)]


libc.epoll_ctl.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.POINTER(Event)]
libc.epoll_wait.argtypes = [ctypes.c_int, ctypes.POINTER(Event), ctypes.c_int, ctypes.c_int]


def check(result):
    if result < 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))
    return result


def ctl(ep, op, fd, events=0, data=0):
    check(libc.epoll_ctl(ep, op, fd, ctypes.byref(Event(events, data))))


def serve(listening, respond):
    ep = check(libc.epoll_create1(os.O_CLOEXEC))
    events = (Event * 64)()
    table = {}              # ticket -> [fd, bytes owed, offset]
    ticket = 0
    listening.setblocking(False)
    ctl(ep, ADD, listening.fileno(), EPOLLIN, 0)

    def leave(t):
        fd = table.pop(t)[0]
        ctl(ep, DEL, fd)
        os.close(fd)

    def pay(t):
        who = table[t]
        fd, reply, at = who
        try:
            at += os.write(fd, memoryview(reply)[at:])
        except BlockingIOError:
            pass
        who[2] = at
        return at == len(reply)

    try:
        while True:
            try:
                n = check(libc.epoll_wait(ep, events, len(events), -1))
            except InterruptedError:
                continue
            for e in events[:n]:
                t = e.data
                if t == 0:
                    try:
                        sock, _ = listening.accept()
                    except (ConnectionAbortedError, BlockingIOError):
                        continue
                    fd = sock.detach()
                    os.set_blocking(fd, False)
                    ticket += 1
                    table[ticket] = [fd, b"", 0]
                    ctl(ep, ADD, fd, EPOLLIN, ticket)
                    continue
                who = table[t]
                try:
                    if who[1]:
                        if pay(t):
                            who[1:] = b"", 0
                            ctl(ep, MOD, who[0], EPOLLIN, t)
                        continue
                    try:
                        request = os.read(who[0], 20000)
                    except BlockingIOError:
                        continue
                    if not request:
                        leave(t)
                        continue
                    who[1:] = respond(request), 0
                    if pay(t):
                        who[1:] = b"", 0
                    else:
                        ctl(ep, MOD, who[0], EPOLLOUT, t)
                except OSError:
                    leave(t)
    finally:
        for fd, *_ in table.values():
            os.close(fd)
        os.close(ep)
