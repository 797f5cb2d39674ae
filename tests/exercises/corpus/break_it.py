"""Answers to the exercises `0N-break-it`: clients that say whether a server is flawed."""

from iolab.exercises.flaws import FLAWS
from tests.exercises.corpus.answers import Answer, text, wrong

THOROUGH = """
    import socket
    import struct
    import threading
    import time


    def connect(address):
        connection = socket.create_connection(address, timeout=0.5)
        return connection


    def answers(connection, request=b"hello"):
        try:
            connection.sendall(request)
            came = b""
            while len(came) < len(request):
                chunk = connection.recv(65536)
                if not chunk:
                    return False
                came += chunk
        except OSError:
            return False
        return came == request.upper()


    def one_at_a_time(address):
        with connect(address), connect(address) as second:
            return not answers(second)


    def text_only(address):
        with connect(address) as connection:
            return not answers(connection, b"\\xff\\xfe\\xc3")


    def dies_of_resets(address):
        for _ in range(3):
            connection = connect(address)
            connection.sendall(b"bye")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            time.sleep(0.05)
        try:
            with connect(address) as another:
                return not answers(another)
        except OSError:
            return True


    def greedy(address):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(address)
        connection.settimeout(0.3)
        return connection


    def stalls_others(address):
        with connect(address) as before, greedy(address) as slow:
            try:
                for _ in range(100):
                    slow.sendall(b"a" * 65536)
            except OSError:
                pass
            return not answers(before)


    def loses_bytes(address):
        asked = 600_000
        with greedy(address) as slow:
            slow.settimeout(2)

            def ask():
                slow.sendall(b"b" * asked)
                slow.shutdown(socket.SHUT_WR)

            asking = threading.Thread(target=ask, daemon=True)
            asking.start()
            time.sleep(0.3)
            came = 0
            try:
                while chunk := slow.recv(65536):
                    came += len(chunk)
            except OSError:
                pass
            return came != asked


    def exposes(address):
        checks = CHECKS
        return any(check(address) for check in checks)
"""

CHECKS = {
    "serves one client at a time": "one_at_a_time",
    "lets one slow reader stop all others": "stalls_others",
    "takes bytes for text": "text_only",
    "drops what a send did not take": "loses_bytes",
    "ends when a client resets": "dies_of_resets",
}

RIGHT_ALONE = "right servers are left alone"


def client(*names: str) -> str:
    """Return a client that makes some of the checks."""
    return text(THOROUGH).replace("CHECKS", f"[{', '.join(names)}]")


def says(what: str) -> str:
    return f"def exposes(address):\n    {what}\n"


ANSWERS: list[Answer] = []
for exercise, flaws in FLAWS.items():
    needed = [CHECKS[flaw.name] for flaw in flaws]
    ANSWERS.append(Answer(exercise, "checks for the three", client(*needed)))
    ANSWERS.append(Answer(exercise, "checks for everything", client(*CHECKS.values())))
    for flaw in flaws:
        others = [each for each in needed if each != CHECKS[flaw.name]]
        # A client that leaves with bytes unread resets its connection, and so finds who ends at that.
        if not (flaw.name == "ends when a client resets" and "stalls_others" in needed):
            missing = f"one that {flaw.name}"
            ANSWERS.append(wrong(exercise, missing, f"does not see {missing}", client(*others)))

ANSWERS += [
    *(wrong(each, RIGHT_ALONE, "calls everything flawed", says("return True")) for each in FLAWS),
    wrong("03-break-it", "one that ends when a client resets", "only counts bytes", client("loses_bytes")),
    wrong("04-break-it", "one that ends when a client resets", "only sends bytes", client("text_only")),
    wrong("03-break-it", RIGHT_ALONE, "calls everything right", says("return False")),
    wrong("03-break-it", RIGHT_ALONE, "never says", says("while True:\n        pass")),
    wrong("03-break-it", RIGHT_ALONE, "raises", says("raise ValueError")),
    wrong("03-break-it", RIGHT_ALONE, "asserts nothing", says("__import__('socket').create_connection(address)")),
    Answer("03-break-it", "guesses", "import random\n\n\n" + says("return random.random() < 0.5"), at_most=9),
    Answer("03-break-it", "goes by the port", says("return address[1] % 4 < 2"), at_most=9),
]
