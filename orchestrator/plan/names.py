"""The names of an installation's zone. Pure.

- ``COMPUTER.internal.ZONE``: every instance, by its host name;
- ``SET.GROUP.ZONE``: the instances of a set that serve;
- ``vmN.LABEL.LOCATION.ZONE``: the public address of an instance whose model has a label;
- ``LABEL.LOCATION.ZONE``: a public address with a label.

Names of sets and groups may hold what no host name can: that is written ``-``. Who shares a name shares its answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from orchestrator.model.network.names import Name

_NOT_IN_A_LABEL = re.compile(r"[^a-z0-9-]+")
_LABEL_MOST = 63


@dataclass(frozen=True, slots=True)
class NamedInstance:
    """``public_label`` is that of its set's model; with ``public_address`` it makes a name."""

    computer_name: str
    set_name: str
    resource_group: str
    number: int
    address: str
    is_serving: bool
    public_address: str | None = None
    public_label: str | None = None


@dataclass(frozen=True, slots=True)
class LabelledAddress:
    label: str
    address: str


def label(text: str) -> str:
    """As much of it as one label of a name can hold; empty for what has nothing that it could."""
    return _NOT_IN_A_LABEL.sub("-", text.lower())[:_LABEL_MOST].strip("-")


def names(
    zone: str, location: str, instances: Iterable[NamedInstance], labelled: Iterable[LabelledAddress]
) -> tuple[Name, ...]:
    """All of them, in a fixed order, each once."""
    found = {Name(f"{each.label}.{location}.{zone}", each.address) for each in labelled}
    for each in instances:
        found |= set(_of_instance(zone, location, each))
    return tuple(sorted(found))


def _of_instance(zone: str, location: str, it: NamedInstance) -> Iterator[Name]:
    if own := label(it.computer_name):
        yield Name(f"{own}.internal.{zone}", it.address)
    of_set, group = label(it.set_name), label(it.resource_group)
    if it.is_serving and of_set and group:
        yield Name(f"{of_set}.{group}.{zone}", it.address)
    if it.public_address and it.public_label:
        yield Name(f"vm{it.number}.{it.public_label}.{location}.{zone}", it.public_address)
