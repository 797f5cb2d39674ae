"""The load client: a process of its own, so that no lock of the server's process slows it.

It imports nothing of iolab, and starts in 20 ms: it runs as the package `client`, so its files
know each other by relative imports. It hears what its work is as one line of JSON on standard input,
connects, says `ready`, and begins on the line `go`, or `go quietly` where nobody wants its progress.
It answers in lines of JSON; the last one names arrays, and their bytes follow it. When its standard
input ends, it stops early and hands back what it has.
"""
