"""What a server can answer: a reply to each request, and ways in which making it takes time."""

import time

from iolab.listening import Respond


def upper(request: bytes) -> bytes:
    """Answer with the bytes in upper case, as the servers of the source text do."""
    return request.upper()


def slow(seconds: float, respond: Respond = upper) -> Respond:
    """Return a reply that sleeps first, without the GIL, as a call to a database does."""

    def answer(request: bytes) -> bytes:
        time.sleep(seconds)
        return respond(request)

    return answer


def busy(seconds: float, respond: Respond = upper) -> Respond:
    """Return a reply that takes CPU time first: it holds the GIL, and gives it up every 5 ms on request."""

    def answer(request: bytes) -> bytes:
        end_ns = time.thread_time_ns() + int(seconds * 1e9)
        while time.thread_time_ns() < end_ns:
            pass
        return respond(request)

    return answer


def stalling(every_s: float, for_s: float, respond: Respond = upper) -> Respond:
    """Return a reply that is quick, but stalls for `for_s` at fixed intervals from its first request on."""
    due_s: list[float] = []

    def answer(request: bytes) -> bytes:
        now_s = time.monotonic()
        if not due_s:
            due_s.append(now_s + every_s)
        elif now_s >= due_s[0]:
            due_s[0] += every_s
            time.sleep(for_s)
        return respond(request)

    return answer
