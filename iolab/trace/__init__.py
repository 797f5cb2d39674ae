"""A server's calls, one by one, recorded without a line of tracing in its text.

Whole runs are measured in `iolab.measurement`.
"""
