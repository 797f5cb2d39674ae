"""Answers to `05-signals`."""

from iolab.models import MODELS
from tests.exercises.corpus.answers import Answer, Swap, right, swapped, text, wrong
from tests.exercises.corpus.loops import mistakes

NAME = "05-signals"

EACH_TO_ITS_END = """
    import signal

    from iolab.kernel.signals import SIGNALS, Interest, descriptor_of


    class Talk:
        def __init__(self, sock, respond):
            sock.setblocking(False)
            self.sock, self.respond, self.rest = sock, respond, b""

        def drain(self):
            while True:
                if self.rest:
                    self.rest = self.rest[self.sock.send(self.rest):]
                elif data := self.sock.recv(10_000):
                    self.rest = memoryview(self.respond(data))
                else:
                    raise ConnectionError


    def serve(listening, respond):
        talks = {}
        listening.setblocking(False)

        def come():
            while True:
                try:
                    sock = listening.accept()[0]
                except BlockingIOError:
                    return
                except OSError:
                    continue
                talks[sock.fileno()] = Talk(sock, respond)
                interest.register(sock)
                go_on(sock.fileno())

        def go_on(number):
            try:
                talks[number].drain()
            except BlockingIOError:
                pass
            except OSError:
                interest.unregister(number)
                talks.pop(number).sock.close()

        with Interest() as interest:
            interest.register(listening)
            come()
            while True:
                info = signal.sigwaitinfo(SIGNALS)
                number = descriptor_of(info)
                if info.si_signo == signal.SIGIO:
                    come()
                    for number in list(talks):
                        go_on(number)
                elif number == listening.fileno():
                    come()
                elif number in talks:
                    go_on(number)
"""

IN_TURNS = (
    EACH_TO_ITS_END.replace(
        "            while True:\n                if self.rest",
        "            for _ in range(3):\n                if self.rest",
    )
    .replace(
        "                talks[number].drain()\n",
        "                talks[number].drain()\n                busy.add(number)\n",
    )
    .replace(
        "except BlockingIOError:\n                pass", "except BlockingIOError:\n                busy.discard(number)"
    )
    .replace(
        "                interest.unregister(number)\n",
        "                busy.discard(number)\n                interest.unregister(number)\n",
    )
    .replace("        talks = {}\n", "        talks, busy = {}, set()\n")
    .replace(
        "                info = signal.sigwaitinfo(SIGNALS)\n",
        "                for number in list(busy):\n                    go_on(number)\n"
        "                info = signal.sigtimedwait(SIGNALS, 0) if busy else signal.sigwaitinfo(SIGNALS)\n"
        "                if not info:\n                    continue\n",
    )
)
"""The same, and whoever has more to ask comes again when all others have had their turn."""

EVERYBODY = """
    import signal

    from iolab.kernel.signals import SIGNALS, Interest


    def serve(listening, respond):
        listening.setblocking(False)
        owed = {}

        def step(sock):
            try:
                if owed[sock]:
                    owed[sock] = owed[sock][sock.send(owed[sock]):]
                else:
                    data = sock.recv(65536)
                    if not data:
                        raise ConnectionError
                    owed[sock] = respond(data)
            except BlockingIOError:
                return False
            except OSError:
                interest.unregister(sock.fileno())
                del owed[sock]
                sock.close()
                return False
            return True

        def come():
            try:
                sock = listening.accept()[0]
            except BlockingIOError:
                return False
            except OSError:
                return True
            sock.setblocking(False)
            owed[sock] = b""
            interest.register(sock)
            return True

        with Interest() as interest:
            interest.register(listening)
            while True:
                while any([come(), *[step(sock) for sock in list(owed)]]):
                    pass
                signal.sigwaitinfo(SIGNALS)
"""

FULL: Swap = ("if signal.si_signo == SIGIO:", "if False:")
ONE_STEP: list[Swap] = [
    (
        "                except OSError:  # reset",
        "                    ready.discard(descriptor)\n                except OSError:  # reset",
    )
]
READS_ON: list[Swap] = [
    (
        "elif descriptor in unsent:\n                        send(descriptor, unsent[descriptor])\n                    elif descriptor in connections:\n                        receive(descriptor)",
        "elif descriptor in connections:\n                        try:\n                            receive(descriptor)\n                        except BlockingIOError:\n                            if descriptor not in unsent:\n                                raise\n                            send(descriptor, unsent[descriptor])",
    ),
    ("send(descriptor, respond(request))", "send(descriptor, bytes(unsent.get(descriptor, b'')) + respond(request))"),
    (
        "            ready.discard(descriptor)\n        else:",
        "        else:",
    ),
]
WAIT = "signal = sigtimedwait(SIGNALS, 0) if ready else sigwaitinfo(SIGNALS)"

ANSWERS: list[Answer] = [
    wrong(NAME, "a full queue", "knows of no full queue", swapped("signals", FULL)),
    wrong(
        NAME,
        "a full queue",
        "throws away what was queued",
        swapped("signals", ("ready.update(connections, {listening.fileno()})", "pass")),
    ),
    wrong(
        NAME,
        "idle",
        "asks without waiting",
        swapped(
            "signals",
            (WAIT, "signal = sigtimedwait(SIGNALS, 0)\n            ready.update(connections, {listening.fileno()})"),
        ),
    ),
    wrong(
        NAME,
        "idle while it owes",
        "keeps those who owe among the ready",
        swapped(
            "signals",
            ("            ready.discard(descriptor)\n        else:", "        else:"),
            ("except BlockingIOError:\n            sent = 0", "except BlockingIOError:\n            sent = 0"),
        ),
    ),
    wrong(
        NAME,
        "no sleeps",
        "sleeps and asks everyone",
        swapped(
            "signals",
            (
                WAIT,
                "signal = None\n            time.sleep(0.01)\n            ready.update(connections, {listening.fileno()})",
            ),
            ("from socket", "import time\nfrom socket"),
        ),
    ),
    wrong(NAME, "bounded memory", "reads on while it owes", swapped("signals", *READS_ON)),
    wrong(NAME, "the model", "epoll in its place", MODELS["epoll"].source),
    wrong(NAME, "the model", "threads", MODELS["threads"].source),
    wrong(NAME, "many clients", "one client at a time", MODELS["blocking"].source),
    wrong(
        NAME,
        "many clients",
        "forgets what came before it was armed",
        swapped("signals", ("ready.add(connection.fileno())", "pass")),
    ),
    wrong(NAME, "respond is called", "nothing yet", "def serve(listening, respond):\n    pass\n"),
    *mistakes(NAME, "signals"),
    wrong(NAME, "others meanwhile", "each to its end", text(EACH_TO_ITS_END)),
    *right(NAME, the_course=MODELS["signals"].source, in_turns=text(IN_TURNS), everybody=text(EVERYBODY)),
]
