# right
"""POSIX aio of glibc by ctypes: aio_read, aio_write, aio_suspend."""
import ctypes as c
import errno
import socket
import threading

libc = c.CDLL(None, use_errno=True)


class aiocb(c.Structure):
    _fields_ = [("fildes", c.c_int), ("opcode", c.c_int), ("prio", c.c_int), ("pad", c.c_int),
                ("buf", c.c_void_p), ("nbytes", c.c_size_t), ("sigval", c.c_void_p), ("signo", c.c_int),
                ("notify", c.c_int), ("rest", c.c_char * 160)]


class aioinit(c.Structure):
    _fields_ = [(n, c.c_int) for n in "threads num locks usedba debug numusers idle reserved".split()]


libc.aio_return.restype = c.c_ssize_t


class Operation:
    def __init__(self, sock, buffer, reading):
        self.sock, self.buffer, self.reading = sock, buffer, reading   # the buffer lives as long as this
        self.cb = aiocb(fildes=sock.fileno(), buf=c.addressof(buffer), nbytes=c.sizeof(buffer), notify=1)
        call = libc.aio_read if reading else libc.aio_write
        if call(c.byref(self.cb)):
            raise OSError(c.get_errno(), "aio")

    def is_done(self):
        self.error = libc.aio_error(c.byref(self.cb))
        return self.error != errno.EINPROGRESS

    def result(self):
        n = libc.aio_return(c.byref(self.cb))
        return n if not self.error else -self.error


def reading(sock):
    return Operation(sock, c.create_string_buffer(16384), True)


def writing(sock, data):
    return Operation(sock, (c.c_char * len(data)).from_buffer_copy(data), False)


def serve(listening, respond):
    libc.aio_init(c.byref(aioinit(threads=300, num=512, idle=1)))
    listening.setblocking(True)
    inner, outer = socket.socketpair()
    fresh, stopped = [], []

    def doorman():
        while not stopped:
            try:
                fresh.append(listening.accept()[0])
            except OSError:
                continue
            except BaseException as e:
                stopped.append(e)
            outer.send(b"x")

    threading.Thread(target=doorman, daemon=True).start()
    pending = [reading(inner)]
    try:
        while True:
            table = (c.c_void_p * len(pending))(*[c.addressof(o.cb) for o in pending])
            libc.aio_suspend(table, len(pending), None)
            done = [o for o in pending if o.is_done()]
            for o in done:
                pending.remove(o)
            for o in done:
                n = o.result()
                if o.sock is inner:
                    while fresh:
                        pending.append(reading(fresh.pop(0)))
                    if stopped:
                        raise stopped[0]
                    pending.append(reading(inner))
                    continue
                if n < 0 or n == 0 and o.reading:
                    o.sock.close()
                    continue
                rest = respond(o.buffer.raw[:n]) if o.reading else o.buffer.raw[n:]
                pending.append(writing(o.sock, rest) if rest else reading(o.sock))
    finally:
        for o in pending:  # so that no helper is left that writes into our memory
            try:
                o.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        while not all([o.is_done() for o in pending]):
            table = (c.c_void_p * len(pending))(*[c.addressof(o.cb) for o in pending])
            libc.aio_suspend(table, len(pending), None)
        for o in pending:
            o.sock.close()
