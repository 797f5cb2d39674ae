# lacks many clients: each connection has a thread with a ring of its own; breaks "nor is a thread for each connection".
import threading

from iolab.kernel.ring import Ring


def talk(sock, respond):
    with sock, Ring(4096, 2) as ring:
        fd = sock.fileno()
        while True:
            ring.receive(fd)
            ((_, _, result, _, data),) = ring.submit_and_wait()
            if result <= 0:
                return
            if reply := respond(data):
                ring.send(fd, reply)
                ((_, _, result, _, _),) = ring.submit_and_wait()
                if result < 0:
                    return


def serve(listening, respond):
    listening.setblocking(True)
    left = threading.Condition()
    count = 0

    def run(sock):
        nonlocal count
        try:
            talk(sock, respond)
        finally:
            with left:
                count += 1
                left.notify()

    while True:
        seen = count
        try:
            sock, _ = listening.accept()
        except ConnectionAbortedError:
            continue
        except OSError:
            with left:
                left.wait_for(lambda: count != seen)
            continue
        threading.Thread(target=run, args=(sock,), daemon=True).start()
