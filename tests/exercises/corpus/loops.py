"""Mistakes that people make in a loop over non-blocking sockets, whatever it waits in."""

from collections.abc import Iterator

from tests.exercises.corpus.answers import Answer, Swap, end_with_a_message, swapped, wrong

RESET = "except OSError:  # reset by the peer"
REPLY = "respond(request)"
PARTIAL = "if sent < len(reply):"
NONBLOCKING = "connection.setblocking(False)"
GONE = {
    "nonblocking": "except OSError:  # nobody is there, or the peer gave up in the backlog",
}
SEND = {"selectors": "connection.send(reply)"}
CLOSE = {"selectors": "interest.unregister(connection)\n        connection.close()"}
FULL = "except BlockingIOError:\n            sent = 0"
UNTIL_SENT = """sent = 0
        while sent < len(reply):
            try:
                sent += SEND
            except BlockingIOError:
                pass"""
LEAVE = {"selectors": "return close(connection)"}


def mistakes(exercise: str, model: str) -> Iterator[Answer]:
    """Yield the mistakes, each put into the text of a model."""
    send = SEND.get(model, "connections[descriptor].send(reply)")
    gone = GONE.get(model, "except OSError:  # the peer gave up while it waited in the backlog")
    close = CLOSE.get(model, "connections.pop(descriptor).close()")
    lost = "lost.append((interest.unregister(connection), connection))" if model in CLOSE else ""
    until_sent = UNTIL_SENT.replace("SEND", send.replace("(reply)", "(memoryview(reply)[sent:])"))
    put: list[tuple[str, str, list[Swap]]] = [
        (
            "slow reader's bytes",
            "hangs up where a send is partial",
            [(PARTIAL, f"{PARTIAL}\n            {LEAVE.get(model, 'return close(descriptor)')}")],
        ),
        ("slow reader's bytes", "drops what a send did not take", [(PARTIAL, "if False:")]),
        ("resets", "ends at a reset", [(RESET, "except KeyError:")]),
        ("resets", "knows one of two resets", [(RESET, "except ConnectionResetError:  # and no EPIPE")]),
        ("others meanwhile", "leaves connections blocking", [(NONBLOCKING, "pass")]),
        (
            "others meanwhile",
            "sends in a loop until all is sent",
            [(f"try:\n            sent = {send}\n        {FULL}", until_sent)],
        ),
        ("binary data", "decodes what it receives", [(REPLY, "respond(request.decode().encode())")]),
        ("binary data", "strips what it receives", [(REPLY, "respond(request.strip() or b' ')")]),
        ("binary data", "ends at a line that is empty", [("if request:", "if request.strip():")]),
        ("half-close", "ends its replies with a zero", [(REPLY, "respond(request) + b'\\0'")]),
        ("megabytes", "answers the first kilobytes only", [(REPLY, "respond(request[:4096])")]),
        ("respond is called", "makes a reply of its own", [(REPLY, "request.upper()")]),
        ("a clean end", "swallows what ends it", [(gone, "except BaseException:")]),
        (
            "descriptors",
            "never closes",
            [
                ("    unsent: ", "    lost = []\n    unsent: "),
                (close, lost or f"lost.append({close[:-8]})"),
            ],
        ),
    ]
    yield wrong(exercise, "a clean end", "ends with a message", end_with_a_message(swapped(model)))
    for lacks, name, swaps in put:
        yield wrong(exercise, lacks, name, swapped(model, *swaps))
