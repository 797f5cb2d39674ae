"""Answers to `02-nonblocking`."""

from iolab.models import MODELS
from tests.exercises.corpus.answers import Answer, Swap, right, swapped, text, wrong
from tests.exercises.corpus.loops import mistakes
from tests.exercises.corpus.select_epoll import POLLING

NAME = "02-nonblocking"

QUEUES = """
    from collections import deque


    class Conversation:
        def __init__(self, sock, respond):
            sock.setblocking(False)
            self.sock, self.respond, self.queue = sock, respond, deque()

        def step(self):
            if self.queue:
                piece = self.queue[0]
                sent = self.sock.send(piece)
                if sent == len(piece):
                    self.queue.popleft()
                else:
                    self.queue[0] = piece[sent:]
                return True
            data = self.sock.recv(20000)
            if data:
                self.queue.append(memoryview(self.respond(data)))
            return bool(data)


    def serve(listening, respond):
        listening.setblocking(False)
        conversations = set()
        while True:
            try:
                conversations.add(Conversation(listening.accept()[0], respond))
            except OSError:
                pass
            for conversation in tuple(conversations):
                try:
                    goes_on = conversation.step()
                except BlockingIOError:
                    continue
                except OSError:
                    goes_on = False
                if not goes_on:
                    conversation.sock.close()
                    conversations.discard(conversation)
"""

SCAN: tuple[str, str] = (
    "    while True:\n        accept()",
    "    while True:\n        time.sleep(0.01)\n        accept()",
)
IMPORT: tuple[str, str] = ("from socket import socket", "import time\nfrom socket import socket")
ASLEEP = swapped("nonblocking", SCAN, IMPORT)

READS_ON: list[Swap] = [
    (
        "if descriptor in unsent:",
        "try:\n                    receive(descriptor)\n                except BlockingIOError:",
    ),
    (
        "send(descriptor, unsent[descriptor])\n                else:\n                    receive(descriptor)",
        "if descriptor in unsent:\n                        send(descriptor, unsent[descriptor])",
    ),
    ("send(descriptor, respond(request))", "send(descriptor, bytes(unsent.get(descriptor, b'')) + respond(request))"),
]

ANSWERS: list[Answer] = [
    wrong(NAME, "no sleeps", "sleeps for 10 ms in every round", ASLEEP),
    wrong(NAME, "the model", "sleeps for 1 ms in every round", ASLEEP.replace("0.01", "0.001")),
    wrong(
        NAME,
        "many clients",
        "waits in accept",
        swapped("nonblocking", ("    listening.setblocking(False)\n", "")),
    ),
    wrong(
        NAME,
        "many clients",
        "waits in recv",
        swapped("nonblocking", ("connection.setblocking(False)", "connection.setblocking(True)")),
    ),
    wrong(
        NAME,
        "the model",
        "waits for a millisecond in recv",
        swapped(
            "nonblocking",
            ("connection.setblocking(False)", "connection.settimeout(0.001)"),
            ("except BlockingIOError", "except (BlockingIOError, TimeoutError)"),
        ),
    ),
    wrong(
        NAME,
        "the model",
        "select to rest",
        swapped("nonblocking", SCAN, IMPORT).replace(
            "time.sleep(0.01)", "__import__('select').select([listening], [], [], 0.002)"
        ),
    ),
    wrong(NAME, "the model", "select in its place", MODELS["select"].source),
    wrong(NAME, "the model", "threads", MODELS["threads"].source),
    wrong(NAME, "many clients", "one client at a time", MODELS["blocking"].source),
    wrong(NAME, "bounded memory", "reads on while it owes", swapped("nonblocking", *READS_ON)),
    *mistakes(NAME, "nonblocking"),
    wrong(NAME, "respond is called", "nothing yet", "def serve(listening, respond):\n    while True:\n        pass\n"),
    *right(
        NAME,
        the_course=MODELS["nonblocking"].source,
        queues=text(QUEUES),
        a_plain_loop=text(POLLING).replace("WAIT", ""),
    ),
]
