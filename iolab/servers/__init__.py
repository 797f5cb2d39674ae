"""The I/O models: one file = one model = one page to read. `iolab.models` has the table of them.

Every file defines `serve(listening, respond)`, which serves in the calling thread
until the listening socket is stopped.
"""
