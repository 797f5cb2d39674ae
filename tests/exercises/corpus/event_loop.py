"""Answers to `07-event-loop`."""

from tests.exercises.corpus.answers import Answer, Swap, right, text, wrong

NAME = "07-event-loop"

HEAP = text("""
    import heapq
    import itertools
    import time
    from collections import deque
    from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector


    class Loop:
        def __init__(self):
            self.ready = deque()
            self.sleeping = []
            self.order = itertools.count()
            self.selector = DefaultSelector()

        def spawn(self, task):
            self.ready.append(task)

        def run(self):
            while self.ready or self.sleeping or self.selector.get_map():
                for _ in range(len(self.ready)):
                    self.step(self.ready.popleft())
                if self.sleeping or self.selector.get_map():
                    self.wait()

        def step(self, task):
            try:
                kind, what = next(task)
            except SystemExit:
                raise
            except BaseException:
                return
            if kind == "sleep":
                heapq.heappush(self.sleeping, (time.monotonic() + what, next(self.order), task))
            else:
                self.watch(what, kind, task)

        def watch(self, sock, event, task):
            try:
                if key := self.selector.get_map().get(sock):
                    self.selector.modify(sock, key.events | event, key.data | {event: task})
                else:
                    self.selector.register(sock, event, {event: task})
            except ValueError:  # it is closed: the task will see
                self.ready.append(task)

        def wait(self):
            pause = max(0, self.sleeping[0][0] - time.monotonic()) if self.sleeping else None
            pause = 0 if self.ready else pause
            for key, events in self.selector.select(pause):
                left = {event: task for event, task in key.data.items() if not event & events}
                self.selector.unregister(key.fileobj)
                if left:
                    self.selector.register(key.fileobj, sum(left), left)
                self.ready += [task for event, task in key.data.items() if event & events]
            while self.sleeping and self.sleeping[0][0] <= time.monotonic():
                self.ready.append(heapq.heappop(self.sleeping)[2])

        def sleep(self, seconds):
            yield "sleep", seconds

        def accept(self, listening):
            while True:
                yield EVENT_READ, listening
                try:
                    return listening.accept()[0]
                except OSError:
                    continue

        def recv(self, connection, size):
            while True:
                yield EVENT_READ, connection
                try:
                    return connection.recv(size)
                except BlockingIOError:
                    continue

        def send(self, connection, data):
            rest = memoryview(data)
            while rest:
                yield EVENT_WRITE, connection
                try:
                    sent = connection.send(rest)
                except BlockingIOError:
                    continue
                rest = rest[sent:]
""")

LISTS = text("""
    import select
    import time


    class Loop:
        def __init__(self):
            self.tasks = []

        def spawn(self, task):
            self.tasks.append((task, None, None))

        def run(self):
            while self.tasks:
                now = time.time()
                readers = [what for _, kind, what in self.tasks if kind == "r"]
                writers = [what for _, kind, what in self.tasks if kind == "w"]
                times = [what for _, kind, what in self.tasks if kind == "t"]
                fresh = any(kind is None for _, kind, _ in self.tasks)
                pause = 0 if fresh else max(0, min(times) - now) if times else None
                readable, writable, _ = select.select(readers, writers, [], pause)
                go = [each for each in self.tasks if self.may_go(each, readable, writable)]
                go.sort(key=lambda each: each[2] if each[1] == "t" else 0)
                self.tasks = [each for each in self.tasks if each not in go]
                for task, _, _ in go:
                    try:
                        self.tasks.append((task, *next(task)))
                    except StopIteration:
                        pass
                    except SystemExit:
                        raise
                    except BaseException as error:
                        print("a task failed:", type(error).__name__)

        def may_go(self, each, readable, writable):
            _, kind, what = each
            if kind == "t":
                return what <= time.time()
            return kind is None or (what in readable if kind == "r" else what in writable)

        def sleep(self, seconds):
            yield "t", time.time() + seconds

        def accept(self, listening):
            yield from self.sleep(0)
            while True:
                try:
                    return listening.accept()[0]
                except BlockingIOError:
                    yield "r", listening
                except OSError:
                    pass

        def recv(self, connection, size):
            yield from self.sleep(0)
            while True:
                try:
                    return connection.recv(size)
                except BlockingIOError:
                    yield "r", connection

        def send(self, connection, data):
            yield from self.sleep(0)
            while data:
                try:
                    data = data[connection.send(data):]
                except BlockingIOError:
                    yield "w", connection
""")

ON_ASYNCIO = text("""
    import asyncio


    class Loop:
        def __init__(self):
            self.loop = asyncio.new_event_loop()
            self.tasks = set()
            self.alive = 0

        def spawn(self, task):
            self.alive += 1
            self.loop.call_soon(self.step, task)

        def end(self):
            self.alive -= 1
            if not self.alive:
                self.loop.stop()

        def step(self, task, waited=None):
            try:
                waiting = self.loop.create_task(next(task))
            except SystemExit:
                raise
            except BaseException:
                return self.end()
            self.tasks.add(waiting)
            waiting.add_done_callback(self.tasks.discard)
            waiting.add_done_callback(lambda _: self.step(task))

        def run(self):
            if self.alive:
                self.loop.run_forever()

        def wait_for(self, awaitable):
            kept = []

            async def keep():
                try:
                    kept.append((await awaitable, None))
                except OSError as error:
                    kept.append((None, error))

            yield keep()
            result, error = kept[0]
            if error:
                raise error
            return result

        def sleep(self, seconds):
            yield from self.wait_for(asyncio.sleep(seconds))

        def accept(self, listening):
            while True:
                try:
                    return (yield from self.wait_for(self.loop.sock_accept(listening)))[0]
                except OSError:
                    continue

        def recv(self, connection, size):
            return (yield from self.wait_for(self.loop.sock_recv(connection, size)))

        def send(self, connection, data):
            yield from self.wait_for(self.loop.sock_sendall(connection, data))
""")


def put(*swaps: Swap) -> str:
    flawed = HEAP
    for before, after in swaps:
        assert before in flawed, before
        flawed = flawed.replace(before, after)
    return flawed


SELECT = "self.selector.select(pause)"

RECEIVE = """\
            try:
                return connection.recv(size)
            except BlockingIOError:
                continue
"""
RECEIVE_ALL = """\
            data = b""
            try:
                while chunk := connection.recv(size):
                    data += chunk
                return b""
            except BlockingIOError:
                return data
"""
SEND = "    def send(self, connection, data):\n"
SEND_LATER = """\
    def send(self, connection, data):
        self.spawn(self.push(connection.dup(), data))
        return
        yield

    def push(self, connection, data):
"""

ANSWERS: list[Answer] = [
    wrong(NAME, "half-close", "forgets what came before the end of file", put((RECEIVE, RECEIVE_ALL))),
    wrong(NAME, "bounded memory", "sends in a task of its own", put((SEND, SEND_LATER))),
    wrong(
        NAME,
        "the model",
        "selects in another thread",
        put(
            ("import heapq\n", "from concurrent.futures import ThreadPoolExecutor\nimport heapq\n"),
            ("DefaultSelector()\n", "DefaultSelector()\n        self.pool = ThreadPoolExecutor(1)\n"),
            (SELECT, "self.pool.submit(self.selector.select, pause).result()"),
        ),
    ),
    wrong(
        NAME,
        "tasks that sleep",
        "sleeps with all its tasks",
        put(('yield "sleep", seconds', "time.sleep(seconds)\n        return\n        yield")),
    ),
    wrong(NAME, "tasks that sleep", "does not sleep", put(('yield "sleep", seconds', 'yield "sleep", 0'))),
    wrong(
        NAME,
        "tasks that sleep",
        "wakes the newest sleeper first",
        put(("time.monotonic() + what, next", "time.monotonic() + 0.9 - what, next")),
    ),
    wrong(
        NAME,
        "tasks that raise",
        "ends with the first exception",
        put(("except BaseException:", "except StopIteration:")),
    ),
    wrong(NAME, "resets", "lets an error of one end all", put(("except BaseException:", "except StopIteration:"))),
    wrong(
        NAME, "a clean end", "takes the end for an exception", put(("except SystemExit:", "except ZeroDivisionError:"))
    ),
    wrong(NAME, "slow reader's bytes", "drops what a send did not take", put(("rest = rest[sent:]", "rest = b''"))),
    wrong(
        NAME,
        "others meanwhile",
        "sends with a call that waits",
        put(
            (
                "sent = connection.send(rest)",
                "connection.setblocking(True), connection.sendall(rest), connection.setblocking(False)\n                sent = len(rest)",
            )
        ),
    ),
    wrong(NAME, "idle", "asks without waiting", put((SELECT, "self.selector.select(0)"))),
    wrong(
        NAME,
        "idle while it owes",
        "tries to send again and again",
        put(("yield EVENT_WRITE, connection", 'yield "sleep", 0')),
    ),
    wrong(NAME, "no sleeps", "looks every 10 ms", put((SELECT, "(time.sleep(0.01), self.selector.select(0))[1]"))),
    wrong(
        NAME,
        "many clients",
        "runs one task to its end",
        put(
            (
                "next(task)",
                "next(task)\n            while kind != 'sleep' and what.fileno() != self.first(what):\n                kind, what = (what.setblocking(True), next(task))[1]",
            ),
            (
                "    def wait(",
                "    def first(self, what):\n        self.number = getattr(self, 'number', what.fileno())\n        return self.number\n\n    def wait(",
            ),
        ),
    ),
    wrong(
        NAME,
        "binary data",
        "receives a line",
        put(("return connection.recv(size)", "return connection.recv(size).strip()")),
    ),
    wrong(
        NAME,
        "megabytes",
        "receives the first kilobytes only",
        put(("return connection.recv(size)", "return connection.recv(size)[:4096]")),
    ),
    wrong(
        NAME,
        "descriptors",
        "takes the end of file for nothing",
        put(("return connection.recv(size)", "if data := connection.recv(size):\n                    return data")),
    ),
    wrong(
        NAME,
        "respond is called",
        "runs no task twice",
        put(("            self.ready += [task", "            _ = [task")),
    ),
    wrong(
        NAME,
        "run returns",
        "waits when nobody is left",
        put(("if self.sleeping or self.selector.get_map():\n                self.wait()", "self.wait()")),
    ),
    wrong(NAME, "run returns", "returns while tasks sleep", put(("self.sleeping or self.selector", "self.selector"))),
    wrong(
        NAME,
        "turns and sleeps",
        "a heap without a tie-breaker",
        put(("next(self.order), task", "task"), ("self.sleeping)[2]", "self.sleeping)[1]")),
    ),
    wrong(
        NAME,
        "turns and sleeps",
        "rounds sleeps up to 100 ms",
        put(("time.monotonic() + what,", "time.monotonic() + -(-what // 0.1) * 0.1,")),
    ),
    wrong(
        NAME,
        "turns and sleeps",
        "a sleep of 0 s does not yield",
        put(('        yield "sleep", seconds', '        if seconds:\n            yield "sleep", seconds')),
    ),
    wrong(
        NAME,
        "turns and sleeps",
        "a sleep of 0 s never wakes",
        put(
            (
                "self.sleeping[0][0] <= time.monotonic()",
                "self.sleeping[0][0] <= time.monotonic() and self.sleeping[0][3]",
            ),
            ("next(self.order), task", "next(self.order), task, what"),
        ),
    ),
    wrong(
        NAME,
        "turns and sleeps",
        "the newest first",
        put(
            ("for _ in range(len(self.ready)):", "while self.ready:"),
            ("self.ready.popleft()", "self.ready.pop()"),
            (
                "            heapq.heappush(self.sleeping, (time",
                "            if not what:\n                return self.ready.append(task)\n"
                "            heapq.heappush(self.sleeping, (time",
            ),
        ),
    ),
    wrong(
        NAME,
        "turns and sleeps",
        "looks every 50 ms while anyone sleeps",
        put(
            (
                "pause = max(0, self.sleeping[0][0] - time.monotonic()) if",
                "pause = min(0.05, max(0, self.sleeping[0][0] - time.monotonic())) if",
            )
        ),
    ),
    wrong(NAME, "recv's size", "receives all there is", put(("connection.recv(size)", "connection.recv(65536)"))),
    wrong(
        NAME,
        "tasks that raise",
        "a KeyError ends the loop",
        put(("except SystemExit:", "except (SystemExit, KeyError):")),
    ),
    wrong(
        NAME,
        "turns and sleeps",
        "accepts without a turn",
        put(
            (
                "        while True:\n            yield EVENT_READ, listening\n            try:\n                return listening.accept()[0]\n",
                "        while True:\n            try:\n                return listening.accept()[0]\n            except BlockingIOError:\n                yield EVENT_READ, listening\n",
            )
        ),
    ),
    wrong(
        NAME,
        "tasks that raise",
        "forgets who uses a closed connection",
        put(
            (
                "        except ValueError:  # it is closed: the task will see\n            self.ready.append(task)",
                "        except ValueError:\n            pass",
            )
        ),
    ),
    wrong(
        NAME,
        "tasks that raise",
        "takes a closed connection for the end of file",
        put(("return connection.recv(size)", "return connection.recv(size) if connection.fileno() >= 0 else b''")),
    ),
    wrong(
        NAME,
        "tasks that raise",
        "ends with an exception group",
        put(("except SystemExit:", "except (SystemExit, BaseExceptionGroup):")),
    ),
    *right(NAME, a_heap_and_a_selector=HEAP, lists_and_select=LISTS, on_asyncio=ON_ASYNCIO),
]
