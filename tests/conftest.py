"""For all tests: quiet logs; and real guests come last, one test at a time."""

from __future__ import annotations

import logging

import pytest
import structlog

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "xdist_group(name): pytest-xdist runs these tests in one process")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests with real guests share one machine, and some hold it to seconds: nothing runs beside them.

    Folders of tests mark their own first: pytest calls the hooks of deeper folders before this one."""
    for item in items:
        if item.get_closest_marker("real"):
            item.add_marker(pytest.mark.xdist_group("real"))
    items.sort(key=lambda item: item.get_closest_marker("real") is not None)
