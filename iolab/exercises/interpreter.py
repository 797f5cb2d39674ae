"""How a process of the judge is started: a Python that takes nothing from its surroundings but this iolab."""

import json
import sys
from pathlib import Path

PACKAGES = str(Path(__file__).parents[2])
"""Where this iolab is; an editable one is in no folder of sys.path."""

START = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from {module} import main; main()"


def build_command(module: str, *arguments: int) -> list[str]:
    """Return the command that calls `main` of a module, which finds the arguments in sys.argv.

    -I and -S: no variable, no user's folder and no sitecustomize may change the judge.
    """
    path = json.dumps([PACKAGES, *(folder for folder in sys.path if folder)])
    return [sys.executable, "-I", "-S", "-c", START.format(module=module), path, *map(str, arguments)]
