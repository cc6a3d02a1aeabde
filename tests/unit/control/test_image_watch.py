"""Sets that follow their image: when a newer version is there, an upgrade begins by itself, once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.control.image_watch import LOOK_EVERY_S, ImageWatch
from orchestrator.control.specs import AddressSpaces, SimulatedSpecMaker
from orchestrator.control.wishes import Wishes
from orchestrator.errors import ImageError
from orchestrator.model.addresses import AddressSpace
from orchestrator.model.arm.scale_set import ScaleSetResource, parse_scale_set
from orchestrator.model.arm.write_only import split_secrets
from orchestrator.model.rolling_upgrade import RollingStatus, UpgradeReason
from orchestrator.model.scale_set import ScaleSet
from orchestrator.model.sizes import SizeCatalogue
from orchestrator.store import Seal, Store, make_engine
from orchestrator.store.tables import metadata
from tests.unit.plan.tables import row

UID = "a" * 12
FOLLOWING = {"automaticOSUpgradePolicy": {"enableAutomaticOSUpgrade": True}}


class Watched:
    """A set of two instances on image version 1.0.0, and a watch on virtual time."""

    def __init__(self) -> None:
        engine = make_engine("sqlite://")
        metadata.create_all(engine)
        self.store = Store(engine, Seal(b"q" * 43 + b"="))
        sizes = SizeCatalogue()
        spaces = AddressSpaces([AddressSpace("fabric", "10.90.0.0/16", "10.90.1.0", "10.90.1.255")])
        self.maker = SimulatedSpecMaker(self.store.installation, sizes)
        self.time = 1000.0
        self.watch = ImageWatch(self.store, Wishes(self.store, sizes, spaces), self.maker, lambda: self.time)

    def add_set(self, policy: dict[str, Any]) -> None:
        image = {"publisher": "vmss", "offer": "micro", "sku": "1", "version": "latest"}
        profile = {"osProfile": {}, "storageProfile": {"imageReference": image}}
        properties = {"upgradePolicy": policy, "virtualMachineProfile": profile}
        body = {"location": "local", "sku": {"name": "Lab_Micro", "capacity": 2}, "properties": properties}
        parsed = parse_scale_set(body, name="web").to_json()
        with self.store.write() as tx:
            tx.add_scale_set(ScaleSet(UID, "sub", "rg", "web", "local", *split_secrets(parsed)))
            tx.add_instances(row(number, image_version="1.0.0") for number in range(2))

    def look(self, after_s: float = LOOK_EVERY_S) -> None:
        self.time += after_s
        self.watch.look(UID)

    @property
    def begun(self) -> list[tuple[str | None, str]]:
        return [(each.image_version, each.started_by) for each in self.store.rolling_upgrades(UID)]


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.store.close()


def test_a_newer_version_begins_an_upgrade_and_says_why(watched: Watched) -> None:
    watched.add_set(FOLLOWING)
    watched.look()
    assert watched.begun == [], "nobody is behind"
    watched.maker.newest_image = "1.0.1"
    watched.look()
    [upgrade] = watched.store.rolling_upgrades(UID)
    assert (upgrade.reason, upgrade.image_version) == (UpgradeReason.OS_IMAGE, "1.0.1")
    assert (upgrade.started_by, upgrade.is_running) == ("Platform", True)
    [event] = watched.store.events()
    assert "image version 1.0.1 is there, and 2 instances stand on 1.0.0" in event.reason


def test_a_version_is_tried_once_and_the_next_one_again(watched: Watched) -> None:
    watched.add_set(FOLLOWING)
    for newest in ("1.0.1", "1.0.2"):
        watched.maker.newest_image = newest
        watched.look()
        watched.look()
        [latest, *_] = watched.store.rolling_upgrades(UID)
        with watched.store.write() as tx:
            tx.put_rolling_upgrade(latest.but(status=RollingStatus.FAULTED, ended_at=watched.time))
        watched.look()
    assert watched.begun == [("1.0.2", "Platform"), ("1.0.1", "Platform")]


@pytest.mark.parametrize("policy", [{}, {"mode": "Automatic"}])
def test_a_set_that_does_not_follow_its_image_is_left_alone(watched: Watched, policy: dict[str, Any]) -> None:
    watched.add_set(policy)
    watched.maker.newest_image = "1.0.1"
    watched.look()
    assert watched.begun == []
    assert watched.watch.longest_pause_s(UID, 30.0) == 30.0


def test_the_catalogue_is_asked_every_ten_seconds_and_no_oftener(watched: Watched) -> None:
    watched.add_set(FOLLOWING)
    watched.look()
    watched.maker.newest_image = "1.0.1"
    watched.look(after_s=LOOK_EVERY_S / 2)
    assert watched.begun == []
    assert watched.watch.longest_pause_s(UID, 30.0) == LOOK_EVERY_S, "the set's loop comes back in time"
    watched.look(after_s=LOOK_EVERY_S / 2)
    assert len(watched.begun) == 1


def test_an_image_that_cannot_be_looked_at_stops_nothing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_resource: ScaleSetResource) -> str:
        raise ImageError("There is no image 'micro' in the catalogue.")

    watched.add_set(FOLLOWING)
    monkeypatch.setattr(watched.maker, "image_version", fail)
    watched.look()
    assert watched.begun == []


def test_a_set_that_is_going_is_not_upgraded(watched: Watched) -> None:
    watched.add_set(FOLLOWING)
    watched.maker.newest_image = "1.0.1"
    with watched.store.write() as tx:
        tx.update_set_fields(UID, is_deleting=True)
    watched.look()
    assert watched.begun == []
