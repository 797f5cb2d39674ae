# right
# The ring says that somebody is at the door (that is accepting), accept(2) lets him in; bytes move by operations alone.
import select

from iolab.kernel.ring import RECEIVE, SEND, Ring


def serve(listening, respond):
    listening.setblocking(False)
    ring = Ring(32768, 8)
    door = listening.fileno()
    guests = {}
    watching = True
    ring.poll(door, select.POLLIN)
    try:
        while True:
            for op, fd, result, more, data in ring.submit_and_wait():
                if fd == door:
                    try:
                        guest, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        pass
                    except OSError:
                        watching = False
                        continue
                    else:
                        guests[guest.fileno()] = guest
                        ring.receive(guest.fileno())
                    ring.poll(door, select.POLLIN)
                    continue
                if op == RECEIVE and result > 0:
                    reply = respond(data)
                    if reply:
                        ring.send(fd, reply)
                        continue
                if op == SEND and result < 0 or op == RECEIVE and result <= 0 and result != -105:
                    guests.pop(fd).close()
                    if not watching:
                        watching = True
                        ring.poll(door, select.POLLIN)
                    continue
                ring.receive(fd)
    finally:
        ring.close()
        for guest in guests.values():
            guest.close()
