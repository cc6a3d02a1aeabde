"""For all tests: quiet logs, and real guests come last."""

from __future__ import annotations

import logging

import pytest
import structlog
from hypothesis import settings

settings.register_profile("vmss", deadline=None)  # how long one example takes is the machine's affair
settings.load_profile("vmss")
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What fails without guests is known before the first guest starts. Deeper folders mark theirs before this."""
    items.sort(key=lambda item: item.get_closest_marker("real") is not None)
