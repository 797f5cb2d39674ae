"""Properties of a server that has several processes: who accepts, who holds whom, and what becomes of one that dies.

Theory of operation

A model of the crew is kept beside the server: which clients are there, and which worker holds each (the kernel knows:
the inode of its connection, in the descriptors of a process). Drawn acts are played on both: clients come, ask and go
in every way, and workers are killed. After each act the model says who must still be answered, who is gone, and how
many processes there are. But for a burst whose clients ask once and end, at
most as many clients are there at once as workers, so that one that serves a
single client at a time is as right as one that serves many.

Nothing here is measured by a clock but idleness and how often the dying are replaced. That a worker is busy, that one
died, that another one is there, is waited for; where it is in vain is for `Patience` to say. That one who is busy
accepts counts where the reply that it was busy with has not come by then.

Workers that die at birth are made by a hook of `os.fork` (`PROGRAM`). The judge turns it on, and reads how often it
struck, by an option of the listening socket, which all processes share and no server here needs.
"""

import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from statistics import median

from iolab.exercises.exercise import Look, Property
from iolab.exercises.peers import Patience, Peer, Violated, expect_clean_exit
from iolab.exercises.properties.faults import Greedy, connect_slow_reader
from iolab.exercises.properties.wire import ask_line, draw_line
from iolab.exercises.rest import count_wakes_of, expect_idle, read_links
from iolab.exercises.sandbox import watch
from iolab.exercises.trial import Trial

PROGRAM = """
def build(workers):
    def run(listening, respond):
        import os
        from socket import IPPROTO_TCP, TCP_KEEPIDLE, TCP_KEEPINTVL

        def die_if_ill():
            if listening.getsockopt(IPPROTO_TCP, TCP_KEEPINTVL) == 1:
                births = listening.getsockopt(IPPROTO_TCP, TCP_KEEPIDLE)
                listening.setsockopt(IPPROTO_TCP, TCP_KEEPIDLE, births + 1)
                os._exit(1)

        os.register_at_fork(after_in_child=die_if_ill)
        serve(listening, respond, workers)

    return run
"""
"""Calls the learner's function with a number of workers, and has those die at birth that are born while the judge asks
for it: by TCP_KEEPINTVL of the listening socket, whose TCP_KEEPIDLE counts them. Without SO_KEEPALIVE both do nothing.
"""

ILL, WELL = 1, 75

LEAST, MOST = 2, 8
REPLACED_WITHIN_S, CREW_WAITS_S = 1.0, 4.0
"""What the task says, and how long is waited for it: one whose first process looks around is never seen to rest."""

VISITORS = 24
PACE_MS, ROUNDS = 300, 3
"""What a call of `respond` takes where every worker is to have one, and how often that is tried."""

LOOKS, TOLERATED, LONG_MS = 3, 1, 1_000
"""How often clients come while one worker is in `respond` and the others idle, how often that one may take one, and
what a call of `respond` takes there: long enough for a busy machine to see who accepted before it was over."""

TURNS = 3
"""How often each worker may have a client in that time: it may wait with several threads."""

VISITORS, REQUESTS, AT_ONCE = 720, 240, 12
"""Short clients that a crew serves one after the other, each of whom asks once, and requests of one that stays."""

COMERS, AWAKE = 9, 2
"""Clients that connect while all sleep, and workers that may wake for each: who accepts next may need a lock."""

ALL_REPLACED_WITHIN_S = 1.4
"""The second that the task gives, and what a busy machine adds."""

ACTS, LARGE_BYTES = 24, 5_000
ILL_S, BIRTHS_PER_S = 1.0, 10
DEATHS = 4
"""How often all workers are killed where what that leaves behind is counted."""


class Crew:
    """What the judge knows of a server with workers: their processes, and the clients of each."""

    def __init__(self, trial: Trial, size: int, stack: ExitStack) -> None:
        self.trial, self.size, self._stack = trial, size, stack
        self.clients: dict[Peer, int] = {}

    def list_workers(self) -> set[int]:
        """Return the processes that it has beside the first."""
        return {each for each in watch.list_family(self.trial.pid)[1:] if not watch.is_ending(each)}

    def expect_full(self, when: str, gone: Iterable[int] = ()) -> set[int]:
        """Return the workers, once there are as many as there should be. Raise Violated if that is in vain."""
        patience = Patience(self.trial, 2 * REPLACED_WITHIN_S)
        while True:
            processes, workers = set(watch.list_family(self.trial.pid)[1:]), self.list_workers()
            if len(workers) == self.size and processes == workers and workers.isdisjoint(gone):
                return workers
            if patience.over():
                raise Violated(f"{self._describe(processes, workers)} {when}; {patience.why()}")
            time.sleep(0.005)

    def _describe(self, processes: set[int], workers: set[int]) -> str:
        if len(workers) == self.size:
            return f"{len(processes - workers)} workers had died and were never reaped (`os.waitpid`)"
        return f"{len(workers)} of {self.size} workers were there"

    def expect_same(self, before: set[int], when: str) -> None:
        """Raise Violated unless the same workers are there, and no others."""
        if ended := before - self.expect_full(when):
            raise Violated(f"{len(ended)} of {self.size} workers had ended {when}; {self._tell_deaths()}")

    def _tell_deaths(self) -> str:
        return "; ".join(self.trial.list_words()[:1]) or "they ended without an error"

    def rest(self) -> None:
        """Wait until no process does anything; half a second for those that always do."""
        before, end_s = self.trial.read_motion(), time.monotonic() + 0.5
        while time.monotonic() < end_s:
            time.sleep(0.01)
            now = self.trial.read_motion()
            if now and now == before:
                return
            before = now

    def come(self, who: str = "a client that connected", *, narrow: bool = False) -> Peer:
        """Bring a client, who asks and is answered, and find out whose it is."""
        peer = self._stack.enter_context(Peer(self.trial, narrow=narrow))
        ask_line(self.trial, peer, who)
        self.clients[peer] = self.find_holder(peer)
        return peer

    def find_holder(self, peer: Peer) -> int:
        """Return the worker that has the connection of a client. Raise Violated if it is not one worker alone."""
        holders = self.list_holders(peer)
        if self.trial.pid in holders:
            raise Violated("the first process holds the connection of a client; it should serve nobody")
        if len(holders) != 1:
            raise Violated(
                f"{len(holders)} processes hold the connection of a client that was answered, in place of one worker: "
                "close in each what is another one's, or its client does not see it closed"
            )
        return holders[0]

    def list_holders(self, peer: Peer) -> list[int]:
        """Return the processes that have the connection of a client."""
        inode = _find_inode(self.trial.address[1], peer.connection.getsockname()[1])
        return [each for each in watch.list_family(self.trial.pid) if f"socket:[{inode}]" in read_links(each)]

    def wait_for_holders(self, peer: Peer) -> list[int]:
        """Return the processes that have the connection of a client, once there are any, or waiting is in vain."""
        patience = Patience(self.trial)
        while not (holders := self.list_holders(peer)) and not patience.over():
            time.sleep(0.002)
        return holders

    def leave(self, peer: Peer) -> None:
        """Have a client go, in a way that is drawn: in four of them it is still owed a reply."""
        self.clients.pop(peer)
        match self.trial.draw.choice(("close", "reset", "half-close", "ask, half-close", "ask, close", "ask, reset")):
            case "half-close" | "ask, half-close" as how:
                request = self.trial.draw.randbytes(100) * how.startswith("ask")
                peer.send(request)
                peer.half_close()
                peer.expect(self.trial.due(request), "a client that had closed its sending half")
                peer.expect_end("a client that had closed its sending half")
            case how:
                if how.startswith("ask"):
                    peer.send(self.trial.draw.randbytes(LARGE_BYTES))
                peer.reset() if how.endswith("reset") else peer.connection.close()

    def kill(self, workers: Iterable[int], when: str) -> None:
        """Kill workers, and expect that others come in their place and that nobody but their clients is gone."""
        gone = set(workers)
        for each in gone:
            end(each)
        self.expect_full(when, gone)
        self.clients = {peer: holder for peer, holder in self.clients.items() if holder not in gone}
        for peer in self.clients:
            ask_line(self.trial, peer, "the client of a worker that lived on when another one was killed")


def end(worker: int) -> None:
    """Kill a worker, if it has not ended by itself since it was listed."""
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)


def staff(check: Callable[[Crew], str], size: tuple[int, int] = (LEAST, MOST), **options: int) -> Look:
    """Return a look at a server with a number of workers that is drawn."""

    def look(answer: str, entry: str, draw: random.Random) -> str:
        count = draw.randint(*size)
        with Trial(f"{answer}\nserve = build({count})\n", entry, draw, **options) as trial, ExitStack() as stack:  # type: ignore[arg-type]
            trial.patience_s = CREW_WAITS_S
            return check(Crew(trial, count, stack))

    return look


def demand(
    name: str, points: int, *checks: Callable[[Crew], str], size: tuple[int, int] = (LEAST, MOST), **options: int
) -> Property:
    """Return a property of a server with workers, looked for by one check after the other."""
    return combine(name, points, *(staff(check, size, **options) for check in checks))


def combine(name: str, points: int, *looks: Look) -> Property:
    """Return a property that is looked for in several ways; the last look says what was seen."""
    return Property(name, points, lambda *case: [look(*case) for look in looks][-1])


def check_crew(crew: Crew) -> str:
    """Have as many workers as asked for, who accept for themselves."""
    trial, before = crew.trial, crew.expect_full("before the first client came")
    if (count := len(watch.list_threads(trial.pid))) > 1:
        raise Violated(f"the first process has {count} threads, and forks: a child may inherit a lock that is held")
    with trial.pause():
        clients = [crew.come("a client that came while the first process was stopped") for _ in range(crew.size)]
        for peer in trial.draw.sample(clients, len(clients)):
            ask_line(trial, peer, "a client that asked while the first process was stopped")
    crew.expect_same(before, f"when {crew.size} clients were there")
    return f"{crew.size} workers served {crew.size} clients while the first process was stopped"


def check_spread(crew: Crew) -> str:
    """Have an idle worker serve a client that comes while others compute."""
    crew.expect_full("before the first client came")
    counts = []
    for _ in range(ROUNDS):
        counts.append(_occupy(crew))
        if counts[-1] == crew.size:
            return f"{crew.size} clients were served by {crew.size} workers at the same time"
    raise Violated(
        f"{crew.size} clients asked one after the other, each while all before it were being answered; "
        f"{max(counts)} of {crew.size} workers served them"
    )


def check_busy_worker(crew: Crew) -> str:
    """Have a worker with a thread in `respond` leave those who connect to the others."""
    crew.expect_full("before the first client came")
    taken = sum(_is_taken_by_busy(crew) for _ in range(LOOKS))
    if taken > TOLERATED:
        raise Violated(
            f"{taken} times out of {LOOKS}, a worker that was in `respond` accepted a client, though the other "
            f"{crew.size - 1} of {crew.size} workers were idle; one with a thread in `respond` counts as busy, and "
            "should not wait for clients"
        )
    return f"clients that came while one of {crew.size} workers was in `respond` were accepted by others"


def _is_taken_by_busy(crew: Crew) -> bool:
    """Bring clients while one worker is in `respond`, one by one; say whether it accepts one before its reply is there.

    A kernel that wakes who has waited longest (`accept(2)`) comes to the busy one when each of the others had a client.
    """
    crew.rest()
    line, is_taken = draw_line(crew.trial), False
    with Peer(crew.trial) as first:
        first.send(line)
        holders = _wait_until_busy(crew, first)
        for _ in range(TURNS * crew.size):
            with Peer(crew.trial) as late:
                takers = crew.wait_for_holders(late)
                is_taken = is_taken or (bool(holders) and takers == holders and not first.has_something())
                late.half_close()
                late.expect_end("a client that had closed its sending half")
            if is_taken or first.has_something():
                break
            crew.rest()  # all but one are idle again
        first.expect(crew.trial.due(line), "a client that asked while all other workers were idle")
        first.half_close()
        first.expect_end("a client that had closed its sending half")
    return is_taken


def check_busy_burst(crew: Crew) -> str:
    """Serve all who came while every worker was in `respond`, though nobody comes after them."""
    crew.expect_full("before the first client came")
    _occupy(crew, 2 * crew.size)
    return f"{2 * crew.size} clients that came while all workers were in `respond` were served, with nobody after them"


def _wait_until_busy(crew: Crew, peer: Peer) -> list[int]:
    """Wait until the worker of a client is in `respond`, and return it; an empty list if that is in vain."""
    end_s = time.monotonic() + 2 * LONG_MS / 1000
    while not any(map(_is_busy, here := crew.list_holders(peer))) and time.monotonic() < end_s:
        time.sleep(0.002)
    return here


def _occupy(crew: Crew, late: int = 0) -> int:
    """Bring a client for each worker, each when the worker of the one before it is busy; return how many workers.

    One that is seen to be busy is stopped, so that it stays so for as long as the judge takes to bring the others,
    and late ones after them, who ask once.
    """
    holders: set[int] = set()
    line, peers = draw_line(crew.trial), []
    with ExitStack() as stack:
        with ExitStack() as stops:
            for _ in range(crew.size):
                peers.append(stack.enter_context(Peer(crew.trial)))
                peers[-1].send(line)
                here = _wait_until_busy(crew, peers[-1])
                for each in here:
                    stops.enter_context(crew.trial.pause(each))
                holders.update(here)
            for _ in range(late):
                peers.append(stack.enter_context(Peer(crew.trial)))
                peers[-1].send(line)
            for peer in peers if late else ():
                peer.half_close()
        for peer in peers:
            peer.expect(crew.trial.due(line), "a client that asked while others were being answered")
    return len(holders)


def _is_busy(pid: int) -> bool:
    return any(call and call.name == "sleep" for call in watch.list_calls(pid))  # as `respond` does here


def check_clients(crew: Crew) -> str:
    """Serve clients that come, ask and go in any order, and lose no worker by it."""
    before = crew.expect_full("before the first client came")
    _reset_in_backlog(crew)
    came = _burst(crew)
    for _ in range(ACTS):
        came += _act(crew)
    for peer in list(crew.clients):
        crew.leave(peer)
    came += _receive_visitors(crew)
    crew.expect_same(before, f"when {came} clients had come and gone")
    return f"{came} clients came, asked and went in every way, and all {crew.size} workers lived on"


def _reset_in_backlog(crew: Crew) -> None:
    """Have clients connect and reset before any worker can accept them."""
    with ExitStack() as stops:
        for each in crew.list_workers():
            stops.enter_context(crew.trial.pause(each))
        for _ in range(crew.size):
            with Peer(crew.trial) as peer:
                peer.reset()


def _burst(crew: Crew) -> int:
    """Have twice as many clients as workers lie in the backlog, each of whom asks and ends; return how many."""
    count, line = 2 * crew.size, draw_line(crew.trial)
    with ExitStack() as stack:
        with ExitStack() as stops:
            for each in crew.list_workers():
                stops.enter_context(crew.trial.pause(each))
            peers = [stack.enter_context(Peer(crew.trial)) for _ in range(count)]
            for peer in peers:
                peer.send(line)
                peer.half_close()
        who = f"one of {count} clients that came to {crew.size} workers at once"
        for peer in peers:
            peer.expect(crew.trial.due(line), who)
            peer.expect_end(f"{who}, and had closed its sending half")
    return count


def _receive_visitors(crew: Crew) -> int:
    """Have many clients come, a few at once, who ask once, and one that asks often; return how many they were."""
    line, who = draw_line(crew.trial), f"one of {VISITORS} clients that asked once and left"
    for _ in range(VISITORS // AT_ONCE):
        with ExitStack() as stack:
            peers = [stack.enter_context(Peer(crew.trial)) for _ in range(AT_ONCE)]
            for peer in peers:
                peer.send(line)
                peer.half_close()
            for peer in peers:
                peer.expect(crew.trial.due(line), who)
    with Peer(crew.trial) as peer:
        for _ in range(REQUESTS):
            peer.ask(line, f"a client that asked {REQUESTS} times")
    return VISITORS + 1


def _act(crew: Crew) -> int:
    """Play an act that is drawn, and return how many clients came."""
    draw, clients = crew.trial.draw, list(crew.clients)
    match draw.choice(("come", "come", "ask", "leave")):
        case "ask" if clients:
            request = draw.randbytes(draw.randrange(1, LARGE_BYTES))
            draw.choice(clients).ask(request, f"one of {len(clients)} clients")
        case "leave" if clients:
            crew.leave(draw.choice(clients))
        case _ if len(clients) < crew.size:
            crew.come(f"a client that came to {len(clients)} others, of whom some had gone before")
            return 1
    return 0


def check_others(crew: Crew) -> str:
    """Answer others while a client does not read, those of the same worker before all."""
    crew.expect_full("before the first client came")
    for _ in range(crew.size):
        crew.rest()  # all are idle again: whoever is first in the kernel's queue gets this one, too
        crew.come(narrow=True)
    workers = list(crew.clients.values())
    slow, *others = sorted(crew.clients, key=lambda peer: workers.count(crew.clients[peer]), reverse=True)
    request = crew.trial.draw.randbytes(LARGE_BYTES)
    slow.send(request)
    time.sleep(0.1)
    for peer in others:
        ask_line(crew.trial, peer, "a client that asked while another one was not reading its reply")
    slow.expect(crew.trial.due(request)[:1000], "the slow reader, which began to read at last,")
    return f"{len(others)} others were answered while a client did not read its reply"


def check_turns(crew: Crew) -> str:
    """Answer those of the same worker while one client always has more to ask."""
    crew.expect_full("before the first client came")
    for _ in range(crew.size - 1):
        crew.rest()
        crew.come()
    crew.rest()
    with Greedy(crew.trial) as greedy:
        holders = crew.wait_for_holders(greedy.peer)
        for peer, holder in crew.clients.items():
            if holder in holders:
                greedy.expect_turn_of(peer, draw_line(crew.trial), "a client of the same worker")
            else:
                ask_line(crew.trial, peer, "a client that asked while another one always had more to ask")
    return f"{crew.size - 1} others were answered while a client always had more to ask"


def check_wakes(crew: Crew) -> str:
    """Wake one worker for a client that connects, or two."""
    crew.expect_full("before the first client came")
    for _ in range(crew.size):  # a worker may wait in another way when it has served somebody
        crew.come()
    while crew.clients:
        crew.clients.popitem()[0].connection.close()
    counts = [_count_woken(crew) for _ in range(COMERS)]
    if (count := median(counts)) > AWAKE:
        raise Violated(
            f"{count:.0f} of {crew.size} idle workers woke for one client that connected; {AWAKE} are enough "
            "(EPOLLEXCLUSIVE, a blocking `accept`, or one worker at a time)"
        )
    return f"{count:.0f} of {crew.size} idle workers woke for one client that connected"


def _count_woken(crew: Crew) -> int:
    crew.rest()
    workers = crew.list_workers()
    before = {each: count_wakes_of(each) for each in workers}
    with Peer(crew.trial) as peer:
        crew.wait_for_holders(peer)
        crew.rest()
        woken = sum(count_wakes_of(each) > before[each] for each in workers)
        ask_line(crew.trial, peer)
    return woken


def check_idle(crew: Crew) -> str:
    """Use next to no CPU before clients come, while they are silent, and when they have gone."""
    crew.expect_full("before the first client came")
    expect_idle(crew.trial, "before the first client came")
    clients = [crew.come() for _ in range(crew.size)]
    crew.rest()
    expect_idle(crew.trial, f"while {crew.size} clients were silent")
    for peer in clients:
        peer.connection.close()
    crew.rest()
    expect_idle(crew.trial, "when all clients had gone")
    return "less than 1 % of a CPU while nobody asked"


def check_deaths(crew: Crew) -> str:
    """Replace workers that are killed, one, some and all of them, and serve on."""
    draw, deaths = crew.trial.draw, 0
    crew.expect_full("before the first client came")
    for count in (1, draw.randint(1, crew.size - 1), crew.size):
        while len(crew.clients) < crew.size:
            crew.come("a client that came when killed workers had been replaced" if deaths else "a client")
        while count == crew.size and crew.clients:  # all of them idle: one may have its turn to accept
            crew.leave(next(iter(crew.clients)))
        crew.rest()
        victims = draw.sample(sorted(crew.list_workers()), count)
        crew.kill(victims, f"when {count} of {crew.size} had been killed")
        deaths += count
    for _ in range(crew.size):
        crew.come("a client that came when all workers had been killed and replaced")
    return f"{deaths} workers were killed, and others served in their place"


def check_heirs(crew: Crew) -> str:
    """Serve on, whichever idle worker is killed: one of them may have its turn to accept, or the lock for it."""
    elders = crew.expect_full("before the first client came")
    while here := sorted(elders & crew.list_workers()):
        crew.rest()
        victim = _draw_odd_one(crew, here)
        elders.discard(victim)
        crew.kill([victim], f"when one of {crew.size} idle workers had been killed")
        for _ in range(crew.size):
            crew.come("a client that came when an idle worker had been killed and replaced")
        while crew.clients:
            crew.leave(next(iter(crew.clients)))
    return f"each of {crew.size} idle workers was killed, one after the other, and others served in their place"


def _draw_odd_one(crew: Crew, workers: list[int]) -> int:
    """Return a worker that sleeps in another call than most do: who has its turn to accept, where workers take turns.

    One that is killed later may wait with nobody else for the same lock, and harm nobody.
    """
    sleeps = {each: sorted(call.name for call in watch.list_calls(each) if call) for each in workers}
    counts = {each: sum(sleeps[each] == other for other in sleeps.values()) for each in workers}
    return crew.trial.draw.choice([each for each in workers if counts[each] == min(counts.values())])


def check_massacre(crew: Crew) -> str:
    """Replace all workers of a large crew in time; the best of some tries counts, as the machine may be busy."""
    tries: list[float] = []
    for _ in range(ROUNDS):
        workers = crew.expect_full("before all were killed")
        begin_s = time.monotonic()
        crew.kill(workers, f"when all {crew.size} had been killed at once")
        tries.append(time.monotonic() - begin_s)
        if tries[-1] < ALL_REPLACED_WITHIN_S:
            return f"{crew.size} workers were killed at once, and others were there after {tries[-1]:.1f} s"
    raise Violated(
        f"{crew.size} workers were killed at once, and it took {min(tries):.1f} s until all were replaced, "
        f"in place of {REPLACED_WITHIN_S:.0f} s; a pause between births is for one place, not for all"
    )


def check_epidemic(crew: Crew) -> str:
    """Replace workers that die at birth, but not in a tight loop, and serve when that is over."""
    crew.expect_full("before the first client came")
    listening = crew.trial.listening
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, ILL)
    for each in crew.list_workers():
        end(each)
    begin_s = time.monotonic()
    time.sleep(ILL_S)
    births = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) - 1
    seconds = time.monotonic() - begin_s
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, WELL)
    if births > 2 * BIRTHS_PER_S * crew.size * seconds:
        raise Violated(
            f"when workers died at birth, {births / seconds:.0f} were started in a second in place of {crew.size}; "
            "let some time pass before the same place is filled again"
        )
    crew.expect_full("when workers had died at birth for a while, and no longer did")
    for _ in range(crew.size):
        crew.come("a client that came when workers no longer died at birth")
    return f"{births} workers died at birth within {seconds:.0f} s, and then {crew.size} served"


def check_descriptors(crew: Crew) -> str:
    """Keep no descriptor of workers that died, or of clients that went."""
    when, killed, counts = "when all had been killed", 0, []
    workers = crew.expect_full("before the first client came")
    _expect_closed(crew, workers)
    crew.kill(workers, when)
    for _ in range(2):
        crew.rest()
        counts.append(watch.count_descriptors(crew.trial.pid))
        for _ in range(DEATHS if len(counts) == 1 else 0):
            clients = [crew.come() for _ in range(crew.size)]
            crew.leave(clients[0])
            killed += crew.size
            crew.kill(crew.list_workers(), when)
    # multiprocessing has each child inherit the pipes of those forked before, two of each: that ends with them.
    if (more := counts[1] - counts[0]) >= killed:
        raise Violated(f"{killed} workers were killed and replaced, and {more} descriptors were never closed")
    return f"{killed} workers were killed and replaced, and no descriptor was left"


def _expect_closed(crew: Crew, workers: set[int]) -> None:
    """Have clients come and go, and expect that their workers keep no descriptor of them."""
    held = []
    for count in (VISITORS // 4, VISITORS):  # a worker may open something of its own for its first clients
        for _ in range(count):
            crew.leave(crew.come())
        crew.rest()
        held.append(sum(map(watch.count_descriptors, workers)))
    if (more := held[1] - held[0]) > VISITORS // 4:
        raise Violated(f"{VISITORS} clients came and left, and their workers have {more} descriptors more than before")


def check_quiet_end(crew: Crew) -> str:
    """End when the listening socket is shut down while nobody is there."""
    return _end(crew, crew.expect_full("before the first client came"))


def check_end(crew: Crew) -> str:
    """End when the listening socket is shut down while every worker has a client, silent or not reading."""
    workers = crew.expect_full("before the first client came")
    with connect_slow_reader(crew.trial):
        for _ in range(crew.size - 1):
            crew.come()
        return _end(crew, workers)


def check_end_after_death(crew: Crew) -> str:
    """End when the listening socket is shut down before a worker that died is replaced."""
    workers = crew.expect_full("before the first client came")
    victim = min(workers)
    end(victim)
    time.sleep(crew.trial.draw.uniform(0.05, 0.1))
    return _end(crew, (workers | crew.list_workers()) - {victim})


def _end(crew: Crew, workers: set[int]) -> str:
    crew.trial.listening.stop()
    expect_clean_exit(crew.trial, "serve")
    end_s = time.monotonic() + REPLACED_WITHIN_S
    while left := [each for each in workers if watch.list_threads(each) and not watch.is_ending(each)]:
        if time.monotonic() > end_s:
            raise Violated(f"`serve` had ended, and {len(left)} of {crew.size} workers went on")
        time.sleep(0.01)
    return f"the listening socket was shut down, and the server ended with its {crew.size} workers"


def _find_inode(port: int, peer_port: int) -> str:
    """Return the inode of a connection on the server's side; 0 if nobody accepted it (`proc_net_tcp(5)`)."""
    ports = [f"{each:04X}" for each in (port, peer_port)]
    rows = (line.split() for line in watch.read("/proc/thread-self/net/tcp").splitlines()[1:])
    return next((row[9] for row in rows if [each.rpartition(":")[2] for each in row[1:3]] == ports), "0")
