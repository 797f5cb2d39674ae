"""`iolab serve`: a model as a server, until Ctrl-C."""

import json

import click

from iolab.api import start
from iolab.cli.arguments import json_option
from iolab.kernel.interrupts import InOnePiece


@click.command()
@click.argument("model")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=0, help="Port to listen on.  [default: any free port]")
@click.option("--expose", is_flag=True, help="Let other machines in: allow an address that is not loopback.")
@json_option
def serve(model: str, host: str, port: int, expose: bool, json_: bool) -> None:
    """Run MODEL as a server until Ctrl-C: it answers every request in upper case."""
    with InOnePiece(lambda: start(model, host=host, port=port, expose=expose)) as server:
        bound, number = server.address
        if json_:
            click.echo(json.dumps({"model": model, "host": bound, "port": number}))
        else:
            click.echo(f"{model} listens on {bound}:{number}; press Ctrl-C to stop it")
        # The main thread must sleep in one call: one that runs Python takes the GIL from the server.
        server.wait()
