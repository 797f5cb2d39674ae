"""What a server can answer: a reply to each request, and ways in which making it takes time."""

import inspect
import time
from collections.abc import Callable
from functools import partial

from iolab.errors import UsageError, guard
from iolab.listening import Respond


def upper(request: bytes) -> bytes:
    """Answer with the bytes in upper case, as the servers of the source text do."""
    return request.upper()


class ReplyFailed(ConnectionAbortedError):
    """Tell a server that there is no reply: it closes that connection, as after a reset."""


class Guarded:
    """A reply function whose errors end a connection, and not the server."""

    def __init__(
        self, respond: Respond, on_error: Callable[[Exception], object], stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.respond, self.on_error, self._stopping = respond, on_error, stopping

    def __call__(self, request: bytes) -> bytes:
        """Return the reply; raise ReplyFailed if there is none."""
        if self._stopping():  # a thousand replies of a round would keep a server for seconds, and go nowhere
            raise ReplyFailed("the server is being stopped")
        try:
            reply = self.respond(request)
            if not isinstance(reply, bytes):  # or each model would break in a way of its own
                raise TypeError(f"expected bytes as a reply, not {type(reply).__name__}")
            return reply
        except Exception as error:
            self.on_error(error)
            raise ReplyFailed(f"respond raised {error!r}") from error


def require_reply(respond: object) -> None:
    """Raise UsageError for what is no function from the bytes of a request to those of its reply."""
    name = getattr(respond, "__name__", repr(respond))
    wrong = None
    if inspect.isclass(respond) or not callable(respond):
        wrong = repr(respond)
    elif inspect.iscoroutinefunction(respond):
        wrong = f"the coroutine function {name}: write `def`"
    elif inspect.isgeneratorfunction(respond) or inspect.isasyncgenfunction(respond):
        wrong = f"the generator {name}: it returns no bytes"
    else:
        try:
            inspect.signature(respond).bind(b"")
        except TypeError:
            wrong = f"{name}{inspect.signature(respond)}, which does not take one request"
        except ValueError:  # a function in C that does not say what it takes
            pass
    if wrong:
        raise UsageError(f"expected respond to be a function respond(request) that returns bytes, not {wrong}")


@guard
def slow(seconds: float, respond: Respond = upper) -> Respond:
    """Return a reply that sleeps first, without the GIL, as a call to a database does."""
    return partial(_sleep, seconds, respond)


@guard
def busy(seconds: float, respond: Respond = upper) -> Respond:
    """Return a reply that takes CPU time first: it holds the GIL, and gives it up every 5 ms on request."""
    return partial(_compute, seconds, respond)


# Not closures: a worker in another process imports them by name.
def _sleep(seconds: float, respond: Respond, request: bytes) -> bytes:
    time.sleep(seconds)
    return respond(request)


def _compute(seconds: float, respond: Respond, request: bytes) -> bytes:
    end_ns = time.thread_time_ns() + int(seconds * 1e9)
    while time.thread_time_ns() < end_ns:
        pass
    return respond(request)


@guard
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
