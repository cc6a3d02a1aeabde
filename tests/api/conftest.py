from __future__ import annotations

from collections.abc import Iterator

import pytest
from fake_world import World, make_world


@pytest.fixture
def world() -> Iterator[World]:
    made = make_world()
    yield made
    made.store.close()


@pytest.fixture
def populated(world: World) -> World:
    """A set ``web`` of three running instances."""
    assert world.put().status_code == 201
    world.populate()
    world.woken.clear()
    return world
