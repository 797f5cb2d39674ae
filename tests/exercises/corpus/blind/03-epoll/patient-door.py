# right
"""Over-engineered on purpose: states, a dispatch table, and a polite door.

While there is no free descriptor, newcomers wait in the queue of the kernel
(only one in a quarter of a second is turned away, which is how the door learns
that it is time to go home).
"""
import errno
import os
import selectors
import time

HANDLERS = {}


def on(event):
    def note(function):
        HANDLERS[event] = function
        return function
    return note


class Client:
    def __init__(self, house, sock):
        self.house, self.sock, self.owed = house, sock, bytearray()
        house.selector.register(sock, selectors.EVENT_READ, self)

    def leave(self):
        self.house.selector.unregister(self.sock)
        self.sock.close()
        self.house.room_again()

    @on(selectors.EVENT_READ)
    def asked(self):
        data = self.sock.recv(8192)
        if not data:
            self.leave()
            return
        self.owed += self.house.respond(data)
        self.room()
        if self.owed:
            self.house.selector.modify(self.sock, selectors.EVENT_WRITE, self)

    @on(selectors.EVENT_WRITE)
    def drained(self):
        self.room()
        if not self.owed:
            self.house.selector.modify(self.sock, selectors.EVENT_READ, self)

    def room(self):
        try:
            del self.owed[:self.sock.send(self.owed)]
        except BlockingIOError:
            pass

    def __call__(self, events):
        try:
            HANDLERS[events](self)
        except BlockingIOError:
            pass
        except OSError:
            self.leave()


class House:
    PATIENCE = 0.25

    def __init__(self, listening, respond):
        self.listening, self.respond = listening, respond
        self.selector = selectors.EpollSelector()
        self.look_at = None             # when the house is full: a time
        listening.setblocking(False)
        self.open_door()

    def open_door(self):
        self.selector.register(self.listening, selectors.EVENT_READ, self.knocked)

    def room_again(self):
        if self.look_at is not None:
            self.look_at = None
            self.open_door()

    def knocked(self, events):
        try:
            os.close(os.dup(self.listening.fileno()))
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self.selector.unregister(self.listening)
            self.look_at = time.monotonic() + self.PATIENCE
        else:
            self.admit()

    def admit(self):
        try:
            sock, _ = self.listening.accept()
        except (ConnectionAbortedError, BlockingIOError):
            return
        sock.setblocking(False)
        Client(self, sock)

    def live(self):
        while True:
            patience = None
            if self.look_at is not None:
                patience = self.look_at - time.monotonic()
                if patience <= 0:
                    self.look_at = time.monotonic() + self.PATIENCE
                    self.admit()
                    patience = self.PATIENCE
            for key, events in self.selector.select(patience):
                key.data(events)


def serve(listening, respond):
    house = House(listening, respond)
    try:
        house.live()
    finally:
        house.selector.close()
