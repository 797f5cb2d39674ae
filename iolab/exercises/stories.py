"""Stories: what many clients do at once, drawn from a seed, played on a server, and shrunk where it fails.

Theory of operation

A story is a list of steps, each of one client: it opens a connection, asks, reads, closes half of it, resets it or
leaves. The player keeps the books that a right server keeps without knowing: for each connection, the bytes that it has
sent, and so the bytes that must come back, in this order and none else. Wherever the story settles, all that is due to
clients that read is received; the slow ones stay as they are; and then what holds of a server at rest is looked at
(`rest`). Nothing is measured against a clock but idleness.

Every list of steps can be played: a step of a client that is not there is left out. So a story that fails is shrunk by
leaving out clients, then steps, as long as a new server fails in the same way; what a client sends depends on its
number and on how often it has asked, and on nothing else. A clock bounds only how far a story is shrunk, never whether
it fails.
"""

import random
import re
import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import NoReturn

from iolab.exercises.exercise import Look
from iolab.exercises.peers import Patience, Peer, Violated, describe_difference, expect_clean_exit
from iolab.exercises.rest import Invariants, Rest, has_limit
from iolab.exercises.sandbox import watch
from iolab.exercises.trial import Trial

STORY_S = 7.0
"""A right server takes a second or two for a story; what one is too slow for is not held against it."""

STORY_WAITS_S = 3.0
"""A server that does something, but not what is due, has so long within a story."""

SHRINK_S, SHRINK_TRIES, REPLAY_WAITS_S = 2.0, 24, 0.8
"""How long and how often a story that fails is played again, to find a shorter one."""

SILENCE_S = 10.5
"""So long nobody asks a server that may be counting the seconds."""

PROCESSES = 50
"""A server with a process for each client is asked to serve no more: its judge ends one that has many (`confined`)."""

FLOOD_BYTES, QUIET_ROUNDS = 48 << 20, 3
"""So much is asked at most by those who do not read; and so often nothing must be taken before no more will be."""

PATTER_S = 1.0
"""So long at most are bytes asked for one by one."""

SPARE = 12
"""Descriptors that a server may keep for other ends than the next client."""

FOREIGN_BYTES = 8
"""The replies to so many bytes in a row that another client was owed are no chance."""


@dataclass(frozen=True)
class Step:
    """What one client does: `open`, `ask`, `read`, `half-close`, `reset` or `leave`.

    Or all: `settle`, `wait`, `silence`, and `flood`, in which those that do not read ask until no byte more is taken,
    or for so many, one by one; `pause`, `resume` and `stop` are the server's. The amount is bytes to ask or to read
    (0: all that is due), or milliseconds to wait (0: until the server does nothing) or to be silent: longer, where it
    may be counting. To open a connection it is 0 for one that is read wherever the story settles, 2 for one that is
    not, 1 for one that takes little at a time too, and 3 for one that may have no place: it is served, turned away, or
    waits, but not while there is a descriptor for it.
    """

    act: str
    client: int = 0
    amount: int = 0


Story = Sequence[Step]


SHRINK_ALL_S = 8.0
"""How long one judge shrinks stories in all; what is left is told as it was drawn."""

shrinking_s: list[float] = []
"""How long each story so far was shrunk."""


class Fault(Violated):
    """A story in which the server failed: at which step, in which way, and how it is said."""

    def __init__(self, kind: str, says: str, step: int) -> None:
        super().__init__(says)
        self.kind, self.step = kind, step


@dataclass
class Client:
    """One connection, and what is owed to it."""

    peer: Peer
    slow: bool
    may_wait: bool = False
    due: bytearray = field(default_factory=bytearray)
    history: bytearray = field(default_factory=bytearray)
    asks: int = 0
    half_closed: bool = False


class Player:
    """Play a story on the server of a trial, and raise Violated where it does not do what it owes."""

    def __init__(self, trial: Trial, seed: int, rest: Rest, stack: ExitStack) -> None:
        self._trial, self._seed, self._rest, self._stack = trial, seed, rest, stack
        self._clients: dict[int, Client] = {}
        self._owed: dict[int, bytearray] = {}
        self._pausing: ExitStack | None = None
        self._full = self._is_short = self._limited = self._departs = False

    def play(self, story: Story) -> None:
        """Play all steps, or as many as there is time for. Raise Fault for the first that fails."""
        self._end_s = time.monotonic() + STORY_S
        for number, step in enumerate(story):
            if time.monotonic() > self._end_s:
                return
            try:
                self._act(step)
            except Fault:
                raise
            except (Violated, OSError) as error:
                raise Fault(self._name_kind(str(error)), str(error), number) from None

    def _name_kind(self, says: str) -> str:
        return re.sub(r"[\d,.]+|; .*|\(.*", "", says) if self._trial.alive() else "died"

    def _act(self, step: Step) -> None:
        match step.act:
            case "open":
                self._open(step.client, step.amount)
            case "settle":
                self._settle()
            case "wait":
                time.sleep(step.amount / 1000) if step.amount else self._rest.wait()
            case "silence":
                self._be_silent(step.amount / 1000)
            case "flood":
                slow = [(number, each) for number, each in self._clients.items() if each.slow]
                self._patter(slow, step.amount) if step.amount else self._flood(slow)
            case "stop":
                self._stop()
            case "pause" if not self._pausing:
                self._pausing = ExitStack()
                self._stack.enter_context(self._pausing).enter_context(self._trial.pause())
            case "resume":
                self._resume()
            case _ if client := self._clients.get(step.client):
                self._act_as(step, client)

    def _act_as(self, step: Step, client: Client) -> None:
        match step.act:
            case "ask" if not client.half_closed:
                self._ask(step, client)
            case "read" if client.due:
                self._resume()
                self._receive(step.client, step.amount or len(client.due))
            case "half-close" | "reset" | "leave":
                self._departs = True
                self._depart(step, client)

    def _depart(self, step: Step, client: Client) -> None:
        match step.act:
            case "half-close":
                client.peer.half_close()
                client.half_closed = True
            case "reset":
                self._clients.pop(step.client).peer.reset()
            case "leave":
                self._clients.pop(step.client).peer.connection.close()

    def _stop(self) -> None:
        self._trial.listening.stop()
        self._resume()
        try:
            expect_clean_exit(self._trial, "serve")
        except Violated as violated:
            raise Violated(f"{violated}; its descriptors had run out") if self._is_short else violated from None

    def _be_silent(self, least_s: float) -> None:
        begin_s = time.monotonic()
        time.sleep(least_s)
        self._limited = watch.limits_connections(self._trial.pid)
        if self._limited or has_limit(self._trial.pid):
            time.sleep(max(SILENCE_S - least_s, 0))
        self._end_s += time.monotonic() - begin_s

    def _open(self, number: int, kind: int) -> None:
        if len(self._clients) == PROCESSES:
            self._rest.wait()
            self._full = self._count_processes() > PROCESSES // 2
        if self._full and len(self._clients) >= PROCESSES:
            return
        peer = self._stack.enter_context(Peer(self._trial, narrow=kind == 1))
        client = Client(peer, slow=kind in (1, 2), may_wait=kind == 3)
        self._clients[number] = client
        self._owed[number] = client.history

    def _count_processes(self) -> int:
        """Return how many processes it has, once it starts no more of them."""
        count = 0
        while (now := len(watch.list_family(self._trial.pid))) > max(count, 2):
            count = now
            time.sleep(0.1)
        return now

    def _ask(self, step: Step, client: Client) -> None:
        client.asks += 1
        request = random.Random(f"{self._seed} {step.client} {client.asks}").randbytes(step.amount)
        if client.may_wait:
            with suppress(OSError):  # it was turned away
                client.peer.connection.send(request)
        else:
            client.peer.send(request)
        self._owe(client, request)

    def _owe(self, client: Client, request: bytes) -> None:
        reply = self._trial.due(request)
        client.due += reply
        client.history += reply

    def _flood(self, clients: list[tuple[int, Client]]) -> None:
        """Ask without reading until no byte is taken in several rounds, at each of which the server has come to rest.

        What is asked at once is little: what the kernel holds is not the server's, and takes time to read.
        """
        quiet, most = 0, FLOOD_BYTES
        for _, each in clients:
            each.peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
        while quiet < QUIET_ROUNDS and most > 0:
            count = sum(self._send_what_is_taken(number, each) for number, each in clients)
            quiet, most = 0 if count else quiet + 1, most - count
            self._rest.wait()
            self._rest.expect_frozen(len(clients))

    def _send_what_is_taken(self, number: int, client: Client) -> int:
        client.asks += 1
        block, sent = random.Random(f"{self._seed} {number} {client.asks}").randbytes(1 << 17), 0
        connection, look_s = client.peer.connection, client.peer.connection.gettimeout()
        connection.setblocking(False)
        try:
            while sent < len(block):
                sent += connection.send(memoryview(block)[sent:])
        except BlockingIOError:
            pass
        except OSError:
            raise Violated(f"the server closed the connection of a client that asked; {client.peer.why()}") from None
        connection.settimeout(look_s)
        self._owe(client, block[:sent])
        return sent

    def _patter(self, clients: list[tuple[int, Client]], count: int) -> None:
        """Ask for bytes one by one: once the bystander is answered, a server that reads on has received the last.

        What one is too slow for is left out.
        """
        end_s = time.monotonic() + PATTER_S
        for _, each in clients:
            each.peer.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        draw = random.Random(self._seed)
        for _ in range(count):
            if time.monotonic() > end_s:
                return
            for _, each in clients:
                request = draw.randbytes(1)
                each.peer.send(request)
                self._owe(each, request)
            self._rest.ask()

    def _receive(self, number: int, length: int) -> None:
        client = self._clients[number]
        due = bytes(client.due[:length])
        received = client.peer.receive(len(due))
        if received != due:
            self._fail(number, received, due)
        del client.due[: len(due)]

    def _fail(self, number: int, received: bytes, due: bytes) -> NoReturn:
        who, why = f"client {number}", self._clients[number].peer.why()
        if due.startswith(received):
            limit = "; it has set TCP_USER_TIMEOUT, which ends connections of clients that do not read" * self._limited
            raise Violated(f"{describe_difference(received, due, who)}; {why}{limit}")
        first = next(place for place, (one, other) in enumerate(zip(received, due, strict=False)) if one != other)
        for other, history in self._owed.items():
            count = _count_foreign(received[first:], bytes(history), FOREIGN_BYTES * self._trial.factor)
            if other != number and count:
                raise Violated(f"{who} received {count:,} bytes that belonged to client {other}")
        raise Violated(describe_difference(received, due, who))

    def _settle(self) -> None:
        self._resume()
        self._is_short = self._seat()
        for number, client in list(self._clients.items()):
            if client.may_wait or (client.slow and client.due):
                continue
            self._receive(number, len(client.due))
            if client.half_closed:
                client.peer.expect_end(f"client {number}")
                self._clients.pop(number).peer.connection.close()
        self._departs = False
        seated = [client for client in self._clients.values() if not client.may_wait]
        self._rest.expect(len(seated), sum(bool(client.due) for client in seated), full=self._is_short)

    def _seat(self) -> bool:
        """Find out who of those that may have no place was served; say whether others were turned away or wait."""
        guests = {number: client for number, client in self._clients.items() if client.may_wait}
        patience, place, turned_away = Patience(self._trial), select.poll(), list[int]()
        for client in guests.values():
            place.register(client.peer.connection, select.POLLIN)
        while guests:
            ready = {descriptor for descriptor, _ in place.poll(50)}
            for number, client in list(guests.items()):
                connection = client.peer.connection
                if connection.fileno() in ready:
                    place.unregister(connection)
                    guests.pop(number).may_wait = False
                    patience.renew()
                    if client.peer.was_turned_away():
                        self._clients.pop(number).peer.connection.close()
                        turned_away.append(number)
            if guests and patience.over():
                self._expect_full(list(guests), "waited in vain")
                return True
        if turned_away and not self._departs:
            self._expect_full(turned_away, "found the connection closed")
        return bool(turned_away)

    def _expect_full(self, clients: list[int], says: str) -> None:
        """Raise Violated if clients are not served although the server has a descriptor for them.

        A ring may hold connections in a table of its own: those who have a place count as much as descriptors.
        """
        seated = sum(not client.may_wait for client in self._clients.values())
        descriptors = len(watch.list_folder(f"/proc/{self._trial.pid}/fd"))
        free = self._trial.limits["RLIMIT_NOFILE"] - max(descriptors, seated)
        if free > SPARE:
            who = f"client {clients[0]}" + (f" and {len(clients) - 1} more" if len(clients) > 1 else "")
            raise Violated(
                f"{who} {says}, though the server had {free} descriptors left; {Patience(self._trial).why()}"
            )

    def _resume(self) -> None:
        if self._pausing:
            self._pausing.close()
            self._pausing = None


def _count_foreign(received: bytes, history: bytes, least: int) -> int:
    """Return how many of the bytes received stand in this order in what another client was owed; 0 if too few."""
    if len(received) < least or received[:least] not in history:
        return 0
    low, high = least, len(received)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if received[:middle] in history else (low, middle - 1)
    return low


def tell_story(
    draw_story: Callable[[random.Random], Story],
    invariants: Invariants,
    says: str,
    *,
    factor: int = 1,
    limits: dict[str, int] | None = None,
    also: Callable[[Trial], str] | None = None,
) -> Look:
    """Return the property of a server that does in a drawn story what it owes, and rests as it should.

    `also` is looked for before, in a trial of its own; `says` may name {clients}, and what {also} said.
    """

    def look(answer: str, entry: str, draw: random.Random) -> str:
        seed = draw.randrange(1 << 32)

        def play(story: Story, patience_s: float = STORY_WAITS_S) -> Fault | None:
            notes = invariants.operations
            trial = Trial(answer, entry, random.Random(seed), factor=factor, limits=limits, notes=notes)
            trial.patience_s = patience_s
            with ExitStack() as stack:
                stack.enter_context(trial)
                try:
                    rest = Rest(trial, invariants, stack)
                    Player(trial, seed, rest, stack).play(story)
                except Fault as fault:
                    return fault
            return None

        more = ""
        if also:
            with Trial(answer, entry, draw, factor=factor) as trial:
                more = also(trial)
        story = list(draw_story(draw))
        if fault := play(story):
            raise Violated(tell(*shrink(story, fault, play), factor))
        return says.format(clients=len(_list_clients(story)), also=more)

    return look


def shrink(story: Story, fault: Fault, play: Callable[..., Fault | None]) -> tuple[Story, Fault]:
    """Return the shortest story that was found to fail in the same way, and its fault."""
    begin_s, left_s = time.monotonic(), min(SHRINK_S, SHRINK_ALL_S - sum(shrinking_s))
    if any(step.act == "silence" or step == Step("flood") for step in story[: fault.step + 1]):
        left_s = 0.0  # once is long enough
    shortest, end_s, tries = (list(story[: fault.step + 1]), fault), begin_s + left_s, SHRINK_TRIES

    def fails(candidate: Story) -> bool:
        nonlocal shortest, tries
        if time.monotonic() > end_s or not tries:
            return False
        tries -= 1
        again = play(candidate, REPLAY_WAITS_S)
        if not again or again.kind != fault.kind:
            return False
        shortest = list(candidate[: again.step + 1]), again
        return True

    for split in (_split_scenes, _split_clients, _split_steps):
        pieces = split(shortest[0])
        size = (len(pieces) + 1) // 2
        while size:
            for first in range(0, len(pieces), size):
                left = pieces[:first] + pieces[first + size :]
                if left and fails(_join(left)):
                    pieces = left
                    break
            else:
                size //= 2
    shrinking_s.append(time.monotonic() - begin_s)
    return shortest


Piece = list[tuple[int, Step]]


def _join(pieces: list[Piece]) -> Story:
    """Return the steps of pieces in the order of the story that they were taken from."""
    return [step for _, step in sorted((pair for piece in pieces for pair in piece), key=lambda pair: pair[0])]


def _split_scenes(story: Story) -> list[Piece]:
    """Return the parts between places where the story settles."""
    scenes: list[Piece] = [[]]
    for place, step in enumerate(story):
        scenes[-1].append((place, step))
        if step.act == "settle":
            scenes.append([])
    return [each for each in scenes if each]


def _split_clients(story: Story) -> list[Piece]:
    """Return the steps of each client."""
    numbers = dict.fromkeys(step.client for step in story)
    return [[(place, step) for place, step in enumerate(story) if step.client == each] for each in numbers]


def _split_steps(story: Story) -> list[Piece]:
    return [[pair] for pair in enumerate(story)]


def tell(story: Story, fault: Fault, factor: int) -> str:
    """Say in a sentence what the clients did, and how the server failed."""
    numbers = {number: place for place, number in enumerate(_list_clients(story), 1)}
    groups: dict[str, list[int]] = {}
    for number, place in numbers.items():
        if text := _describe_deeds([step for step in story if step.client == number], factor):
            groups.setdefault(text, []).append(place)
    deeds = [f"{_name_clients(places)} {'each ' * (len(places) > 1)}{text}" for text, places in groups.items()]
    says = re.sub(r"client (\d+)", lambda match: f"client {numbers.get(int(match[1]), match[1])}", str(fault))
    if len(deeds) > 3:
        failing = [each for each in deeds if says.startswith(each.partition(" asked")[0] + " ")]
        deeds = [f"{len(numbers)} clients were served together", *failing]
    then = "then"
    if any(step.act == "silence" for step in story):
        then = "then, when nobody had asked for seconds,"
    elif any(step.act == "flood" and step.amount for step in story):
        then = "then they asked for a byte at a time, and read none, a thousand times:"
    return f"{'; '.join(deeds)}; {then} {says}" if deeds else says


def _list_clients(story: Story) -> dict[int, None]:
    return dict.fromkeys(step.client for step in story if step.client)


def _name_clients(places: list[int]) -> str:
    if len(places) == 1:
        return f"client {places[0]}"
    ends = f"{places[0]} and {places[-1]}" if len(places) == 2 else f"{places[0]} to {places[-1]}"
    together = places[-1] - places[0] == len(places) - 1
    return f"clients {ends}" if together else f"{len(places)} clients"


DEEDS = {
    "half-close": "closed the sending half",
    "reset": "reset the connection",
    "leave": "closed the connection",
    "read": "read some of it",
}


def _describe_deeds(steps: list[Step], factor: int) -> str:
    asked = [step.amount for step in steps if step.act == "ask"]
    deeds = []
    if asked:
        times = f" in {len(asked)} requests" if len(asked) > 1 else ""
        deeds.append(f"asked for {sum(asked) * factor:,} bytes{times}")
        if steps[0].amount and all(step.act != "read" for step in steps):
            deeds.append("read none")
    deeds += dict.fromkeys(DEEDS[step.act] for step in steps if step.act in DEEDS)
    *most, last = deeds or ["connected"]
    return f"{', '.join(most)} and {last}" if most else last
