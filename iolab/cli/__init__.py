"""The course in a terminal: arguments in, tables or JSON out. Each command is a file of `iolab.cli.commands`."""
