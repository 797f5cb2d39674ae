"""Answers to 10-xray: functions that name the model of a server by its calls."""

from tests.exercises.corpus.answers import Answer, right, text, wrong

NAME = "10-xray"

BY_STEPS = text("""
    from collections import defaultdict

    RECEIVES = ("read", "readv", "recvfrom", "recvmsg")
    BIRTHS = ("clone", "clone3", "fork", "vfork")


    def name_model(calls):
        accepts = {call.peer: call for call in calls if call.name.startswith("accept") and call.peer}
        births = {call.result: call for call in calls if call.name in BIRTHS and call.result}
        receives = [
            call for call in calls
            if call.name in RECEIVES and call.kind == "connection" and (call.result or 0) > 0 and call.peer in accepts
        ]
        if not receives:
            return "io_uring"
        servers = defaultdict(set)
        for call in receives:
            servers[call.process, call.thread].add(call.peer)
        if len(servers) > 1:
            return name_servers(servers, accepts, births)
        return name_wait([call for call in calls if call.thread == receives[0].thread], len(receives))


    def name_servers(servers, accepts, births):
        several = len({process for process, _ in servers}) > 1
        fresh = [
            thread in births and births[thread].start_s >= accepts[peer].start_s
            for (_, thread), peers in servers.items() for peer in peers
        ]
        if sum(fresh) * 2 > len(fresh):
            return "processes" if several else "threads"
        return "prefork" if several else "pool"


    def name_wait(mine, receives):
        if any(call.name == "rt_sigtimedwait" for call in mine):
            return "signals"
        for call in mine:
            if call.name == "epoll_ctl" and "connection" in call.watched.values() and "EPOLLET" in call.flags:
                return "epoll-edge"
        if any(call.name.startswith("epoll_") for call in mine):
            return "epoll"
        for name in ("select", "poll"):
            if any(name in call.name and len(call.watched) > 1 for call in mine):
                return name
        in_vain = sum(call.error == "EAGAIN" for call in mine)
        return "nonblocking" if in_vain > receives else "blocking"
""")

BY_STATE = text("""
    def name_model(calls):
        watch = Watch()
        for call in calls:
            getattr(watch, "see_" + call.name.rstrip("46").replace("epoll_p", "epoll_"), watch.see)(call)
        return watch.verdict()


    class Watch:
        def __init__(self):
            self.accepted, self.born, self.served = {}, {}, []
            self.waits, self.edges, self.sleeps, self.vain = {}, set(), {}, {}

        def see(self, call):
            self.vain[call.thread] = self.vain.get(call.thread, 0) + (call.error == "EAGAIN")
            if call.name in ("clone", "clone3", "fork", "vfork") and call.result:
                self.born[call.result] = call.start_s

        def see_accept(self, call):
            self.see(call)
            if call.peer is not None:
                self.accepted[call.peer] = call.start_s

        def see_recvfrom(self, call):
            self.see(call)
            if call.peer in self.accepted and call.result and call.result > 0:
                self.served.append(call)

        see_read = see_readv = see_recvmsg = see_recvfrom

        def note(self, call, word):
            self.waits.setdefault(call.thread, []).append(word)

        def see_epoll_ctl(self, call):
            if "connection" in call.watched.values() and "EPOLLET" in call.flags:
                self.edges.add(call.process)

        def see_epoll_wait(self, call):
            self.note(call, "epoll")

        def see_pselect(self, call):
            if len(call.watched) > 1:
                self.note(call, "select")

        see_select = see_pselect

        def see_poll(self, call):
            if len(call.watched) > 1:
                self.note(call, "poll")

        see_ppoll = see_poll

        def see_io_uring_enter(self, call):
            self.note(call, "io_uring")

        def see_rt_sigtimedwait(self, call):
            self.note(call, "signals")

        def verdict(self):
            if not self.served:
                return "io_uring"
            processes = {call.process for call in self.served}
            threads = {call.thread for call in self.served}
            if len(threads) > 1:
                late = [c for c in self.served if self.born.get(c.thread, -1) >= self.accepted[c.peer]]
                if len(late) * 2 > len(self.served):
                    return "threads" if len(processes) == 1 else "processes"
                return "pool" if len(processes) == 1 else "prefork"
            (thread,) = threads
            words = self.waits.get(thread, [])
            if words:
                word = max(set(words), key=words.count)
                return "epoll-edge" if word == "epoll" and processes & self.edges else word
            return "nonblocking" if self.vain.get(thread, 0) > len(self.served) else "blocking"
""")

BY_TABLE = text("""
    from itertools import groupby

    KINDS = {
        "select": "select", "pselect6": "select", "poll": "poll", "ppoll": "poll", "epoll_wait": "epoll",
        "epoll_pwait": "epoll", "epoll_pwait2": "epoll", "rt_sigtimedwait": "signals",
    }


    def name_model(calls):
        rows = [vars_of(call) for call in calls]
        peers = {row["peer"]: number for number, row in enumerate(rows) if row["name"] in ("accept", "accept4") and row["peer"]}
        reads = [
            row for row in rows
            if row["kind"] == "connection" and row["peer"] in peers and row["name"][:4] in ("read", "recv") and (row["result"] or 0) > 0
        ]
        if not reads:
            return "io_uring"
        who = sorted({(row["process"], row["thread"]) for row in reads})
        if len(who) == 1:
            return one(rows, who[0][1], len(reads))
        births = {row["result"]: number for number, row in enumerate(rows) if row["name"] in ("clone", "clone3", "fork", "vfork")}
        first = {row["peer"]: row for row in reversed(reads)}
        made = sum(births.get(row["thread"], -1) > peers[peer] for peer, row in first.items())
        is_one_process = len(list(groupby(who, key=lambda pair: pair[0]))) == 1
        return (("pool", "threads"), ("prefork", "processes"))[not is_one_process][made > len(first) / 2]


    def vars_of(call):
        return {name: getattr(call, name) for name in type(call).__slots__}


    def one(rows, thread, count):
        mine = [row for row in rows if row["thread"] == thread]
        for row in mine:
            kind = KINDS.get(row["name"])
            if kind in ("select", "poll") and len(row["watched"]) < 2:
                continue
            if kind == "epoll":
                return "epoll-edge" if any(is_edge(each) for each in mine) else "epoll"
            if kind:
                return kind
        return "nonblocking" if sum(row["error"] == "EAGAIN" for row in mine) > count else "blocking"


    def is_edge(row):
        return row["name"] == "epoll_ctl" and "EPOLLET" in row["flags"] and list(row["watched"].values()) == ["connection"]
""")


def swap(before: str, after: str) -> str:
    assert before in BY_STEPS, before
    return BY_STEPS.replace(before, after)


def says(what: str) -> str:
    return f"def name_model(calls):\n    {what}\n"


WORDS, WAITS, MODE, WHO, MIDDLE, WORLD = (
    "a word for each trace",
    "what it waits in",
    "level or edge",
    "who serves",
    "from the middle",
    "servers of the world",
)
BIRTHS_OR_NOT = "thread in births and births[thread].start_s >= accepts[peer].start_s"

ANSWERS = [
    *right(NAME, by_steps=BY_STEPS, by_state=BY_STATE, by_table=BY_TABLE),
    wrong(NAME, WORDS, "always says epoll", says('return "epoll"')),
    wrong(NAME, WORDS, "returns nothing", says("pass")),
    wrong(NAME, WORDS, "says it in words of its own", says('return "epoll, level-triggered"')),
    wrong(NAME, WORDS, "never returns", says("while True:\n        pass")),
    wrong(NAME, WORDS, "knows the traces by their hash", says('return {}.get(hash(str(calls)), "threads")')),
    wrong(NAME, WAITS, "takes any EAGAIN for polling", swap("in_vain > receives", "in_vain > 0").replace(
        "def name_wait(mine, receives):", "def name_wait(mine, receives):\n    if any(call.error == 'EAGAIN' for call in mine):\n        return 'nonblocking'")),
    wrong(NAME, WAITS, "knows select by one name alone", swap("name in call.name and", "name == call.name and")),
    wrong(NAME, WAITS, "takes blocking for polling", swap("in_vain > receives", "True")),
    wrong(NAME, WAITS, "does not know signals", swap('"rt_sigtimedwait"', '"sigwaitinfo"')),
    wrong(NAME, MODE, "does not look at EPOLLET", swap('"EPOLLET" in call.flags', "False")),
    wrong(NAME, MODE, "takes every epoll for edge-triggered", swap(' and "EPOLLET" in call.flags', "")),
    wrong(NAME, WHO, "looks at the wait alone", swap("if len(servers) > 1:", "if False:")),
    wrong(NAME, WHO, "takes a pool for a thread each", swap(BIRTHS_OR_NOT, "True")),
    wrong(NAME, WHO, "never looks at births", swap(BIRTHS_OR_NOT, "False")),
    wrong(NAME, WHO, "takes processes for threads", swap("several = len({process for process, _ in servers}) > 1", "several = False")),
    wrong(NAME, WORLD, "counts the threads that are born", swap("if len(servers) > 1:", "if len(births) > 1:")),
    wrong(NAME, MIDDLE, "needs the first accept of the listening socket", swap(
        "    accepts = {", "    if not any(call.name == 'listen' for call in calls):\n        return 'blocking'\n    accepts = {")),
    wrong(NAME, MIDDLE, "needs the birth of a pool", swap(
        'return "prefork" if several else "pool"', 'return "prefork" if several else "pool" if births else "threads"')),
    wrong(NAME, WORLD, "takes a poll of one for multiplexing", swap("len(call.watched) > 1", "True")),
    wrong(NAME, WORLD, "takes any EPOLLET for the connections'", swap('"connection" in call.watched.values() and ', "")),
    wrong(NAME, WORLD, "takes any io_uring_enter for a receive", swap(
        "    if not receives:", "    if any(call.name == 'io_uring_enter' for call in calls):")),
    wrong(NAME, WORLD, "knows recvfrom alone", swap('("read", "readv", "recvfrom", "recvmsg")', '("recvfrom",)')),
    wrong(NAME, WORLD, "knows epoll_wait alone", swap('call.name.startswith("epoll_")', 'call.name == "epoll_wait"')),
    wrong(NAME, WORLD, "counts threads, serving or not", swap("if len(servers) > 1:", "if len({call.thread for call in calls}) > 1:")),
    Answer(NAME, "asks the x-ray", "from iolab.xrays.model import tell\n" + BY_STEPS, at_most=0),
    Answer(NAME, "opens the judge's traces", "from iolab.exercises.recordings import load\nload()\n" + BY_STEPS, at_most=0),
    Answer(NAME, "guesses", "import random\n\n\n" + says(
        'return random.choice("blocking nonblocking select poll epoll epoll-edge signals io_uring threads processes pool prefork".split())'), at_most=1),
]  # fmt: skip
