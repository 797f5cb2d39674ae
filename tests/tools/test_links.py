"""The links of a clone name the repository that it was made from."""

from pathlib import Path

import pytest

from tools.links import PLACES, fill, repository_of


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/you/iolab.git\n", "you/iolab"),
        ("https://github.com/you/iolab", "you/iolab"),
        ("https://github.com/you/iolab/", "you/iolab"),
        ("https://token@github.com/you/io.lab.git", "you/io.lab"),
        ("git@github.com:you/iolab.git", "you/iolab"),
        ("ssh://git@github.com/you/iolab.git", "you/iolab"),
        ("https://gitlab.com/you/iolab.git", None),
        ("/srv/iolab", None),
        ("", None),
    ],
)
def test_a_repository_is_read_from_each_form_of_its_address(url: str, name: str | None) -> None:
    assert repository_of(url) == name


def test_every_link_is_filled_in_once_and_the_text_that_speaks_of_it_stays(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for place in PLACES:
        (tmp_path / place).write_text("https://mybinder.org/v2/gh/OWNER/REPOSITORY/HEAD `OWNER/REPOSITORY`")
    assert fill(tmp_path, "you/iolab") == list(PLACES)
    text = "https://mybinder.org/v2/gh/you/iolab/HEAD `OWNER/REPOSITORY`"
    assert {(tmp_path / place).read_text() for place in PLACES} == {text}
    fill(tmp_path, "others/iolab")
    assert (tmp_path / "README.md").read_text() == text
