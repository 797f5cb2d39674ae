"""What only a quiet machine can hold, or what takes minutes, is marked `certify` and left out unless asked for."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "certify: minutes of load, or bounds that need a quiet machine (-m certify)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("markexpr"):
        return
    certified = [item for item in items if item.get_closest_marker("certify")]
    config.hook.pytest_deselected(items=certified)
    items[:] = [item for item in items if item not in certified]
