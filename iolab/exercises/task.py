"""The task of an exercise as a learner reads it: what is asked, what is left open and what is not, and the limits."""

from iolab.exercises.catalogue import EXERCISES
from iolab.exercises.exercise import Exercise
from iolab.exercises.flaws import FLAWS
from iolab.exercises.grading import GRADE_WAITS_FOR_JUDGE_S
from iolab.exercises.meanings import MEANINGS
from iolab.exercises.properties import chats, crews
from iolab.exercises.properties.naming import JUDGE_WAITS_FOR_WORDS_S, WORDS
from iolab.exercises.properties.scenes import FROZEN
from iolab.exercises.rest import FROZEN_BYTES
from iolab.exercises.sandbox.confined import ANSWER_LOADS_IN_S, LIMITS, MIB, PROCESSES, RESIDENT_BYTES
from iolab.kernel.namespaces import FOLDER_MIB

ONE_THREAD = "The process has one thread, and no other process works for it."
IDLE = "Idle is less than 1 % of a CPU, and fewer than 15 wake-ups a second."
WAITS = "A call with a timeout of 0 looks, and does not wait; `time.sleep` waits, even for 0 s."
HOW_IT_ENDS = (
    "When the judge has seen enough, `listening` becomes readable, and stays so: that wakes whoever waits for it. "
    "A connection that it accepts is a plain `socket.socket`, which blocks until you change that."
)
MEMORY = "Only the growth of the memory is measured, be it of requests read ahead or of replies that are not sent yet."

RULES = {
    "01-threads": (
        "Sockets stay blocking, and without a timeout. `select`, `poll` and `epoll_wait` are not for this exercise.",
        "A thread or a process for each client: either will do, and a pool that clients wait for will not. "
        "Processes are forked: by `os.fork`, or by `multiprocessing.get_context('fork')`.",
    ),
    "02-nonblocking": (
        f"{ONE_THREAD} {WAITS}",
        "So `select` with a timeout of 0 is allowed, and `time.sleep(0)` is not; `os.sched_yield()` is.",
        "It may use a whole CPU: that is the price of this model.",
    ),
    "03-select": (
        f"{ONE_THREAD} It waits in `select.select` and in nothing else: `poll` and `epoll` are other exercises.",
        "`select` sees descriptors below 1,024. Close a connection whose descriptor is not, and serve all others on.",
    ),
    "03-epoll": (
        f"{ONE_THREAD} The listening socket and every connection are registered with one `epoll`, and not with a "
        "second one inside of it. asyncio, trio and `selectors.EpollSelector` wait in such a one, and will do.",
        "You may use EPOLLONESHOT, set a mask to 0, or take a descriptor out for a while, as long as no client and not "
        "`Stopped` goes unnoticed. While you wait for a client to ask, its connection is registered.",
        "Level-triggered: ask for EPOLLOUT only while bytes are owed to that client; a wake-up in vain at its arrival "
        "does no harm. Edge-triggered (EPOLLET): you may ask for it all the time, since it is told once.",
        HOW_IT_ENDS,
        MEMORY,
    ),
    "04-selectors": (
        f"{ONE_THREAD} It waits in `select()` of a class of the module `selectors`; which class is up to you. "
        "Neither `epoll` itself nor asyncio will do.",
        "Register a callback as the `data` of each socket, and call what you are handed. "
        "Ask for EVENT_WRITE only while bytes are owed to that client.",
    ),
    "05-signals": (
        f"{ONE_THREAD} It waits in `sigwaitinfo`, `sigtimedwait`, `pause` or `sigsuspend`. "
        "Not in a `signalfd`: that makes a descriptor of a signal, and the wait is one for readiness again.",
        "Drain each connection in turns: one that is never drained holds up nobody.",
        "`iolab.kernel.signals` and lesson 05 have what the standard library lacks. "
        "At most 16 signals wait in the queue in one of the tests; when it was full, SIGIO arrives instead.",
    ),
    "06-completion": (
        "Receiving and sending on a connection are operations of io_uring or of `aio`, from the first byte to the "
        "last: no `send`, `recv`, `read` or `write` of your own, not as a first try, nor for the rest. Asking the "
        "ring only whether a connection is ready (a poll) is not such an operation, and a thread for each connection "
        "is none.",
        "Either of the two will do; `aio` also where io_uring is allowed. `recv` with MSG_PEEK is a `recv`. What moves "
        "no bytes you may call: `shutdown`, `getsockopt`, `setsockopt`, `ioctl`, `close`.",
        "Accepting is up to you: an operation of the ring; a poll of the listening socket in the ring, and then "
        "`listening.accept()`; or one thread of its own, since `aio` has no accept. Such a thread may wake the ring "
        "by a pipe or a pair of sockets of yours, and these you may read and write as you like. Other threads of yours "
        "may compute, and wait for nothing but one another.",
        "While a send is under way, one receive may be under way on the same connection.",
        "`iolab.kernel.ring`, `iolab.kernel.uring` and `iolab.kernel.aio` may be imported, and so may `ctypes`. What "
        "`MultishotAccept` is told of the listening socket is not always an accept, it may be a poll: hand all of it "
        "to its `connection`.",
        "Each completion of a multishot receive is one of the few receives after which the others have their turns. "
        "A helper thread of `aio` that ends because it has nothing to do is no wake-up.",
        f"{HOW_IT_ENDS} An accept in the ring fails then, with EINVAL.",
        MEMORY,
    ),
    "07-event-loop": (
        f"{ONE_THREAD} It waits in a selector: `select`, `poll`, `epoll_wait` or a class of `selectors`, by itself or "
        f"inside of asyncio or trio. A call with a timeout of 0 looks, and does not wait; `time.sleep` does. {IDLE}",
        "`Loop()` takes no argument. A program may make several loops, and runs one after the other. Its tasks call "
        "these methods by position, and wait by `yield from` what the last four return, which may be any iterable, "
        "made before the task began. They say no bare `yield`, and sleep for no negative time.",
        "`spawn(task)` only takes note of a task: it begins once `run()` comes to it. It may be called before `run()`, "
        "by tasks, and between two runs. `run()` returns when every task has ended, at once if there is none; then it "
        "may be called again.",
        "A task that raises ends alone, whatever the exception (KeyboardInterrupt and GeneratorExit are two, "
        "and `str` and `repr` of one may raise), but for "
        "SystemExit: `run()` raises that very exception at once, by itself or inside of an exception group, whoever "
        "else sleeps or waits, and the loop is not used again. You need not close the other tasks. If you do, they may "
        "wait, spawn, raise, or never end in their `finally`, and `run()` raises the first SystemExit all the same. "
        "(`asyncio.run` waits for tasks that it cancels.) No task of the judge's raises a group with a SystemExit "
        "inside.",
        "`sleep(seconds)` never ends early, and at most 30 ms late on a quiet machine, not counting what other "
        "tasks compute; those due at the same time all end. It takes 0 s and hours alike. Where the `yield from` comes "
        "later than the call, it may count from either.",
        "Every call of `sleep`, `accept`, `recv` and `send` gives the others a turn, even where it need not wait, as "
        "`sleep(0)`; one that raises need not. The others are all tasks that can go on: one that was spawned, one "
        "whose sleep is over, one whose socket is ready. None of them waits for more than ten calls of any other one: "
        "a task whose client always has more to ask holds up nobody. A `send` is one call, however much it sends: it "
        "may go on as long as the kernel takes more.",
        "`accept(listening)` returns the connection alone, not a pair with the address. It goes on after any OSError "
        "of `listening.accept()`, be it EPERM or one that accept(2) takes over from the network, and may rest for 0.1 "
        "s before that. When no descriptor is left, `listening.accept()` closes the connection that it cannot keep, "
        "and raises ConnectionAbortedError: so the socket does not stay readable for it. Nobody closes a listening "
        "socket.",
        "`recv(connection, size)` returns at most `size` bytes, and at least one, as soon as there are any; `b''` at "
        "the end of file, which may arrive together with bytes before it. `send(connection, data)` returns when all "
        "is sent; nobody looks at what it returns. If "
        "`data` is empty, it need not give a turn, and need not look at the connection.",
        "Where the other side has reset the connection, both raise an OSError in the task that asked; `recv` may "
        "return what had arrived before that, or not. Where the connection was closed on this side before, both raise "
        "an OSError or a ValueError in it.",
        "Sockets are stream sockets, TCP or Unix, and non-blocking: the judge's tasks see to that. At any time at most "
        "one task accepts on a socket, at most one receives on a connection, and at most one sends on it; those two "
        "may be different ones. No task closes a connection on which another one waits.",
        "What serves clients are tasks of the judge's on your loop, one for each of up to 200 clients; `respond` is "
        "theirs. Once they have seen enough, `listening.accept()` raises `Stopped`, a kind of SystemExit: let it leave "
        "`run()` like any other.",
        "A client may be silent for as long as it likes, close its sending half, or reset. Keep no more bytes than one "
        "call needs (what it has received may wait while it gives its turn, and a `recv` that waits may have its "
        "buffer of up to 32 KiB): while clients do not read, the memory grows by less than 16 MiB. What Python says "
        "on stderr "
        "of generators that were not run to their end is no error.",
    ),
    "08-chat": (
        "`chat(listening)` is called once. The socket blocks until you change that. Where `listening.accept()` raises "
        "ConnectionAbortedError, that client is gone: go on, for others may wait behind it. `Stopped` ends the chat "
        "within a second, whatever is owed to whom.",
        "A line ends with a line feed, and may come in any pieces. It is bytes: not always UTF-8, at most 256 KiB "
        "(262,144 bytes) before the line feed; nobody says a longer one. (asyncio's streams take 64 KiB unless you say "
        "`limit=`.)",
        "All before the line feed belongs to it, blanks and carriage returns too. "
        "An empty line is passed on as `NAME: `, a colon and a blank. What ends without a line feed is not passed on.",
        "A name is the first line, and like any other line, but that no client has an empty one. Name and lines may "
        "arrive together. "
        "Two clients may have the same name: a line goes to all connections but the one that it came from.",
        "A client that has not sent its name yet hears nothing. Whoever has been welcomed hears all later lines, "
        "and those of one speaker in their order.",
        "A whole line that you have received is passed on, also when its client has left or reset by then. What you "
        "had not received when it reset may be lost, and so may what you had not passed on when a `send` to it failed, "
        "or when you disconnected it. That is what it said itself: what others say goes to all others nevertheless. "
        "(At a reset, asyncio's StreamReader forgets what it holds: read all of that "
        "without an `await` that gives others a turn, or use a protocol.)",
        "A client that closes its sending half has left: one that closes its connection looks no different. Receive "
        "and pass on what it sent before. Close yours then, at once or when `send` has taken what it is owed. One that "
        "never reads it may stay for ever: at the cost of no CPU. What is said after it has left, it may get or miss.",
        "What is owed to a client is what you have for it, its welcome too, and `send` has not taken yet; what the "
        "kernel has taken, be it at once, does not count. A client does not read while `send` takes nothing for it: "
        "so try that "
        "before you take it for one. It still hears, and is still heard, while no more than 1 MiB (1,048,576 bytes) is "
        "owed to it. A line that would make it more may be missed, whole, or you may disconnect the client. "
        "It may get a part of a line only as the last thing before it is disconnected.",
        "The memory grows by less than 16 MiB for each client that does not read, however short the lines are; what "
        "you keep for the others is part of that. A line that you keep once for all of them costs memory once.",
        "Nobody waits for a client that does not read: on a quiet machine, a line reaches all who read within 0.2 s. "
        "With hundreds of clients, or one that talks without end, it takes as long as the server computes, and no "
        "longer.",
        "However much one client says, the others have their turns: receive from it once, 64 KiB at most, and see who "
        "else is ready. (asyncio asks for 256 KiB, and will do: the kernel holds less here.) When you have received, "
        "more of it may be there at once.",
        f"A client may say nothing for as long as it likes. {IDLE} That holds while clients do not read, too.",
        "There are up to 500 clients. To pass a short line on to the others in a chat of 30 may cost 10 times the CPU "
        "that it costs in the course's own chat, whether all of them read, or 20 do not and are owed up to 1 MiB each. "
        "The report says what both cost. The course's makes one `send` for each of the others, and copies nothing of "
        "what is owed already.",
    ),
    "09-prefork": (
        f"`serve(listening, respond, workers)` is called once, in a process with one thread: the first process. "
        f"`workers` is a number from {crews.LEAST} to {crews.MOST}. The socket blocks until you change that, which "
        "changes it for all processes: they share one socket. `respond` is as in the other exercises, bytes in and "
        "bytes out: call it with what one receive brings.",
        "The first process forks the workers, by `os.fork` or `multiprocessing.get_context('fork')`, at once and not "
        "when a client comes. It starts no thread: a child could inherit a lock that is held. There are exactly "
        "`workers` processes beside it, however many clients there are; only after a death there may be fewer for a "
        "moment.",
        "Workers accept for themselves, from `listening`. The first process accepts nobody and serves nobody: clients "
        "are served even while it is stopped (SIGSTOP).",
        "A worker may serve one client to its end and then accept the next, or many at once; what it does inside, with "
        "threads or without, is up to you. So there are never more clients that stay than workers. More may "
        "connect at once, ask and end: drain the backlog, for nobody else may come to wake you. A worker that has "
        "many lets none of them wait for one that does not read, or that always asks.",
        f"While a worker is in `respond`, which may take {crews.LONG_MS / 1000:g} s, a client that connects is served "
        "by another one that is idle. A worker with a thread in `respond` counts as busy: "
        "no other thread of it waits for those who connect.",
        f"When all workers are idle, a client that connects wakes {crews.AWAKE} of them at most, in most cases: one, "
        "and perhaps one more that takes its turn to accept. Processes are counted, not wake-ups.",
        "A client that closes its sending half gets all that it is owed, and then the end of file. One that resets its "
        "connection, or leaves while it is owed bytes, ends no worker, and nor does the number of clients or requests.",
        "A worker may be killed (SIGKILL), with clients or without; several at once, or all. Its own clients are lost, "
        "and nobody else's. The first process reaps it, and has another one in its place within "
        f"{crews.REPLACED_WITHIN_S:.0f} s.",
        "Where workers die as soon as they are born, again and again, each place is filled at most "
        f"{crews.BIRTHS_PER_S} times a second, the first birth included. When that is over, all are there within "
        f"{crews.REPLACED_WITHIN_S:.0f} s.",
        "A connection is open in one process, and no other one has a copy. However many workers have died, and clients "
        "have left: the number of descriptors does not grow with the number of deaths.",
        f"{IDLE} That is for all processes together, also while clients are silent.",
        "`Stopped` is raised by `accept` in any process that calls it. The first process, which accepts nobody, can "
        "ask the socket: where `select.poll` has `listening` registered for no event at all (0), it says POLLHUP once "
        "that was shut down; then it may call `accept`. `serve` must end without an error; how a worker exits is free. "
        "A worker in `recv` hears of nothing; `serve` ends all the same, within a second, and by "
        "then no worker is left. You may send signals to processes that you started, and to no others: to each by its "
        "number, or by its pidfd, and to no group.",
    ),
    "10-xray": (
        "`calls` is a list of `Call`, in the order in which they began. What a call lacks is None, or empty.\n"
        "  - `process`, `thread` and `name`: who called what;\n"
        '  - `descriptor`: what the call is on, and `kind`: what that is, "listening", "connection", "epoll", '
        '"io_uring", "pipe", "pair" (of sockets) or "other";\n'
        "  - `peer`: the client's port, the same for as long as a connection lasts; of an `accept4`, that of the new "
        "connection;\n"
        "  - `watched`: a dict from each descriptor that a `select`, `poll` or `epoll_ctl` names to its kind;\n"
        '  - `flags`: a tuple of the constants among the arguments, such as "EPOLLIN";\n'
        '  - `result`, and `error`, such as "EAGAIN";\n'
        "  - `start_s` and `took_s`: when it began, and how long it took under strace.",
        "Look before you write. `iolab.course.mystery(1)` to `mystery(5)` are five servers without their names. "
        "`mystery(1).calls` is a trace of the first. `with mystery(1).run() as server:` starts it as a process, and "
        "says its PID and port: `server.trace()` has it asked, and returns its calls; `server.wait()` leaves it "
        "running for a `strace -f -p PID` in a terminal, until you interrupt the kernel. "
        '`mystery(1).is_it("select")` says whether that is so, and how one sees it.',
        '`iolab.course.calls_of("epoll")` is a trace whose server you know. It takes each of the words below, and '
        'servers of the world such as "Redis". The judge has others of the same servers.',
        "Ask first who receives from clients, and since when that one was there. Only where it is one thread, ask "
        "what it waits in. Return one of these words:\n"
        + "\n".join(f"  - `{word}`: {what}" for word, what in WORDS.items()),
        "Each trace is a part of a recording under strace. It has at least three connections from their accept on, "
        "and whatever else the server did meanwhile; threads and processes that serve nobody may be there too. "
        "(With `io_uring` no accept shows: the kernel does that, too.) Processes, threads, descriptors and ports "
        "have other numbers each time. Calls for locks, files, clocks and memory are left out. A library may call "
        "`pselect6`, `ppoll` or `epoll_pwait`, which are `select`, `poll` and `epoll_wait` with one argument more.",
        "Up to 20 traces are named in one process, each by a call of your function, within "
        f"{JUDGE_WAITS_FOR_WORDS_S:.0f} s for all together. A receive is any of `read`, `readv`, `recvfrom`, `recvmsg` "
        "and the like.",
    ),
}
"""What the sentence of each exercise leaves open, answered."""

ENDS = (
    "`listening` is a listening socket. Once the judge has seen enough, `listening.accept()` raises `Stopped`, a kind "
    "of SystemExit: let it end your function, by itself or inside of an exception group. You may catch it to clean up, "
    "and then return or raise it again. In another thread it ends that thread alone, without a word: have that thread "
    "hand it to your function."
)

RESTS = f" {IDLE[:-1]}: a wait may have a time-out that is long enough for that."
AND_RESTS = ", and the server is idle when nobody asks"
"""What the rules say besides of a server that has to be idle when nobody asks."""

OF_SERVERS = (
    ENDS,
    "Whatever clients there are then, silent, slow, owed bytes, or waiting since descriptors have run out: the "
    "function ends within a second. Threads that go on after it do no harm.",
    "`respond` turns bytes that were received (`bytes`, `bytearray` or a `memoryview`) into those of the reply; how "
    "many at once is up to you. It returns `bytes`, from 1 to 100 for each byte that it was given, so no reply is "
    "empty; `b''` is no request, and nothing is due to it.",
    "However much one client asks, the others have their turns: receive once from it, or a few times (ten at most), "
    "and see who else is ready.",
    "A client that closes its sending half gets all that it is owed, and then the end of file. What `send` has taken, "
    "the kernel delivers by itself: close, and do not wait for it.",
    "A client may be silent, or read nothing, for as long as it likes: it is not disconnected for that, nor to make "
    "room for another one.{RESTS}",
    f"While clients do not read, up to {FROZEN} at once, the memory grows by less than {FROZEN_BYTES // MIB} MiB in "
    "all, where replies are as long as requests. Stop reading from a client while you owe it bytes; up to 64 KiB that "
    "you have read ahead of each are no fault. The buffers of the kernel are as small as the judge made them: "
    "SO_SNDBUF and SO_RCVBUF do nothing.",
    "When descriptors run out, `listening.accept()` closes the connection that it cannot keep, and raises "
    "ConnectionAbortedError: go on. Whoever accepts in another way gets EMFILE. Then clients may be turned away or "
    "wait, while the others are served{AND_RESTS}; when others leave, those who wait are served.",
)

OF_CLIENTS = (
    "`address` is a pair of host and port, and only that port can be connected to. Return True or False itself: "
    "nothing else is a verdict. It has 8 s, and is asked many times, about right and flawed servers in any order.",
)


def write_task(exercise: Exercise) -> str:
    """Return the text above the answer's cell, in Markdown."""
    parts = [f"# Exercise {exercise.name}", exercise.asks, _list(_choose_rules(exercise))]
    parts += ["The judge runs your answer in a process of its own, and looks at it from outside for these properties:"]
    parts += [_write_table(exercise), _write_limits(exercise)]
    return "\n\n".join(parts)


def _choose_rules(exercise: Exercise) -> tuple[str, ...]:
    if exercise.name in FLAWS:
        return OF_CLIENTS
    rests = any(each.name == "idle" for each in exercise.properties)
    of_servers = [
        rule.replace("{RESTS}", RESTS * rests).replace("{AND_RESTS}", AND_RESTS * rests) for rule in OF_SERVERS
    ]
    more = {"serve": (ENDS,) if exercise.program else of_servers, "chat": (ENDS,)}
    return (*RULES.get(exercise.name, ()), *more.get(exercise.entry, ()))


def _fill_in(rests: bool) -> tuple[str, ...]:
    """Return the rules of servers, with what is asked of one that rests or without it."""
    filled = (rule.replace("{RESTS}", RESTS * rests) for rule in OF_SERVERS)
    return tuple(rule.replace("{AND_RESTS}", AND_RESTS * rests) for rule in filled)


def _list(rules: tuple[str, ...]) -> str:
    return "\n".join(f"- {rule}" for rule in rules)


def _write_table(exercise: Exercise) -> str:
    if exercise.name in FLAWS:
        rows = [f"| {each.name} | {each.points} |" for each in exercise.properties]
        return "\n".join(["| property | points |", "|---|---|", *rows])
    rows = [f"| {each.name} | {MEANINGS.get(each.name, '')} | {each.points} |" for each in exercise.properties]
    return "\n".join(["| property | what it means | points |", "|---|---|---|", *rows])


def _write_limits(exercise: Exercise) -> str:
    what = "your answer" if exercise.begin else f"`{exercise.entry}({exercise.parameters})`"
    limits = LIMITS | (chats.LIMITS if exercise.entry == "chat" else {})
    return (
        f"Write {what} into the cell below. It may use helper functions, in the same cell or in others, and any "
        "package that is installed. It can read Python, its packages and `iolab`, but not the course's servers; "
        f"write up to {FOLDER_MIB} MiB into the folder that it starts in, and connect nowhere else. "
        f"Its imports and all else at the top level have {ANSWER_LOADS_IN_S:.0f} s, a process "
        f"{limits['RLIMIT_CPU']} s of CPU and {limits['RLIMIT_NOFILE']:,} descriptors, all together {PROCESSES} "
        f"processes (threads do not count) and {RESIDENT_BYTES // MIB:,} MiB, "
        f"the judge {GRADE_WAITS_FOR_JUDGE_S:.0f} s for everything."
    )


TASKS = {name: write_task(exercise) for name, exercise in EXERCISES.items()}
"""All tasks by name."""
