"""The load client: a process of its own, so that no lock of the server's process slows it.

It imports nothing of iolab, and starts in 20 ms: it runs as the package `client`, so its files
know each other by relative imports. It is told its work as one line of JSON on standard input,
connects, says `ready`, and begins on the line `go`, or `go quietly` where nobody wants its progress.
It answers in lines of JSON; the last one names arrays, and their bytes follow it. The end of its
standard input makes it stop early and hand back what it has.
"""
