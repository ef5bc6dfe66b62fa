"""launch leaves sockets and event loops to the garbage collector, whose warnings are not ours."""

import gc
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(pytest.mark.filterwarnings("default"))


def pytest_runtest_teardown() -> None:
    # collected here, so that they do not surface in the test that comes next
    gc.collect()
