"""Carry the lessons and the data in the wheel: in a checkout they lie beside the package, where they are edited."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = ("data/**/*.*", "docs/glossary.md", "notebooks/[0-9][0-9]_*.ipynb")


class WithLessons(build_py):
    """Build the package, and put the files beside it into `iolab/files`."""

    def run(self) -> None:
        """Copy them; an editable install reads them where they are."""
        super().run()
        if not self.editable_mode:
            for path in (path for pattern in CARRIED for path in sorted(Path().glob(pattern))):
                copy = Path(self.build_lib, "iolab/files", path)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)


setup(cmdclass={"build_py": WithLessons})
