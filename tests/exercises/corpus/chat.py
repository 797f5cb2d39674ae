"""Answers to `08-chat`."""

from iolab.exercises.properties.chats import REFERENCE
from tests.exercises.corpus.answers import Answer, Swap, end_with_a_message, right, text, wrong

NAME = "08-chat"
COURSE = REFERENCE.read_text(encoding="utf-8")

STREAMS = text("""
    import asyncio


    def chat(listening):
        members = {}

        async def talk(reader, writer):
            name = None
            try:
                while (line := await reader.readline()).endswith(b"\\n"):
                    line = line[:-1]
                    if name is None:
                        name = line
                        members[writer] = name
                        writer.write(b"welcome " + name + b"\\n")
                        continue
                    for other in list(members):
                        if other is writer:
                            continue
                        if other.transport.get_write_buffer_size() > 1 << 20:
                            members.pop(other, None)
                            other.transport.abort()
                        else:
                            other.write(name + b": " + line + b"\\n")
            except OSError:
                pass
            finally:
                members.pop(writer, None)
                writer.close()

        async def main():
            listening.setblocking(False)
            while True:
                try:
                    connection = (await asyncio.get_running_loop().sock_accept(listening))[0]
                except OSError:
                    continue
                reader, writer = await asyncio.open_connection(sock=connection, limit=1 << 20)
                talks.add(talking := asyncio.create_task(talk(reader, writer)))
                talking.add_done_callback(talks.discard)

        talks = set()
        asyncio.run(main())
""")

THREADS = text("""
    import threading
    from collections import deque


    class Member:
        def __init__(self, connection):
            self.connection = connection
            self.news = threading.Condition()
            self.lines, self.size = deque(), 0
            self.gone = False

        def tell(self, line):
            with self.news:
                if self.size > 2_000_000:
                    self.lines.clear()
                    self.size = 0
                self.lines.append(line)
                self.size += len(line)
                self.news.notify()

        def write(self):
            while True:
                with self.news:
                    while not self.lines and not self.gone:
                        self.news.wait()
                    if self.gone:
                        return
                    said = b"".join(self.lines)
                    self.lines.clear()
                    self.size = 0
                try:
                    self.connection.sendall(said)
                except OSError:
                    return

        def leave(self):
            with self.news:
                self.gone = True
                self.news.notify()


    def chat(listening):
        members = []
        lock = threading.Lock()

        def talk(connection):
            member = Member(connection)
            writer = threading.Thread(target=member.write, daemon=True)
            writer.start()
            name, begun = None, b""
            try:
                while came := connection.recv(65536):
                    *whole, begun = (begun + came).split(b"\\n")
                    for line in whole:
                        if name is None:
                            name = line
                            member.tell(b"welcome " + name + b"\\n")
                            with lock:
                                members.append(member)
                        else:
                            with lock:
                                others = [each for each in members if each is not member]
                            for other in others:
                                other.tell(name + b": " + line + b"\\n")
            except OSError:
                pass
            finally:
                with lock:
                    if member in members:
                        members.remove(member)
                member.leave()
                writer.join(1)
                connection.close()

        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                continue
            threading.Thread(target=talk, args=(connection,), daemon=True).start()
""")


def put(*swaps: Swap) -> str:
    flawed = COURSE
    for before, after in swaps:
        assert before in flawed, before
        flawed = flawed.replace(before, after)
    return flawed


ANSWERS: list[Answer] = [
    wrong(NAME, "lines are passed on", "nothing yet", "def chat(listening):\n    pass\n"),
    wrong(NAME, "lines are passed on", "says it to the speaker too", put((" and number != speaker", ""))),
    wrong(NAME, "lines are passed on", "says no names", put(('member.name + b": " + line', "line"))),
    wrong(
        NAME,
        "whole lines",
        "takes what it received for a line",
        put(('*whole, self.partial = (self.partial + data).split(b"\\n")', 'whole = [data.rstrip(b"\\n")]')),
    ),
    wrong(
        NAME,
        "whole lines",
        "decodes what it receives",
        put(("(self.partial + data)", "(self.partial + data.decode().encode())")),
    ),
    wrong(NAME, "whole lines", "forgets the beginning of a line", put(("(self.partial + data)", "data"))),
    wrong(NAME, "a frozen client", "owes without bounds", put(("MOST_BYTES = 1 << 20", "MOST_BYTES = 1 << 40"))),
    wrong(
        NAME,
        "a frozen client",
        "waits for the frozen",
        put(("connection.setblocking(False)\n        self", "connection.setblocking(True)\n        self")),
    ),
    wrong(
        NAME,
        "500 clients",
        "has room for 100",
        put(
            (
                "        self.members[connection.fileno()] = Member",
                "        if len(self.members) >= 100:\n            return connection.close()\n        self.members[connection.fileno()] = Member",
            )
        ),
    ),
    wrong(
        NAME,
        "fairness",
        "reads one client until it pauses",
        put(
            (
                "        data = self.connection.recv(65536)\n",
                '        self.connection.settimeout(0.01)\n        data, piece = b"", b"x"\n        try:\n            while piece and len(data) < 30_000_000:\n                piece = self.connection.recv(65536)\n                data += piece\n        except TimeoutError:\n            pass\n        self.connection.setblocking(False)\n',
            )
        ),
    ),
    wrong(
        NAME,
        "those who leave",
        "ends with the first who resets",
        put(("except OSError:  # gone, or reset", "except BrokenPipeError:")),
    ),
    wrong(
        NAME,
        "those who leave",
        "keeps those who have left",
        put(
            (
                "        self.interest.unregister(descriptor)\n        self.members.pop(descriptor).connection.close()",
                "        self.interest.unregister(descriptor)\n        self.left.append(self.members.pop(descriptor))",
            ),
            (
                "        self.members: dict[int, Member] = {}",
                "        self.members: dict[int, Member] = {}\n        self.left = []",
            ),
        ),
    ),
    wrong(NAME, "idle", "asks without waiting", put(("interest.poll():", "interest.poll(0):"))),
    wrong(NAME, "a clean end", "ends with a message", end_with_a_message(COURSE, "chat", "listening")),
    wrong(
        NAME,
        "a clean end",
        "swallows what ends it",
        put(("except OSError:  # the peer gave up", "except BaseException:  # the peer gave up")),
    ),
    wrong(
        NAME,
        "CPU per message",
        "copies all that was ever said",
        put(
            (
                "            self.owe(descriptor, news)\n\n",
                "            self.owe(descriptor, news)\n            news = b''.join(bytes([each]) for each in news)\n            self.history.extend(news)\n            sorted(self.history[-2000:])\n\n",
            ),
            (
                "        self.members: dict[int, Member] = {}",
                "        self.members: dict[int, Member] = {}\n        self.history = []",
            ),
        ),
    ),
    wrong(
        NAME,
        "whole lines",
        "takes what comes first for the name",
        put(
            (
                "        *whole, self.partial",
                '        if not self.name:\n            return [data.rstrip(b"\\n")]\n        *whole, self.partial',
            )
        ),
    ),
    wrong(
        NAME,
        "whole lines",
        "loses the lines behind a name",
        put(
            (
                'self.owe(descriptor, b"welcome " + line + b"\\n")',
                'self.owe(descriptor, b"welcome " + line + b"\\n")\n                break',
            )
        ),
    ),
    wrong(NAME, "whole lines", "strips lines", put(('b": " + line +', 'b": " + line.strip() +'))),
    wrong(
        NAME,
        "whole lines",
        "says nothing where a line is empty",
        put(
            (
                "            if member.name:",
                "            if not line:\n                continue\n            if member.name:",
            )
        ),
    ),
    wrong(
        NAME,
        "whole lines",
        "takes names in ASCII only",
        put(("member.name = line", 'member.name = line.decode("ascii").encode()')),
    ),
    wrong(
        NAME,
        "a frozen client",
        "waits half a second for the frozen",
        put(
            ("connection.setblocking(False)\n        self", "connection.settimeout(0.5)\n        self"),
            (
                "        except BlockingIOError:\n            pass\n\n",
                "        except TimeoutError:\n            pass\n\n",
            ),
            ("        if not waits:\n            self.pay", "        if True:\n            self.pay"),
        ),
    ),
    wrong(
        NAME,
        "a frozen client",
        "keeps the frozen that it cuts",
        put(
            (
                "> MOST_BYTES:\n            self.close(descriptor)",
                "> MOST_BYTES:\n            self.interest.unregister(descriptor)\n            self.left.append(self.members.pop(descriptor))",
            ),
            (
                "        self.members: dict[int, Member] = {}",
                "        self.members: dict[int, Member] = {}\n        self.left = []",
            ),
        ),
    ),
    wrong(
        NAME,
        "a frozen client",
        "cuts lines for the frozen",
        put(
            (
                "len(member.unsent) > MOST_BYTES:\n            self.close(descriptor)",
                "len(member.unsent) > MOST_BYTES:\n            del member.unsent[MOST_BYTES:]",
            )
        ),
    ),
    wrong(
        NAME,
        "those who leave",
        "knows clients by their names",
        put(
            (
                "[number for number, member in self.members.items() if member.name and number != speaker]",
                "{member.name: number for number, member in self.members.items() if member.name and number != speaker}.values()",
            ),
            ("        for descriptor in {", "        for descriptor in list({"),
            ("speaker}.values():", "speaker}.values()):"),
        ),
    ),
    wrong(
        NAME,
        "those who leave",
        "spins when one leaves",
        put(
            (
                "        self.interest.unregister(descriptor)\n        self.members.pop(descriptor).connection.close()",
                "        self.left.append(self.members.pop(descriptor))\n        self.left[-1].connection.shutdown(2)",
            ),
            (
                "        self.members: dict[int, Member] = {}",
                "        self.members: dict[int, Member] = {}\n        self.left = []",
            ),
        ),
    ),
    wrong(NAME, "everybody hears", "owes 900 kB at most", put(("MOST_BYTES = 1 << 20", "MOST_BYTES = 900_000"))),
    wrong(
        NAME,
        "everybody hears",
        "takes the longest line for too long while its end is missing",
        put(
            (
                "        return whole",
                "        if len(self.partial) >= 1 << 18:\n            raise ConnectionError\n        return whole",
            )
        ),
    ),
    *right(NAME, the_course=COURSE, streams=STREAMS, threads=THREADS),
]
