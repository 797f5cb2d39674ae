# right (its author thought it wrong: the next receive is asked for together with the send, so it reads from a client to which it owes bytes; breaks "stop reading from it while you owe it bytes".)
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
            receive(conn.fileno())
            return False

        sending, receiving, later = set(), set(), {}

        def receive(fd):
            receiving.add(fd)
            ring.receive(fd)

        def push(fd, reply):
            if reply:
                sending.add(fd)
                ring.send(fd, reply)
            receive(fd)  # both at once: twice the speed

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
                    receiving.discard(fd)
                    if result > 0 and fd in sending:
                        later[fd] = respond(data)  # one reply in advance
                    elif result > 0:
                        push(fd, respond(data))
                    elif fd in sending and result == 0:
                        later[fd] = None
                    elif result == -errno.ENOBUFS:
                        receive(fd)
                    elif fd not in sending:
                        leave(fd)
                elif op == SEND:
                    sending.discard(fd)
                    if fd in later:
                        reply = later.pop(fd)
                        if reply is None or result < 0:
                            leave(fd)
                        else:
                            push(fd, reply)
                    elif fd not in receiving:
                        leave(fd)
                    # else the receive is under way; if the send failed, it will fail, too
