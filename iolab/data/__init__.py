"""Where the course's data lie, and how the published tables are read.

What this machine measured is written by `iolab.archive`.
"""
