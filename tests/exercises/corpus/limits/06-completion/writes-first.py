# lacks the model: a first try by write(2), and the ring for the rest
import os
from iolab.kernel.ring import POLL, RECEIVE, SEND, Ring
from iolab.kernel.uring import MultishotAccept
import errno


def serve(listening, respond):
    conns = {}
    held = None
    with Ring(16384) as ring:
        acceptor = MultishotAccept(ring, listening)

        def newcomer(completion):
            try:
                conn = acceptor.connection(completion)
            except OSError as e:
                # only accept(2), which follows a poll, says how it is now
                return crowded or completion[0] == POLL and e.errno in (errno.EMFILE, errno.ENFILE)
            conns[conn.fileno()] = conn
            ring.receive(conn.fileno())
            return False

        crowded = False

        def leave(fd):
            nonlocal held, crowded
            conns.pop(fd).close()
            crowded = False
            if held:
                completion, held = held, None
                crowded = newcomer(completion)

        while True:
            for completion in ring.submit_and_wait():
                op, fd, result, _, data = completion
                if fd == listening.fileno():
                    if op == POLL and crowded:
                        held = completion  # somebody waits, but there is no descriptor for him: later
                    else:
                        crowded = newcomer(completion)
                elif op == RECEIVE:
                    if result > 0:
                        reply = respond(data)
                        try:
                            os.set_blocking(fd, False)
                            reply = reply[os.write(fd, reply):]
                        except OSError:
                            pass
                        if reply:
                            ring.send(fd, reply)
                        else:
                            ring.receive(fd)
                    elif result in (-errno.ENOBUFS, -errno.EINTR, -errno.EAGAIN):
                        ring.receive(fd)
                    else:
                        leave(fd)
                elif op == SEND:
                    if result < 0:
                        leave(fd)
                    else:
                        ring.receive(fd)
