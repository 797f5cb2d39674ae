# right
import ctypes
import errno
import os
import socket
import threading

from iolab.kernel.aio import SIGEV_NONE, ControlBlock, init, library

SIZE = 16384


class Slot:
    """A connection (or the pipe), and the one request that it has under way."""

    def __init__(self, lib, fd, sock=None):
        self.lib, self.fd, self.sock = lib, fd, sock
        self.block = ControlBlock(notify=SIGEV_NONE, descriptor=fd)
        self.address = ctypes.addressof(self.block)
        self.buffer = ctypes.create_string_buffer(SIZE)
        self.reply, self.start = b"", 0

    def receive(self):
        self.reply, self.start = b"", 0
        self.begin(self.lib.aio_read, ctypes.addressof(self.buffer), SIZE)

    def send(self):
        where = ctypes.cast(ctypes.c_char_p(self.reply), ctypes.c_void_p).value
        self.begin(self.lib.aio_write, where + self.start, len(self.reply) - self.start)

    def begin(self, function, address, size):
        self.block.address, self.block.size_bytes = address, size
        if function(self.address):
            raise OSError(ctypes.get_errno(), "aio")

    def pending(self):
        return self.lib.aio_error(self.address) == errno.EINPROGRESS

    def result(self):
        code = self.lib.aio_error(self.address)
        result = self.lib.aio_return(self.address)
        return -code if code else result


def suspend(slots):
    places = (ctypes.c_void_p * len(slots))(*(slot.address for slot in slots))
    ctypes.CDLL(None, use_errno=True).aio_suspend(places, len(places), None)


def serve(listening, respond):
    init()
    lib = library()
    listening.setblocking(True)
    reader, writer = os.pipe()
    arrivals = []

    def accept():
        try:
            while True:
                try:
                    arrivals.append(listening.accept()[0])
                except ConnectionAbortedError:
                    continue
                os.write(writer, b"a")
        except BaseException as error:
            arrivals.append(error)
            os.write(writer, b"a")

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    door = Slot(lib, reader)
    slots = {reader: door}
    door.receive()
    try:
        while True:
            suspend(slots.values())
            for slot in [slot for slot in slots.values() if not slot.pending()]:
                result = slot.result()
                if slot is door:
                    for arrival in arrivals[:]:
                        arrivals.remove(arrival)
                        if isinstance(arrival, BaseException):
                            thread.join()
                            raise arrival
                        slots[arrival.fileno()] = new = Slot(lib, arrival.fileno(), arrival)
                        new.receive()
                    door.receive()
                elif result <= 0:
                    del slots[slot.fd]
                    slot.sock.close()
                elif not slot.reply:
                    slot.reply = respond(slot.buffer[:result])
                    slot.send()
                else:
                    slot.start += result
                    if slot.start < len(slot.reply):
                        slot.send()
                    else:
                        slot.receive()
    finally:
        del slots[reader]
        for slot in slots.values():
            try:
                slot.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        while waiting := [slot for slot in slots.values() if slot.pending()]:
            suspend(waiting)
        for slot in slots.values():
            slot.sock.close()
        os.close(reader)
        os.close(writer)
