# right
import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
IN, OUT, ET = 1, 4, 1 << 31
ADD, DEL, MOD = 1, 2, 3


class Event(ctypes.Structure):
    _pack_ = 1 if os.uname().machine == "x86_64" else 8
    _fields_ = [("events", ctypes.c_uint32), ("fd", ctypes.c_uint64)]


def ctl(ep, op, fd, mask):
    if libc.epoll_ctl(ep, op, fd, ctypes.byref(Event(mask, fd))):
        raise OSError(ctypes.get_errno(), "epoll_ctl")


def wait(ep, room):
    while (n := libc.epoll_wait(ep, room, len(room), -1)) < 0:
        if ctypes.get_errno() != errno.EINTR:
            raise OSError(ctypes.get_errno(), "epoll_wait")
    return [room[i].fd for i in range(n)]


def serve(listening, respond):
    listening.setblocking(False)
    ep = libc.epoll_create1(0o2000000)
    door = listening.fileno()
    ctl(ep, ADD, door, IN)
    room = (Event * 32)()
    socks, debts = {}, {}
    crowded = False
    while True:
        for fd in wait(ep, room):
            if fd == door:
                try:
                    sock = listening.accept()[0]
                except OSError as e:
                    if e.errno in (errno.EMFILE, errno.ENFILE) and not crowded:
                        crowded = True
                        ctl(ep, MOD, door, IN | ET)
                    continue
                sock.setblocking(False)
                socks[sock.fileno()] = sock
                ctl(ep, ADD, sock.fileno(), IN)
                continue
            sock = socks[fd]
            try:
                if fd in debts:
                    debt = debts[fd]
                    debts[fd] = debt = debt[sock.send(debt):]
                    if not debt:
                        del debts[fd]
                        ctl(ep, MOD, fd, IN)
                    continue
                data = sock.recv(1 << 15)
                if data:
                    debt = respond(data)
                    try:
                        debt = debt[sock.send(debt):]
                    except BlockingIOError:
                        pass
                    if debt:
                        debts[fd] = debt
                        ctl(ep, MOD, fd, OUT)
                    continue
            except BlockingIOError:
                continue
            except OSError:
                pass
            ctl(ep, DEL, fd, 0)
            debts.pop(fd, None)
            socks.pop(fd).close()
            if crowded:
                crowded = False
                ctl(ep, MOD, door, IN)
