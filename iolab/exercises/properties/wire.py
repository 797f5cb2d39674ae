"""Properties of a server whose clients behave: the right bytes, to everybody."""

import time
from contextlib import ExitStack

from iolab.exercises.peers import Peer, Violated
from iolab.exercises.sandbox.confined import MIB
from iolab.exercises.trial import Trial

WORDS = b"select poll epoll socket backlog interest ready peer kernel buffer".split()


def line(trial: Trial, words: int = 4) -> bytes:
    """Return a line of text, drawn at random."""
    return b" ".join(trial.draw.choices(WORDS, k=words)) + b" %d" % trial.draw.randrange(1000)


def converse(trial: Trial, peer: Peer, who: str = "a client") -> None:
    """Ask something short, and expect the reply."""
    peer.ask(line(trial), who)


def responds(trial: Trial) -> str:
    """Answer a request with what `respond` returns for it."""
    request = line(trial)
    with trial.peer() as peer:
        peer.send(request)
        due = trial.due(request)
        came = peer.receive(len(due))
        if came and came in (request[: len(came)], request.upper()[: len(came)]):
            raise Violated("the reply is not what `respond` returns for the request; call it, and send what it gave")
        if came != due:
            raise Violated(f"of {len(due)} bytes owed to the first client {_wrong(came, due)}; {peer.why()}")
    return "a request was answered with what `respond` returns"


def _wrong(came: bytes, due: bytes) -> str:
    return f"{len(due) - len(came)} never came" if due.startswith(came) else "some are not what `respond` returns"


def binary(trial: Trial) -> str:
    """Answer bytes that are no text, or only a part of one, and single ones."""
    every = bytearray(range(256))
    trial.draw.shuffle(every)
    cut = "äöü€😀".encode()[: trial.draw.choice((1, 3, 5, 7, 10, 12))]
    asked = 0
    with trial.peer() as peer:
        converse(trial, peer)
        for request in (b"\0", b"\r\n", b"  spaces and ends \r\n\n", cut, bytes(every), b"\xff" * 3, b"a", b"\x1a\x04"):
            peer.ask(request, "a client that sends bytes which are no text")
            asked += len(request)
        for number in every[:20]:
            peer.send(bytes((number,)))
        peer.expect(trial.due(bytes(every[:20])), "a client that sends single bytes")
    return f"{asked + 20} bytes of every kind came back right"


def megabytes(trial: Trial) -> str:
    """Answer megabytes on one connection, and go on with it."""
    request = trial.draw.randbytes(trial.draw.randrange(2 * MIB, 3 * MIB))
    with trial.peer() as peer:
        converse(trial, peer)
        with peer.sending(request):
            peer.expect(trial.due(request), "a client that sends megabytes and reads all the while")
        converse(trial, peer, "a client that goes on after megabytes")
    return f"{len(request):,} bytes came back right"


def clients(trial: Trial) -> str:
    """Answer many clients, in whatever order they ask, while others say nothing."""
    count = trial.draw.randrange(40, 50)
    with ExitStack() as stack:
        peers = [stack.enter_context(trial.peer()) for _ in range(count)]
        silent, asking = peers[:8], peers[8:]
        who = f"a client, while {len(silent)} others are connected and say nothing"
        for _ in range(2):
            trial.draw.shuffle(asking)
            for peer in asking:
                converse(trial, peer, who)
        requests = [line(trial) for _ in asking]
        for peer, request in zip(asking, requests, strict=True):
            peer.send(request)
        for peer, request in zip(asking, requests, strict=True):
            peer.expect(trial.due(request), f"one of {len(asking)} clients that ask at once")
        for peer in silent:
            converse(trial, peer, "a client that said nothing for long")
        with trial.stopped():
            early = [stack.enter_context(trial.peer()) for _ in range(4)]
            for peer in early:
                peer.send(requests[0])
        for peer in early:
            peer.expect(trial.due(requests[0]), "a client that asked before it was accepted")
    return f"{count} clients were answered, in an order drawn at random"


def half_close(trial: Trial) -> str:
    """Pay what is owed to a client that asks, says that it has no more to say, and reads."""
    requests = [trial.draw.randbytes(trial.draw.randrange(20_000, 30_000)) for _ in range(2)]
    who = "a client that asked and closed its sending half"
    with trial.peer() as early:
        converse(trial, early)
        early.half_close()
        early.ends("a client that closed its sending half")
    with trial.peer(narrow=True) as peer:
        for request in requests:
            peer.send(request)
        peer.half_close()
        time.sleep(0.05)  # the end of file lies there, and may be read before the replies are sent
        due = b"".join(map(trial.due, requests))
        peer.expect(due, who)
        peer.ends(who)
    return f"{len(due):,} bytes came after the client had closed its sending half, and then the end of file"


def ends(trial: Trial) -> str:
    """End when the listening socket is shut down, by itself and without an error."""
    with trial.peer() as peer, trial.peer() as other:
        converse(trial, peer)
        converse(trial, other)
        trial.listening.stop()
        time.sleep(0.05)
    status = trial.wait()
    if status:
        raise Violated(f"the listening socket was shut down, which should end `serve`: {trial.how_it_ended()}")
    return "the listening socket was shut down, and the server ended"
