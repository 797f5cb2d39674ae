"""Properties of a server whose clients behave: the right bytes, to everybody."""

import time
from contextlib import ExitStack

from iolab.exercises.peers import Peer, Violated, expect_clean_exit
from iolab.exercises.sandbox.confined import MIB
from iolab.exercises.trial import Trial

WORDS = b"select poll epoll socket backlog interest ready peer kernel buffer".split()


def draw_line(trial: Trial, words: int = 4) -> bytes:
    """Return a line of text, drawn at random."""
    return b" ".join(trial.draw.choices(WORDS, k=words)) + b" %d" % trial.draw.randrange(1000)


def ask_line(trial: Trial, peer: Peer, who: str = "a client") -> None:
    """Ask something short, and expect the reply."""
    peer.ask(draw_line(trial), who)


def check_reply(trial: Trial) -> str:
    """Answer a request with what `respond` returns for it."""
    request = draw_line(trial)
    with Peer(trial) as peer:
        peer.send(request)
        due = trial.due(request)
        reply = peer.receive(len(due))
        if reply and reply in (request[: len(reply)], request.upper()[: len(reply)]):
            raise Violated("the reply is not what `respond` returns for the request; call it, and send its result")
        if reply != due:
            raise Violated(f"{_describe(reply, due)}; {peer.why()}")
    return "a request was answered with what `respond` returns"


def _describe(reply: bytes, due: bytes) -> str:
    if due.startswith(reply):
        return f"the first client received {len(reply) or 'none'} of the {len(due)} bytes owed to it"
    return "the first client received bytes that `respond` did not return"


def check_binary(trial: Trial) -> str:
    """Answer bytes that are not text, pieces of text, and single bytes."""
    every = bytearray(range(256))
    trial.draw.shuffle(every)
    cut = "äöü€😀".encode()[: trial.draw.choice((1, 3, 5, 7, 10, 12))]
    total = 0
    with Peer(trial) as peer:
        ask_line(trial, peer)
        for request in (b"\0", b"\r\n", b"  spaces and ends \r\n\n", cut, bytes(every), b"\xff" * 3, b"a", b"\x1a\x04"):
            peer.ask(request, "a client that sent bytes that are not text")
            total += len(request)
        for number in every[:20]:
            peer.send(bytes((number,)))
        peer.expect(trial.due(bytes(every[:20])), "a client that sent single bytes")
    return f"{total + 20} bytes of every kind were answered correctly"


def check_megabytes(trial: Trial) -> str:
    """Answer megabytes on one connection, and go on with it."""
    request = trial.draw.randbytes(trial.draw.randrange(2 * MIB, 3 * MIB))
    with Peer(trial) as peer:
        ask_line(trial, peer)
        with peer.send_meanwhile(request):
            peer.expect(trial.due(request), "a client that sent megabytes and read meanwhile")
        ask_line(trial, peer, "a client that asked again after megabytes")
    return f"{len(request):,} bytes were answered correctly"


def check_many_clients(trial: Trial) -> str:
    """Answer many clients, in whatever order they ask, while others say nothing."""
    count = trial.draw.randrange(40, 50)
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(trial)) for _ in range(count)]
        silent, asking = peers[:8], peers[8:]
        who = f"a client that asked while {len(silent)} others were silent"
        for _ in range(2):
            trial.draw.shuffle(asking)
            for peer in asking:
                ask_line(trial, peer, who)
        requests = [draw_line(trial) for _ in asking]
        for peer, request in zip(asking, requests, strict=True):
            peer.send(request)
        for peer, request in zip(asking, requests, strict=True):
            peer.expect(trial.due(request), f"one of {len(asking)} clients that asked at once")
        for peer in silent:
            ask_line(trial, peer, "a client that had long been silent")
        with trial.pause():
            early = [stack.enter_context(Peer(trial)) for _ in range(4)]
            for peer in early:
                peer.send(requests[0])
        for peer in early:
            peer.expect(trial.due(requests[0]), "a client that asked before it was accepted")
    return f"{count} clients were answered, in a random order"


def check_half_close(trial: Trial) -> str:
    """Send what is owed to a client that asks, closes its sending half, and reads."""
    requests = [trial.draw.randbytes(trial.draw.randrange(20_000, 30_000)) for _ in range(2)]
    who = "a client that asked and closed its sending half"
    with Peer(trial) as early:
        ask_line(trial, early)
        early.half_close()
        early.expect_end("a client that closed its sending half")
    with Peer(trial, narrow=True) as peer:
        for request in requests:
            peer.send(request)
        peer.half_close()
        time.sleep(0.05)  # the end of file has arrived, and may be read before the replies are sent
        due = b"".join(map(trial.due, requests))
        peer.expect(due, who)
        peer.expect_end(who)
    return f"{len(due):,} bytes arrived after the client had closed its sending half, and then the end of file"


def check_clean_end(trial: Trial) -> str:
    """End when the listening socket is shut down, by itself and without an error."""
    with Peer(trial) as peer, Peer(trial) as other:
        ask_line(trial, peer)
        ask_line(trial, other)
        trial.listening.stop()
        time.sleep(0.05)
    expect_clean_exit(trial, "serve")
    return "the listening socket was shut down, and the server ended"
