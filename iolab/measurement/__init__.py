"""One server under one load, and what both did; several, compared. Single calls are looked at in `iolab.trace`."""
