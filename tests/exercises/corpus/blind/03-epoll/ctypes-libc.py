# right
# Old C in Python's clothes: epoll of the libc, by hand.  It reads up to 52 KiB
# ahead of a client that does not read, and wakes up 2.5 times a second.
import ctypes
import errno
import os
import platform

libc = ctypes.CDLL(None, use_errno=True)
IN, OUT, ADD, DEL, MOD = 1, 4, 1, 2, 3
AHEAD, BITE, MANY, TICK = 48 * 1024, 4096, 64, 400


class epoll_event(ctypes.Structure):
    if platform.machine() in ("x86_64", "AMD64"):
        _pack_ = 1
    _fields_ = [("events", ctypes.c_uint32), ("data", ctypes.c_uint64)]


def check(result):
    if result < 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))
    return result


def ctl(ep, op, fd, mask, serial):
    ev = epoll_event(mask, serial)
    check(libc.epoll_ctl(ep, op, fd, ctypes.byref(ev)))


def serve(listening, respond):
    ep = check(libc.epoll_create1(os.O_CLOEXEC))
    table = {}          # serial number: [sock, unanswered, unsent, eof, mask]
    serial = 0
    events = (epoll_event * MANY)()
    listening.setblocking(False)
    ctl(ep, ADD, listening.fileno(), IN, 0)
    try:
        while True:
            n = libc.epoll_wait(ep, events, MANY, TICK)
            if n < 0:
                if ctypes.get_errno() == errno.EINTR:
                    continue
                check(n)
            for i in range(n):
                who, what = events[i].data, events[i].events
                if who == 0:
                    try:
                        sock = listening.accept()[0]
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    sock.setblocking(False)
                    serial += 1
                    table[serial] = [sock, bytearray(), b"", False, IN]
                    ctl(ep, ADD, sock.fileno(), IN, serial)
                    continue
                c = table[who]
                sock = c[0]
                try:
                    if c[4] & IN and what & ~OUT:
                        try:
                            data = sock.recv(BITE)
                            c[1] += data
                            c[3] = not data
                        except BlockingIOError:
                            pass
                    if not c[2] and c[1]:
                        c[2] = respond(bytes(c[1][:BITE]))
                        del c[1][:BITE]
                    if c[2]:
                        try:
                            c[2] = c[2][sock.send(c[2]):]
                        except BlockingIOError:
                            pass
                        if not c[2] and c[1]:
                            c[2] = respond(bytes(c[1][:BITE]))
                            del c[1][:BITE]
                except OSError:
                    ctl(ep, DEL, sock.fileno(), 0, 0)
                    sock.close()
                    del table[who]
                    continue
                mask = (OUT if c[2] else 0) | (IN if not c[3] and len(c[1]) < AHEAD else 0)
                if not mask:
                    ctl(ep, DEL, sock.fileno(), 0, 0)
                    sock.close()
                    del table[who]
                elif mask != c[4]:
                    c[4] = mask
                    ctl(ep, MOD, sock.fileno(), mask, who)
    finally:
        os.close(ep)
