"""Microsoft.Network: stored whole, with their children both ways, and shown as Azure shows them."""

from __future__ import annotations

import pytest

from tests.api.az_network import (
    NETWORK,
)
from tests.api.fake_world import World


@pytest.fixture
def network(world: World) -> World:
    """The default network of ``az vmss create``, without a set."""
    for path, body in NETWORK:
        answer = world.put(path, body)
        assert answer.status_code == 201, answer.text
    return world


def test_a_get_put_back_whole_changes_nothing(network: World) -> None:
    for path, _ in NETWORK:
        shown = network.get(path)
        again = network.put(path, shown)
        assert (again.status_code, again.json()) == (200, shown), path
