"""What a set's model says about count and place, in the words of the plan; and where a proximity group stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.control.proximity import proximity_zone
from orchestrator.control.specs import AddressSpaces
from orchestrator.control.wishes import Wishes
from orchestrator.model.addresses import AddressSpace
from orchestrator.model.arm.scale_set import parse_scale_set
from orchestrator.model.arm.write_only import split_secrets
from orchestrator.model.instance import Instance
from orchestrator.model.scale_set import ScaleSet
from orchestrator.model.sizes import SizeCatalogue
from orchestrator.plan.inputs import SetWish
from orchestrator.store import Seal, Store, make_engine
from orchestrator.store.tables import metadata
from tests.simulation.story import REPAIRING, body
from tests.unit.plan.tables import row

SPACE = AddressSpace("fabric", "10.90.0.0/16", "10.90.1.0", "10.90.15.255")
GROUP = {"proximityPlacementGroup": {"id": "/providers/Microsoft.Compute/proximityPlacementGroups/Near"}}


@pytest.fixture
def store() -> Iterator[Store]:
    engine = make_engine("sqlite://")
    metadata.create_all(engine)
    made = Store(engine, Seal(b"q" * 43 + b"="))
    yield made
    made.close()


def _record(store: Store, number: int = 1, zones: str = "", **properties: Any) -> ScaleSet:
    content = {**body(2, **REPAIRING, **properties), "zones": list(zones)}
    resource = parse_scale_set(content, name=f"s{number}")
    public, secrets = split_secrets(resource.to_json())
    uid = f"{number:012x}"
    record = ScaleSet(uid, "s", "g", f"s{number}", "local", public, secrets, changed_at=5.0, rebalanced_at=4.0)
    with store.write() as tx:
        tx.add_scale_set(record)
    return record


def _wish(store: Store, record: ScaleSet) -> SetWish:
    wishes = Wishes(store, SizeCatalogue(), AddressSpaces([SPACE]))
    return wishes.placed(record, wishes.wish(record, []))


def _stand(store: Store, uid: str, *zones: str, **changes: Any) -> None:
    rows: list[Instance] = []
    for zone in zones:
        number = len(store.instances()) + len(rows)
        address = {"address": f"10.90.1.{number}", "mac": f"02:00:00:00:00:{number:02x}"}
        rows.append(row(number, set_uid=uid, zone=zone, **address, **changes))
    with store.write() as tx:
        tx.add_instances(rows)


@pytest.mark.parametrize(
    ("properties", "zones", "wanted"),
    [
        ({}, "", {}),
        ({"overprovision": True}, "", {"is_overprovisioned": True}),
        (
            {"overprovision": True, "doNotRunExtensionsOnOverprovisionedVMs": True},
            "",
            {"is_overprovisioned": True, "runs_extensions_on_trial": False},
        ),
        ({"singlePlacementGroup": True}, "", {"has_single_placement_group": True}),
        ({"zoneBalance": True}, "12", {"zones": ("1", "2"), "is_zone_balance_strict": True}),
        (
            {"resiliencyPolicy": {"automaticZoneRebalancingPolicy": {"enabled": True}}},
            "12",
            {"zones": ("1", "2"), "rebalances_zones": True},
        ),
        ({"hostGroup": {"id": "/providers/Microsoft.Compute/hostGroups/Gold"}}, "", {"host_group": "gold"}),
        (GROUP, "", {"has_proximity_group": True}),
        ({"platformFaultDomainCount": 3}, "", {"fault_domain_count": 3}),
    ],
)
def test_each_property_of_placing_reaches_the_plan(
    store: Store, properties: dict[str, Any], zones: str, wanted: dict[str, Any]
) -> None:
    plain = replace(_wish(store, _record(store)), uid="", name="", extensions={}, sizes={}, differences={})
    found = _wish(store, _record(store, 2, zones, **properties))
    assert replace(found, uid="", name="", extensions={}, sizes={}, differences={}) == replace(plain, **wanted)
    assert (found.changed_at, found.rebalanced_at) == (5.0, 4.0)


def test_suspending_the_service_ends_rebalancing(store: Store) -> None:
    record = _record(store, 1, "12", resiliencyPolicy={"automaticZoneRebalancingPolicy": {"enabled": True}})
    assert _wish(store, record).rebalances_zones
    assert not _wish(store, record.but(is_rebalance_suspended=True)).rebalances_zones


def test_a_proximity_group_stands_where_most_of_all_its_sets_instances_do(store: Store) -> None:
    first, second = _record(store, 1, **GROUP), _record(store, 2, **GROUP)
    other = _record(store, 3)
    assert _wish(store, first).proximity_zone is None, "nobody stands anywhere"
    _stand(store, other.uid, "3", "3", "3")
    _stand(store, first.uid, "2", "1")
    assert _wish(store, second).proximity_zone == "1", "of zones with equally many the first by name"
    _stand(store, second.uid, "2")
    assert _wish(store, first).proximity_zone == "2"
    assert _wish(store, other).proximity_zone is None


def test_what_counts_no_longer_holds_no_proximity_group_in_its_zone(store: Store) -> None:
    first = _record(store, 1, **GROUP)
    _stand(store, first.uid, "2", is_gone=True)
    _stand(store, first.uid, "3", lost_at=1.0)
    wishes = Wishes(store, SizeCatalogue(), AddressSpaces([SPACE]))
    assert proximity_zone(store, wishes.resource, "near") is None
