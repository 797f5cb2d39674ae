"""Profiles, by the environment."""

import pytest

import iolab
from iolab.errors import UsageError
from iolab.settings import PROFILES

pytestmark = pytest.mark.usefixtures("nothing_left")


class TestProfiles:
    def test_quick_is_the_default_and_the_smaller(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("IOLAB_PROFILE", raising=False)
        quick, full = iolab.profile(), PROFILES["full"]
        assert quick.name == "quick"
        assert (quick.seconds, quick.repeats, quick.many) < (full.seconds, full.repeats, full.many)

    def test_another_can_be_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IOLAB_PROFILE", "full")
        assert iolab.profile() == PROFILES["full"]

    def test_one_that_does_not_exist_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("IOLAB_PROFILE", "fast")
        with pytest.raises(UsageError, match="IOLAB_PROFILE is 'fast'; it can be quick or full"):
            iolab.profile()
