"""Run a command without io_uring, as in a container: `python tools/without_io_uring.py COMMAND...`."""

import os
import sys

from iolab.kernel.confinement import IO_URING_SETUP, refuse


def main() -> None:
    command = sys.argv[1:]
    if not command:
        sys.exit("usage: python tools/without_io_uring.py COMMAND...")
    try:
        refuse(IO_URING_SETUP)
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
