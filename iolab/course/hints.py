"""Three hints for each exercise: what to look at, the idea, and the steps. None of them is the solution."""

_ONE_FLAW_A_CHECK = (
    "Write one function for each flaw, and let `exposes` return True as soon as one of them sees its own. A right "
    "server is one that none of them sees anything in."
)

HINTS: dict[str, tuple[str, str, str]] = {
    "01-break-it": (
        _ONE_FLAW_A_CHECK,
        "For each flaw, think of the client that a right server would answer and this one would not: a second client "
        "while the first is silent; one client that asks for much and does not read, beside another that asks; bytes "
        "that are not UTF-8.",
        "Give every socket a timeout of a second or so, and take `TimeoutError`, a reset and an early end of file for "
        "'no answer'. To fill the buffers of one who does not read, send without blocking until nothing more goes in. "
        "Compare what comes back with `request.upper()`.",
    ),
    "01-threads": (
        "The blocking server is right for one client. What it lacks is somebody who goes back to `accept` while "
        "somebody else waits in `recv`.",
        "Let one thread do nothing but accept, and give each connection a thread of its own that talks to it alone.",
        "Move the loop of `recv` and `sendall` into a function of one connection. After each `accept` start a thread "
        "with it, and do not join it there. Close the connection however that function ends: at the end of file, and "
        "at the OSError of a reset.",
    ),
    "02-break-it": (
        _ONE_FLAW_A_CHECK,
        "A server drops bytes only where a send took a part: the reply must be larger than the buffers, and its reader "
        "slow. A server that ends at a reset is not there any more for whoever comes next.",
        "Ask for some megabytes, wait a little before you read, and count what comes back. For a reset, close a socket "
        "with SO_LINGER set to (1, 0) while a reply is due to it; then connect once more and ask.",
    ),
    "02-nonblocking": (
        "Every call says at once that it has nothing: BlockingIOError. So the server goes round and asks everybody, "
        "again and again.",
        "Keep for each connection what it is still owed. Read from a client only when nothing is owed to it; else try "
        "to send.",
        "In each round: accept who has come, then go through the connections. `send` returns how many bytes it took; "
        "keep the rest as a memoryview. Catch BlockingIOError for one client only, so that the others have their turn, "
        "and any other OSError as the end of that client.",
    ),
    "03-break-it": (
        _ONE_FLAW_A_CHECK,
        "The three flaws show in three moments: after a reset; while one client does not read; and in the length of a "
        "large reply that is read slowly.",
        "For the one who stops all others: let a client ask for megabytes and not read, then ask with a second client "
        "and give it a second to be answered. A right server answers the second while it still owes the first.",
    ),
    "03-epoll": (
        "Start from the text of `iolab.source('select')`: what changes is how the kernel is told what you wait for. It "
        "is told once, and remembers.",
        "Register each connection for EPOLLIN. Ask for EPOLLOUT in its place when a send took only a part, and go back "
        "to EPOLLIN when all is sent: then you never read from a client that you owe.",
        "Keep two dicts by descriptor: the connections, and what is unsent. `modify` changes the interest. Unregister "
        "before you close. Errors of one client (OSError) close that client and no other.",
    ),
    "03-select": (
        "`select` is handed everybody in each call: those to read from, and those to write to. Keep the two lists, or "
        "build them from what you know.",
        "A client that is owed bytes belongs among those to write to, and not among those to read from.",
        "Keep a dict from connection to what is unsent. Call `select(readers, unsent, [])` and handle who comes back. "
        "A descriptor of 1,024 or above makes `select` raise ValueError: close such a connection right after `accept`.",
    ),
    "04-break-it": (
        _ONE_FLAW_A_CHECK,
        "A flaw of one connection must be looked for on another one: who comes after a reset, and who asks while "
        "somebody else does not read? Text shows on one connection alone: send bytes that are not UTF-8.",
        "Send `bytes(range(128, 256))`, and expect its `upper()`. Reset with SO_LINGER (1, 0) while a reply is due. "
        "Give every socket a timeout, and count an early end of file as 'no answer'.",
    ),
    "04-selectors": (
        "The loop knows nothing of servers: it waits in `select()`, and calls `key.data` of whatever is ready.",
        "The callback of the listening socket accepts and registers; that of a connection receives and sends, or goes "
        "on sending. Swap it with `modify` when a send took only a part.",
        "Let each callback take the socket. Bind what is unsent with `functools.partial`, or keep it in a dict. Wrap "
        "the call in `try`: at an OSError unregister and close that connection, unless it is the listening socket.",
    ),
    "05-signals": (
        "A signal says that something changed on a descriptor, once. It does not say how much has come, so read until "
        "`recv` says BlockingIOError.",
        "The queue has room for few. When it was full, SIGIO arrives without a descriptor: then anybody may have "
        "spoken, and you have to ask everybody.",
        "Block both signals before you arm the first socket. Look at a new connection once right after you armed it: "
        "its bytes may have come before. Give each connection a few turns and go on with the next, and keep who is not "
        "drained in a queue: only with that queue empty may you sleep in `sigwaitinfo`.",
    ),
    "06-completion": (
        "You do not ask who is ready: you order a `recv` into a buffer, and learn later that it is done. `user_data`, "
        "or a number of your own, says which order that was.",
        "Keep a table from that number to the connection, what was ordered, and the buffer. Only when its completion "
        "has come may the buffer be dropped or used again.",
        "After an accept completes, order a `recv`. After a `recv` with bytes, order a `send` of the reply; after one "
        "with none, close. After a `send` that took a part, order the rest; after the whole, the next `recv`. An error "
        "closes that connection once nothing is on order for it.",
    ),
    "07-event-loop": (
        "A task is a generator. `send(None)` runs it to its next `yield`, and what it yields says what it waits for: a "
        "time, or a socket to read or to write.",
        "Keep three places for tasks: a queue of those that can run, a heap of those that sleep, a selector for those "
        "that wait for a socket. One round of the loop runs the queue, and then waits.",
        "Wait in the selector until the first sleeper is due, or not at all while the queue holds a task. `recv` tries "
        "first, and yields when BlockingIOError comes, but yields now and then all the same, so that others run. "
        "StopIteration is the end of a task; any other exception but SystemExit ends that task alone.",
    ),
    "08-chat": (
        "Take the server that you trust most, and give each client three things: what has come of its current line, "
        "its name, and what it is owed.",
        "Cut what has come at line feeds. The first line is the name; each later one goes to the queue of all others "
        "that have a name. Sending is then the same for everybody: pay what is owed as the socket takes it.",
        "Bound what a client is owed: at most one MiB waits for it, and beyond that it is disconnected, or misses "
        "whole lines. Serve each client a little at a time, so that a fast speaker keeps nobody waiting.",
    ),
    "09-prefork": (
        "Write one worker first: accept a client, serve it to its end, accept the next, as in lesson 01. Of processes "
        "that block in `accept` on one socket the kernel wakes one. Then fork as many as you need; a child never "
        "returns to the caller: it ends with `os._exit`.",
        "What is left is one loop of the first process, a few times a second: start workers until there are enough, "
        "wait for the end of the socket with a time-out, and ask of each worker whether it has ended: "
        "`os.waitpid(pid, os.WNOHANG)` returns its number, or 0.",
        "The wait is `poll(100)` of a `select.poll` in which `listening` is registered for no event: it returns "
        "something once the socket was shut down. Then, and whatever else ends the loop, kill every worker and wait "
        "for each: `finally` is the place.",
    ),
    "10-xray": (
        "A trace is mostly noise. Begin with the calls that received something from a client: a `recvfrom` or `read` "
        "on a connection with a result above 0. Whose thread is it, and which connections did it receive on?",
        "Several threads or processes received? Then compare two moments for each connection: its accept, and the "
        "`clone` whose result is that thread. One thread? Then only calls of that thread matter: what does it wait in, "
        "and does that wait name connections?",
        "Keep a dict from `peer` to its accept, and one from a thread to its `clone`. Born after the accept: `threads` "
        "or `processes`, by whether `process` is another one; else `pool` or `prefork`. Nobody received: `io_uring`. "
        "For one thread look in this order: `rt_sigtimedwait`; an `epoll_ctl` with EPOLLET whose `watched` has a "
        "connection; any epoll; a `select` or `poll` that watches two or more. Nothing of these: count EAGAIN against "
        "what it received.",
    ),
}
