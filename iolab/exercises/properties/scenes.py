"""The scenes that stories are drawn from: who comes, what is asked, and how it ends.

Each property has its own mixture, in which nothing that it is about is left to chance: the scenes are always there,
their order, numbers, sizes and interleaving are drawn.
"""

import random
from collections.abc import Iterator, Sequence

from iolab.exercises.stories import Step, Story
from iolab.kernel import descriptors

EDGES = [1 << power for power in range(9, 18)]
"""Sizes of usual buffers; one less and one more are drawn as well."""

ABORT, LATE_ABORT = "half-close reset", "half-close wait reset"
"""Resets after an end of file: the next `send` is told EPIPE, and not ECONNRESET (`tcp_reset` in the kernel)."""

TOGETHER_BYTES = 24_000
"""The kernel takes so much of a client of which the server has received nothing, and the end of file behind it."""

CROWD, RESERVED, BRIEF = 200, 64, 12
NEARLY_ALL = 242
"""Clients that a server has descriptors for (`LIMITS`), less those that it may keep for itself (`stories.SPARE`)."""

PIECES, FILLS_BYTES = 1_060, (55_000, 75_000)
"""More requests than sendmsg(2) takes pieces (IOV_MAX), after so much that not all of it has room in the kernel."""

MANY, CHATTER = 1_100, 280
PLACES, RESIDENTS, LEAVERS, GUESTS = 128, 50, 44, 50
"""Descriptors of a server that more clients come to than it has room for: those who stay, who leave, and who wait.

The first two have a place in any case, and those who leave are no fewer than those who wait.
"""

WAYS = [(False, ("leave",)), (False, ("reset",)), (True, ("reset",)), (True, ("half-close", "read"))]
"""Whether those who leave are owed bytes, and how they leave: all that a server can tell apart."""

FROZEN = 24
"""Clients that ask again and again and do not read, at once."""

FD_SETSIZE = 1_024
SILENCE_MS, STALL_MS = 2_300, 1_500

Numbers = Iterator[int]

SETTLE = Step("settle")


def interleave(draw: random.Random, *sequences: Sequence[Step]) -> Story:
    """Return the steps of several sequences in an order drawn, each sequence in its own order."""
    left = [list(each) for each in sequences if each]
    order = [number for number, each in enumerate(left) for _ in each]
    draw.shuffle(order)
    return [left[number].pop(0) for number in order]


def chain(scenes: Sequence[Story]) -> Story:
    """Return the steps of scenes, one after the other."""
    return [step for scene in scenes for step in scene]


def slow_readers(draw: random.Random, numbers: Numbers, fates: Sequence[str], at_once: int = 0) -> Story:
    """Return a scene of slow readers that are owed megabytes together, of one who is not, and of how each ends."""
    count = at_once or draw.randrange(2, 5)
    clients = [next(numbers) for _ in range(count)]
    asks = [
        [Step("open", each, 1), *(Step("ask", each, size) for size in _draw_large(draw)), *_read_some(draw, each)]
        for each in clients
    ]
    other = next(numbers)
    brisk = [Step("open", other), *(Step("ask", other, draw.randrange(1, 100)) for _ in range(5))]
    ends = [end(draw, each, fate) for each, fate in zip(clients, deal(draw, fates, count), strict=True)]
    readers = [[Step("read", each)] for each in clients]
    comers = [next(numbers) for _ in range(count + 2)]  # they get the numbers of those who have left
    come = [
        [Step("open", each, place % 2), Step("ask", each, 1_200 if place % 2 else 50)]
        for place, each in enumerate(comers)
    ]
    return [
        *interleave(draw, *asks, brisk),
        SETTLE,
        *interleave(draw, *ends),
        Step("wait", amount=30),
        Step("wait"),
        *interleave(draw, *come),
        SETTLE,
        *interleave(draw, *readers),
        SETTLE,
        *(Step("read", each) for each in comers),
        *(Step("leave", each) for each in (*clients, *comers, other)),
        SETTLE,
    ]


def _draw_large(draw: random.Random) -> list[int]:
    return [draw.randrange(3_000, 8_000)] if draw.random() < 0.7 else [draw.randrange(1_500, 3_000) for _ in range(3)]


def _read_some(draw: random.Random, client: int) -> list[Step]:
    return [Step("read", client, draw.randrange(1, 100_000))] if draw.random() < 0.5 else []


def deal(draw: random.Random, fates: Sequence[str], count: int) -> list[str]:
    """Return so many fates in an order drawn: none of them twice before each of them once."""
    return [fate for _ in range(0, count, len(fates)) for fate in draw.sample(fates, len(fates))][:count]


def end(draw: random.Random, client: int, fate: str) -> list[Step]:
    """Return the steps of one end of a client that is owed bytes, or of its asking for more."""
    if fate == "read":
        bites = [Step("read", client, draw.choice((500, 4_096, 70_000))) for _ in range(draw.randrange(2, 6))]
        return [*bites, Step("read", client), Step("ask", client, draw.randrange(1, 100))]
    if fate == "more":
        return [Step("ask", client, draw.randrange(1, 300)) for _ in range(draw.randrange(1, 4))]
    return part(client, fate)


def part(client: int, fate: str) -> list[Step]:
    """Return the steps by which a client ends; none for one that stays."""
    return [Step(act, client) for act in fate.split() if act != "stay"]


def stalled(draw: random.Random, numbers: Numbers) -> Story:
    """Return a scene of clients that read nothing for long, be it that the server owes them bytes or the kernel alone.

    Half of them have closed their sending half.
    """
    clients = [next(numbers) for _ in range(4)]
    sizes = [size + draw.randrange(100) for size in (100, 100, 4_000, 4_000)]
    asks = [[Step("open", each, 1), Step("ask", each, size)] for each, size in zip(clients, sizes, strict=True)]
    ends = [Step("half-close", each) for each in clients[::2]]
    reads = [[Step("read", each), Step("ask", each, 10)] for each in clients]
    left = [Step("leave", each) for each in clients[1::2]]
    silent = Step("silence", amount=STALL_MS)
    return [*interleave(draw, *asks), *ends, silent, *interleave(draw, *reads), SETTLE, *left, SETTLE]


def piecemeal(draw: random.Random, numbers: Numbers) -> Story:
    """Return a scene of clients that ask on, piece by piece, while they are owed, close their sending half and read."""
    clients = [next(numbers) for _ in range(3)]
    steps = [step for each in clients for step in (Step("open", each, 1), Step("ask", each, 1_500), Step("wait"))]
    for _ in range(4):
        steps += [*(Step("ask", each, draw.randrange(1, 100)) for each in clients), Step("wait")]
    ends = [[Step("half-close", each), Step("wait"), Step("read", each)] for each in clients]
    return [*steps, *interleave(draw, *ends), SETTLE]


def trickle(draw: random.Random, numbers: Numbers) -> Story:
    """Return a scene of clients that ask for a little again and again and read none, until no byte more has room."""
    clients = [next(numbers) for _ in range(12)]
    asks = [[Step("open", each, draw.choice((1, 2))), *_ask_little(draw, each)] for each in clients]
    readers = [[Step("read", each), Step("ask", each, 10), Step("leave", each)] for each in clients]
    return [*interleave(draw, *asks), SETTLE, *interleave(draw, *readers), SETTLE]


def _ask_little(draw: random.Random, client: int) -> Iterator[Step]:
    for size in draw.choice(((200, 700), (500, 2_000))) * 6:
        yield Step("ask", client, draw.randrange(size // 2, size))
        yield Step("wait", amount=1)


def pile(draw: random.Random, numbers: Numbers) -> Story:
    """Return a scene of clients that are owed a little, and ask for a byte at a time, more than a thousand times."""
    clients = [next(numbers) for _ in FILLS_BYTES]
    fills = [
        [Step("open", each, 1), *(Step("ask", each, size // 40) for _ in range(40))]
        for each, size in zip(clients, FILLS_BYTES, strict=True)
    ]
    readers = [[Step("read", each), Step("ask", each, 10), Step("leave", each)] for each in clients]
    flood = Step("flood", amount=draw.randrange(PIECES, PIECES + 40))
    return [*interleave(draw, *fills), Step("wait"), flood, *interleave(draw, *readers), SETTLE]


def early(draw: random.Random, numbers: Numbers, fates: Sequence[str]) -> Story:
    """Return a scene of clients that connect, ask and end before the server accepts them."""
    sequences = []
    for fate in deal(draw, fates, draw.randrange(6, 12)):
        client = next(numbers)
        asks = [Step("ask", client, draw.randrange(1, 200))] if draw.random() < 0.7 else []
        sequences.append([Step("open", client), *asks, *part(client, fate)])
    return [Step("pause"), *interleave(draw, *sequences), Step("resume"), SETTLE]


def brief(draw: random.Random, numbers: Numbers, fates: Sequence[str]) -> Story:
    """Return a scene of clients that come, ask, are answered or not, and end."""
    sequences = []
    for fate in deal(draw, fates, BRIEF):
        client = next(numbers)
        steps = [Step("open", client), Step("ask", client, draw.randrange(1, 100))]
        reads = [Step("read", client)] if "reset" not in fate or draw.random() < 0.5 else []
        sequences.append([*steps, *reads, *part(client, fate)])
    return [*interleave(draw, *sequences), SETTLE]


def farewells(draw: random.Random, numbers: Numbers, fates: Sequence[str]) -> Story:
    """Return a scene of clients, old and new, that ask for a buffer or more and end, which the server sees together."""
    edges = [edge for edge in EDGES if edge < TOGETHER_BYTES]
    more = [draw.randrange(edge + 1, min(2 * edge, TOGETHER_BYTES)) for edge in (*edges, 8_192, 10_000, 12_000)]
    greet, goodbyes = [], []
    for place, (size, fate) in enumerate(zip(sizes := [*edges, *more], deal(draw, fates, len(sizes)), strict=True)):
        client = next(numbers)
        opens = [Step("open", client), *([Step("ask", client, 10), Step("read", client)] * (place % 2))]
        greet.append(opens)
        goodbyes.append([Step("ask", client, size), *part(client, fate)])
    return [*interleave(draw, *greet), Step("pause"), *interleave(draw, *goodbyes), Step("resume"), SETTLE]


def crowd(draw: random.Random, numbers: Numbers, count: int, guests: int) -> Story:
    """Return a scene of hundreds of clients that ask in any order, then all at once; some stay silent.

    Then there are as many more as there are descriptors for.
    """
    clients = [next(numbers) for _ in range(count)]
    silent = set(draw.sample(clients, 8))
    asking = [each for each in clients if each not in silent]
    steps = [Step("open", each) for each in clients]
    for each in draw.sample(asking, len(asking)):
        steps += [Step("ask", each, draw.randrange(1, 100)), Step("read", each)]
    steps += [SETTLE, Step("pause"), *(Step("ask", each, draw.randrange(1, 100)) for each in asking), Step("resume")]
    steps += [SETTLE, *(Step("ask", each, 10) for each in silent), SETTLE, *_bring(numbers, guests)[1], SETTLE]
    return [*steps, *(Step(draw.choice(("leave", "half-close")), each) for each in clients), SETTLE]


def large(draw: random.Random, numbers: Numbers) -> Story:
    """Return a scene of one client that asks for much in one piece."""
    client, size = next(numbers), draw.randrange(20_000, 30_000)
    return [Step("open", client), Step("ask", client, size), Step("read", client), SETTLE]


def pipeline(draw: random.Random, numbers: Numbers) -> Story:
    """Return a scene of clients that send one request after another and read later."""
    clients = [next(numbers) for _ in range(3)]
    asks = [[Step("ask", each, draw.randrange(1, 200)) for _ in range(draw.randrange(10, 40))] for each in clients]
    return [*(Step("open", each) for each in clients), *interleave(draw, *asks), SETTLE]


def sizes(draw: random.Random, numbers: Numbers) -> Story:
    """Return a scene of requests at the edges of usual buffers, each whole before the server can read it."""
    client = next(numbers)
    edges = [edge + more for edge in EDGES for more in (-1, 0, 1)]
    steps = [Step("open", client)]
    for size in draw.sample(edges, len(edges)):
        steps += [Step("pause")] if size <= 1 << 13 else []
        steps += [Step("ask", client, size), Step("resume"), Step("read", client)]
    return [*steps, SETTLE]


def conversation(draw: random.Random, numbers: Numbers) -> Story:
    """Return a scene of more than a thousand requests on one connection."""
    client = next(numbers)
    asks = (Step("ask", client, draw.randrange(1, 20)) for _ in range(MANY))
    return [Step("open", client), *(step for ask in asks for step in (ask, Step("read", client))), SETTLE]


def silence(draw: random.Random, numbers: Numbers, scenes: Sequence[Step]) -> Story:
    """Return scenes during which two clients are silent, one that has asked before and one that has not."""
    first, second = next(numbers), next(numbers)
    begin = [Step("open", first), Step("open", second), Step("ask", second, 10), Step("read", second)]
    ask = [Step("ask", first, draw.randrange(1, 100)), Step("ask", second, draw.randrange(1, 100))]
    return [*begin, *scenes, Step("silence", amount=SILENCE_MS), *ask, SETTLE]


def _count() -> Numbers:
    return iter(range(1, 1 << 20))


def draw_crowd(draw: random.Random, numbers: Numbers | None = None, most: int = NEARLY_ALL) -> Story:
    """Draw a story of many clients: of hundreds, and of so many at most."""
    numbers = numbers or _count()
    count = min(draw.randrange(CROWD - 20, CROWD), descriptors.most_connections() - RESERVED)
    begin = [*early(draw, numbers, ("stay", "half-close", "leave")), *pipeline(draw, numbers)]
    left = sum(step.act in ("half-close", "leave") for step in begin) - sum(step.act == "open" for step in begin)
    return [*begin, *crowd(draw, numbers, count, most - count + left)]


def draw_thousand(draw: random.Random) -> Story:
    """Draw a story of more clients than `select` has bits for (`select(2)`); the last ones may be turned away."""
    numbers = _count()
    first, others = next(numbers), [next(numbers) for _ in range(FD_SETSIZE)]
    fill = [*(Step("open", each) for each in others), SETTLE, *(Step("leave", each) for each in others), SETTLE]
    return [*draw_crowd(draw, numbers), Step("open", first), *fill, Step("ask", first, 10), SETTLE]


def draw_states(draw: random.Random) -> Story:
    """Draw a story that brings connections into every state, for a look at how they are served."""
    numbers = _count()
    scenes = [
        brief(draw, numbers, ("leave", "half-close", "stay")),
        large(draw, numbers),
        slow_readers(draw, numbers, ("read", "more"), 2),
        slow_readers(draw, numbers, ("half-close", "reset", "more"), 2),
    ]
    return chain(scenes)


def draw_sizes(draw: random.Random) -> Story:
    """Draw a story of requests of many sizes, and of many requests."""
    numbers = _count()
    return [*sizes(draw, numbers), *conversation(draw, numbers), *pipeline(draw, numbers)]


def draw_half_closes(draw: random.Random) -> Story:
    """Draw a story of clients that close their sending half, owed bytes or not."""
    numbers = _count()
    scenes = [
        brief(draw, numbers, ("half-close", "stay")),
        early(draw, numbers, ("half-close", "stay")),
        piecemeal(draw, numbers),
        slow_readers(draw, numbers, ("half-close",), 2),
        slow_readers(draw, numbers, ("half-close", "read", "more")),
    ]
    draw.shuffle(scenes)
    return chain(scenes)


def draw_farewells(draw: random.Random) -> Story:
    """Draw a story of clients whose last request and end are seen together."""
    numbers = _count()
    return [*farewells(draw, numbers, ("half-close",)), *farewells(draw, numbers, ("half-close", "leave", ABORT))]


def draw_resets(draw: random.Random) -> Story:
    """Draw a story of clients that reset their connections in any state."""
    numbers = _count()
    scenes = [
        brief(draw, numbers, ("reset", ABORT, "stay")),
        early(draw, numbers, ("reset", ABORT, "leave", "stay")),
        slow_readers(draw, numbers, ("reset", ABORT, LATE_ABORT), 3),
        slow_readers(draw, numbers, ("reset", "leave", "read", "half-close", ABORT)),
    ]
    draw.shuffle(scenes)
    return chain(scenes)


def draw_slow_readers(draw: random.Random) -> Story:
    """Draw a story of several slow readers at once."""
    numbers = _count()
    scenes = [
        slow_readers(draw, numbers, ("read",), 1),
        slow_readers(draw, numbers, ("read", "more"), 2),
        slow_readers(draw, numbers, ("read", "more", "half-close"), 4),
        trickle(draw, numbers),
        stalled(draw, numbers),
    ]
    return chain(scenes)


def draw_passed_readers(draw: random.Random) -> Story:
    """Draw a story of slow readers that are owed the end of a long reply while hundreds of others are answered."""
    numbers = _count()
    piles = pile(draw, numbers)
    slow, other = [next(numbers) for _ in range(3)], next(numbers)
    begin = [[Step("open", each, 1), Step("ask", each, draw.randrange(130_000, 150_000))] for each in slow]
    chat = [Step("open", other)]
    for _ in range(CHATTER):
        chat += [Step("ask", other, draw.randrange(33_000, 40_000)), Step("read", other)]
    return [
        *piles,
        *interleave(draw, *begin),
        SETTLE,
        *chat,
        *interleave(draw, *([Step("read", each)] for each in slow)),
        SETTLE,
    ]


def draw_leavers(draw: random.Random) -> Story:
    """Draw a story of clients that come and leave in every way."""
    numbers = _count()
    scenes = [
        full_house(draw, numbers),
        early(draw, numbers, ("reset", "leave", "half-close")),
        slow_readers(draw, numbers, ("reset", ABORT, LATE_ABORT), 3),
        slow_readers(draw, numbers, ("leave",), 2),
        slow_readers(draw, numbers, ("half-close", "leave", "reset", "read")),
    ]
    draw.shuffle(scenes)
    return chain(scenes)


def full_house(draw: random.Random, numbers: Numbers) -> Story:
    """Return a scene of more clients than the server has descriptors for, of whom some leave, time and again.

    Each time all of them leave in one way.
    """
    residents, steps = _bring(numbers, RESIDENTS)
    for owed, ends in draw.sample(WAYS, len(WAYS)):
        leavers, came = _bring(numbers, LEAVERS, 1 if owed else 0, 1_000 if owed else 10)
        guests, waited = _bring(numbers, GUESTS)
        left = interleave(draw, *([Step(act, each) for act in ends] for each in leavers))
        full = [Step("wait")] if SETTLE in steps else [SETTLE]  # it takes a while to see that nobody is served
        steps += [*came, *waited, *full, *left, SETTLE, *(Step("leave", each) for each in guests)]
    return [*steps, *(Step("leave", each) for each in residents), SETTLE]


def _bring(numbers: Numbers, count: int, kind: int = 3, size: int = 10) -> tuple[list[int], list[Step]]:
    """Return new clients, and how they come and ask."""
    clients = [next(numbers) for _ in range(count)]
    return clients, [step for each in clients for step in (Step("open", each, kind), Step("ask", each, size))]


def draw_frozen(draw: random.Random) -> Story:
    """Draw a story of many clients that ask on and on and read nothing, and of others meanwhile."""
    numbers = _count()
    frozen = [next(numbers) for _ in range(FROZEN)]
    first = [[Step("open", each, 2), Step("ask", each, draw.randrange(1, 5_000))] for each in frozen]
    ends = [[Step("read", each)] if draw.random() < 0.7 else [Step("reset", each)] for each in frozen]
    return [*interleave(draw, *first), Step("flood"), SETTLE, *interleave(draw, *ends), SETTLE]


def draw_end(draw: random.Random) -> Story:
    """Draw a story that ends the server while clients are there in every state, and nobody does anything."""
    return [*meet(draw)[1], Step("stop")]


def draw_full_end(draw: random.Random) -> Story:
    """Draw a story that ends the server when it has no descriptor left, and clients wait or were turned away."""
    numbers = _count()
    scenes = [_bring(numbers, RESIDENTS, 0)[1], _bring(numbers, LEAVERS // 2, 1, draw.randrange(10, 1_000))[1]]
    return [*interleave(draw, *scenes), *_bring(numbers, CROWD)[1], SETTLE, Step("stop")]


def draw_busy_end(draw: random.Random) -> Story:
    """Draw a story that ends the server in the midst of what clients ask."""
    brisk, begin = meet(draw)
    return [*begin, Step("pause"), *(Step("ask", each, draw.randrange(1, 100)) for each in brisk), Step("stop")]


def meet(draw: random.Random) -> tuple[list[int], Story]:
    """Draw clients in every state; return those that read what they are owed, and how all of them came there."""
    numbers = _count()
    silent, idle, owed, leaving = ([next(numbers) for _ in range(draw.randrange(1, 4))] for _ in range(4))
    scenes = [
        *([Step("open", each)] for each in silent),
        *([Step("open", each), Step("ask", each, draw.randrange(1, 100)), Step("read", each)] for each in idle),
        *([Step("open", each, 1), *(Step("ask", each, size) for size in _draw_large(draw))] for each in owed),
        *([Step("open", each, 1), Step("ask", each, 3_000), Step("half-close", each)] for each in leaving),
    ]
    return [*silent, *idle], [*interleave(draw, *scenes), SETTLE]


def draw_silence(draw: random.Random) -> Story:
    """Draw a story after each scene of which nobody asks anything, for long in the end."""
    numbers = _count()
    scenes = [
        *brief(draw, numbers, ("leave", "half-close", "reset", "stay")),
        *interleave(draw, [Step("open", 9_001, 1), Step("ask", 9_001, 5_000), Step("read", 9_001), SETTLE]),
        *early(draw, numbers, ("reset", "stay")),
    ]
    return silence(draw, numbers, scenes)


def draw_debts(draw: random.Random) -> Story:
    """Draw a story in which the server comes to rest while it owes, in every state of those whom it owes."""
    numbers = _count()
    first, second, third = (next(numbers) for _ in range(3))
    begin = [
        [Step("open", each, 1), *(Step("ask", each, size) for size in _draw_large(draw))]
        for each in (first, second, third)
    ]
    ends = [[Step("half-close", first)], [Step("ask", second, draw.randrange(1, 300))], [Step("reset", third)]]
    draw.shuffle(ends)
    last = [next(numbers) for _ in range(3)]  # the kernel has all that they are owed
    deeds = [(Step("open", each, 1), Step("ask", each, 150), Step("half-close", each)) for each in last]
    ends.append(list(interleave(draw, *deeds)))
    between = [step for steps in ends for step in (*steps, SETTLE)]
    readers = [Step("read", each) for each in (first, second, *last)]
    return [*interleave(draw, *begin), SETTLE, *between, *readers, SETTLE]
