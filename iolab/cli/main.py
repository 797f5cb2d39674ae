"""The command `iolab`, a group: each of its commands is imported when it is called for."""

import importlib
import io
import logging
import sys

import click

from iolab.cli.arguments import Commands

NAMES = (
    "compare", "doctor", "experiment", "grade", "lessons", "load", "record", "serve", "solution", "timeline", "xray",
)  # fmt: skip


class CourseCommands(Commands):
    """The commands by name; each is the function of that name in the module of that name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the help text."""
        return [*super().list_commands(ctx), *NAMES]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command: `iolab serve` should not wait for numpy."""
        if cmd_name not in NAMES:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(f"iolab.cli.commands.{cmd_name}"), cmd_name)
        return command


@click.group(cls=CourseCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="iolab")
def main() -> None:
    """Learn the network I/O models by running them."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without µ gets a question mark
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells at length that it cannot write to HOME
