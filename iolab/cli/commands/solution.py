"""`iolab solution`: the solution of an exercise, after asking."""

import click

from iolab.course.solutions import find_solution, is_confirmed


@click.command()
@click.argument("name", metavar="EXERCISE")
@click.option("--yes", is_flag=True, help="Show it without asking.")
def solution(name: str, yes: bool) -> None:
    """Show a solution of EXERCISE, such as 03-epoll; or of a lesson's own exercises, such as 03."""
    text = find_solution(name)
    if yes or is_confirmed(name):
        click.echo(text)
    else:
        raise click.Abort
