# lacks those who leave: asyncio streams, one await for each line, and a turn (sleep(0)) after each of them for fairness.
# WRONG: asyncio streams, one await for each line, and a turn (sleep(0)) after each of them for fairness.
# Breaks "A whole line that you have received is passed on, also when its client has left or reset by then" (the text warns of it:
# "At a reset, asyncio's StreamReader forgets what it holds"): of 300 lines in one packet, followed by a reset, the others hear a few.
import asyncio

LIMIT = 1 << 20


class Room:
    def __init__(self):
        self.writers = []

    def broadcast(self, sender, text):
        for writer in self.writers[:]:
            if writer is not sender:
                self.say(writer, text)

    def say(self, writer, text):
        t = writer.transport
        if t.is_closing():
            return
        held = t.get_write_buffer_size()
        if held and held + len(text) > LIMIT:
            return
        writer.write(text)

    async def attend(self, reader, writer):
        try:
            name = (await reader.readuntil(b"\n"))[:-1]
            self.say(writer, b"welcome " + name + b"\n")
            self.writers.append(writer)
            while True:
                line = await reader.readuntil(b"\n")
                self.broadcast(writer, name + b": " + line)
                await asyncio.sleep(0)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            if writer in self.writers:
                self.writers.remove(writer)
            writer.close()


def chat(listening):
    async def main():
        room = Room()
        async with await asyncio.start_server(room.attend, sock=listening, limit=262144 + 10):
            await asyncio.get_running_loop().create_future()

    asyncio.run(main())
