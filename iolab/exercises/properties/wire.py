"""Properties of a server whose clients behave: the right bytes, to everybody."""

from iolab.exercises.peers import Peer, Violated
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
