# lacks others meanwhile: "receive once from it, and see who else is ready": it asks epoll again only once its own list of ready clients is empty, so those who always ask keep others and newcomers out (edge-triggered)
import select
from collections import deque

READ_BYTES = 2048


class Peer:
    def __init__(self, sock):
        sock.setblocking(False)
        self.sock, self.owed, self.listed = sock, memoryview(b""), False


def serve(listening, respond):
    listening.setblocking(False)
    peers, ready = {}, deque()
    epoll = select.epoll()
    epoll.register(listening, select.EPOLLIN)

    def one_turn(peer):
        try:
            if not peer.owed:
                data = peer.sock.recv(READ_BYTES)
                if not data:
                    raise ConnectionResetError
                peer.owed = memoryview(respond(data))
            peer.owed = peer.owed[peer.sock.send(peer.owed) :]
            ready.append(peer)  # to the end of the line: others first
        except BlockingIOError:
            peer.listed = False
        except OSError:
            del peers[peer.sock.fileno()]
            peer.sock.close()

    try:
        while True:
            for fd, _ in epoll.poll():
                if fd == listening.fileno():
                    try:
                        sock, _ = listening.accept()
                    except (BlockingIOError, ConnectionAbortedError):
                        continue
                    peers[sock.fileno()] = Peer(sock)
                    epoll.register(sock, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)
                elif not peers[fd].listed:
                    peers[fd].listed = True
                    ready.append(peers[fd])
            while ready:
                one_turn(ready.popleft())
    finally:
        epoll.close()
