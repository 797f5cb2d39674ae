# right
# select.epoll is for others: epoll straight from the C library
import ctypes
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)
IN, OUT, ADD, DEL, MOD = 1, 4, 1, 2, 3


class Event(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("events", ctypes.c_uint32), ("fd", ctypes.c_int32), ("pad", ctypes.c_int32)]


def ctl(ep, op, fd, events):
    if libc.epoll_ctl(ep, op, fd, ctypes.byref(Event(events, fd, 0))):
        raise OSError(ctypes.get_errno(), "epoll_ctl")


def serve(listening, respond):
    ep = libc.epoll_create1(os.O_CLOEXEC)
    listening.setblocking(False)
    ctl(ep, ADD, listening.fileno(), IN)
    socks, debts = {}, {}
    events = (Event * 32)()
    try:
        while True:
            count = libc.epoll_wait(ep, events, 32, -1)
            for event in events[:max(count, 0)]:
                fd = event.fd
                if fd == listening.fileno():
                    try:
                        s, peer = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    s.setblocking(False)
                    socks[s.fileno()] = s
                    ctl(ep, ADD, s.fileno(), IN)
                    continue
                s = socks[fd]
                debt = debts.pop(fd, None)
                waited = debt is not None
                try:
                    if not waited:
                        data = s.recv(16384)
                        if not data:
                            raise EOFError
                        debt = respond(data)
                    while debt:
                        debt = debt[s.send(debt):]
                except BlockingIOError:
                    pass
                except (OSError, EOFError):
                    ctl(ep, DEL, fd, 0)
                    socks.pop(fd).close()
                    continue
                if debt:
                    debts[fd] = debt
                if bool(debt) != waited:
                    ctl(ep, MOD, fd, OUT if debt else IN)
    finally:
        os.close(ep)
        for s in socks.values():
            s.close()
