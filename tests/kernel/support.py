"""Scripts in a process of their own: for limits that cannot be taken back, and for what ends a process."""

import os
import subprocess
import sys


def run_script(script: str, *command: str, **environment: str) -> str:
    """Run a script, and return what it printed; it must succeed, with nothing on standard error."""
    done = subprocess.run(
        [*command, sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()
