"""Bodies of Microsoft.Network with one part of them broken: a clear answer each time, and nothing half made."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.az_network import NETWORK, SS1, set_body
from tests.api.fake_world import World

ODD: tuple[Any, ...] = (None, "", "x", -1, True, [], [None], {}, {"id": "/x"}, [{"name": "x"}], "\x00")


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a body."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths_in(inner, (*path, key))


def broken(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    made = copy.deepcopy(body)
    place = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return made


@pytest.mark.parametrize("at", range(len(NETWORK)), ids=[path.rsplit("/", 2)[1] for path, _ in NETWORK])
def test_a_broken_body_is_answered_clearly_and_what_is_there_can_be_put_back(world: World, at: int) -> None:
    for path, body in NETWORK:
        world.put(path, body)
    path, body = NETWORK[at]
    for place in paths_in(body):
        for value in ODD:
            answer = world.put(path, broken(body, place, value))
            assert answer.status_code < 500, (place, value, answer.text)
            if answer.status_code >= 400:
                assert answer.json()["error"]["code"], (place, value)
    shown = world.get(path)
    assert world.put(path, shown).json() == shown


def test_a_broken_network_profile_is_answered_clearly(world: World) -> None:
    for path, body in NETWORK:
        world.put(path, body)
    world.put(SS1, set_body())
    base = ("properties", "virtualMachineProfile", "networkProfile")
    for place in paths_in(set_body()):
        for value in ODD if place[:3] == base and len(place) > 3 else ():
            answer = world.put(SS1, broken(set_body(), place, value))
            assert answer.status_code < 500, (place, value, answer.text)
    assert world.put(SS1, world.get(SS1)).status_code == 200
