"""`python -m iolab` is the command `iolab`."""

from iolab.cli.main import main

main(prog_name="iolab")
