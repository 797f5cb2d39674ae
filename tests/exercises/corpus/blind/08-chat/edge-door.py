# lacks everybody hears: "Where accept raises ConnectionAbortedError, go on": the door is edge-triggered and the error ends the round, so those behind it in the backlog are not let in until somebody else connects
import select


def chat(listening):
    MOST = 1024 * 1024
    listening.setblocking(False)
    door = listening.fileno()
    ep = select.epoll()
    ep.register(door, select.EPOLLIN | select.EPOLLET)
    sock, name, part, owed = {}, {}, {}, {}     # by descriptor
    gone, dead = set(), set()
    try:
        while True:
            for fd, event in ep.poll():
                if fd == door:
                    while True:                 # edge-triggered: let all of them in
                        try:
                            s = listening.accept()[0]
                        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                            break
                        s.setblocking(False)
                        n = s.fileno()
                        sock[n], part[n], owed[n] = s, bytearray(), bytearray()
                        ep.register(n, select.EPOLLIN)
                    continue
                if fd not in sock:
                    continue
                data = None
                if event & select.EPOLLOUT or owed[fd]:
                    try:
                        if owed[fd]:
                            del owed[fd][:sock[fd].send(owed[fd])]
                    except (BlockingIOError, InterruptedError):
                        pass
                    except OSError:
                        owed[fd].clear()        # if it is still here, the recv below finds its last words
                    if not owed[fd]:
                        if fd in gone:
                            dead.add(fd)
                        else:
                            ep.modify(fd, select.EPOLLIN)
                if fd not in gone and event & (select.EPOLLIN | select.EPOLLERR | select.EPOLLHUP):
                    try:
                        data = sock[fd].recv(65536)
                    except (BlockingIOError, InterruptedError):
                        pass
                    except OSError:
                        dead.add(fd)
                    if data == b"":
                        name.pop(fd, None)
                        part[fd].clear()
                        gone.add(fd)
                        if owed[fd]:
                            ep.modify(fd, select.EPOLLOUT)
                        else:
                            dead.add(fd)
                    elif data and b"\n" not in data:
                        part[fd] += data
                    elif data:
                        part[fd] += data
                        *lines, rest = part[fd].split(b"\n")
                        part[fd] = rest
                        for line in lines:
                            if fd in name:
                                text = b"%b: %b\n" % (name[fd], line)
                                whom = [n for n in name if n != fd]
                            else:
                                name[fd] = bytes(line)
                                text = b"welcome %b\n" % line
                                whom = [fd]
                            for n in whom:
                                if n in dead:
                                    continue
                                sent = 0
                                try:
                                    if owed[n]:
                                        del owed[n][:sock[n].send(owed[n])]
                                    if not owed[n]:
                                        sent = sock[n].send(text)
                                        if sent == len(text):
                                            continue    # at worst one EPOLLOUT too many
                                except (BlockingIOError, InterruptedError):
                                    pass
                                except OSError:
                                    # do not close it yet: what it said last may still be there to be read
                                    owed[n].clear()
                                    continue
                                if sent or len(owed[n]) + len(text) <= MOST:
                                    if not owed[n]:
                                        ep.modify(n, select.EPOLLIN | select.EPOLLOUT)
                                    owed[n] += memoryview(text)[sent:]
                for n in dead:
                    ep.unregister(n)
                    sock.pop(n).close()
                    name.pop(n, None)
                    del part[n], owed[n]
                    gone.discard(n)
                dead.clear()
    finally:
        for s in sock.values():
            s.close()
        ep.close()
