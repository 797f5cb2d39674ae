"""The instrument, held against servers of known delay, against strace, and against a client in C."""
