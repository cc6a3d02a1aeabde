"""The set's model goes back to an older one: capacity, policies and ids of instances are as they are now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrator.control.decide import Decider
from orchestrator.control.specs import AddressSpaces, SimulatedSpecMaker
from orchestrator.control.wishes import Wishes
from orchestrator.model.addresses import AddressSpace
from orchestrator.model.arm.scale_set import parse_scale_set
from orchestrator.model.arm.write_only import join_secrets, split_secrets
from orchestrator.model.instance import Cause, ExtensionState, Stage
from orchestrator.model.scale_set import ScaleSet
from orchestrator.model.sizes import SizeCatalogue
from orchestrator.plan import steps
from orchestrator.plan.inputs import Cost, World
from orchestrator.plan.steps import Plan
from orchestrator.plan.upgrade_cost import difference
from orchestrator.store import Seal, Store, make_engine
from orchestrator.store.tables import metadata

NOW = 1000.0


def _body(command: str, secret: str, size: str = "Lab_Micro", capacity: int = 2, **policies: Any) -> dict[str, Any]:
    def script(name: str, **properties: Any) -> dict[str, Any]:
        kind = {"publisher": "Microsoft.Azure.Extensions", "type": "CustomScript", "typeHandlerVersion": "2.1"}
        return {"name": name, "properties": {**kind, **properties}}

    extensions = [script("page", settings={"timestamp": 1}, protectedSettings={"commandToExecute": secret})]
    os_profile = {"customData": "IyEvYmluL3No"} if command == "one" else {}
    return {
        "location": "local",
        "sku": {"name": size, "capacity": capacity},
        "properties": {
            **policies,
            "virtualMachineProfile": {
                "osProfile": os_profile,
                "storageProfile": {"imageReference": {"publisher": "vmss", "offer": "micro", "sku": "1"}},
                "extensionProfile": {"extensions": extensions},
            },
        },
    }


class Set:
    """One set in a store of its own, written twice, and the part that commits decisions about it."""

    def __init__(self) -> None:
        engine = make_engine("sqlite://")
        metadata.create_all(engine)
        self.store = Store(engine, Seal(b"q" * 43 + b"="))
        sizes = SizeCatalogue()
        spaces = AddressSpaces([AddressSpace("fabric", "10.90.0.0/16", "10.90.1.0", "10.90.1.255")])
        self.wishes = Wishes(self.store, sizes, spaces)
        maker = SimulatedSpecMaker(self.store.installation, sizes)
        self.decider = Decider(self.store, self.wishes, spaces, maker, lambda: NOW)
        first = ScaleSet("0" * 12, "sub", "rg", "web", "local", *self._split(_body("one", "secret one")))
        with self.store.write() as tx:
            tx.add_scale_set(first.but(extension_sequences={"page": 1}))
        automatic = {"upgradePolicy": {"mode": "Automatic"}}
        model, secrets = self._split(_body("two", "secret two", "Lab_Small", 5, **automatic))
        second = self.record.but(
            model=model, secrets=secrets, version=2, model_version=2, extension_sequences={"page": 2}
        )
        with self.store.write() as tx:
            tx.put_scale_set(second)
            tx.put_profile(second)

    @staticmethod
    def _split(body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        return split_secrets(parse_scale_set(body, name="web").to_json())

    @property
    def record(self) -> ScaleSet:
        found = self.store.scale_set("0" * 12)
        assert found is not None
        return found

    def whole(self, version: int) -> dict[str, Any]:
        profile = self.store.profile("0" * 12, version)
        assert profile is not None
        return join_secrets(profile.model, profile.secrets)

    def commit(self, plan: Plan) -> None:
        world = World(tuple(self.store.instances()), {}, {}, NOW)
        self.decider.commit(self.record, world, plan)


@pytest.fixture
def one() -> Iterator[Set]:
    made = Set()
    yield made
    made.store.close()


REVERT = Plan(set_decisions=(steps.RevertSet("model 2 does not get healthy", 1),))


def test_the_profile_and_the_size_go_back_as_a_new_version_with_their_secrets(one: Set) -> None:
    one.commit(REVERT)
    assert (one.record.version, one.record.model_version) == (3, 3)
    assert difference(one.whole(1), one.whole(3)).cost is Cost.NOTHING
    assert (
        one.whole(3)["properties"]["virtualMachineProfile"] == one.whole(1)["properties"]["virtualMachineProfile"]
    )
    assert "secret one" in str(one.record.secrets)
    assert "secret two" not in str(one.record.secrets)


def test_capacity_and_policies_stay_as_they_are_now(one: Set) -> None:
    one.commit(REVERT)
    assert one.record.capacity == 5
    assert one.record.model["properties"]["upgradePolicy"]["mode"] == "Automatic"
    assert one.record.model["sku"]["name"] == "Lab_Micro"


def test_it_is_told_in_the_events(one: Set) -> None:
    one.commit(REVERT)
    assert [(each.kind, each.reason) for each in one.store.events()] == [
        ("revert_model", "model 2 does not get healthy")
    ]


def test_an_extension_that_differs_gets_a_number_that_no_guest_has_run(one: Set) -> None:
    one.commit(REVERT)
    assert one.record.extension_sequences == {"page": 3}


def test_ids_given_in_the_same_plan_are_never_given_again(one: Set) -> None:
    added = steps.AddInstance(0, "it is wanted", "h1", "1", 0, Cause.SCALE)
    one.commit(Plan(decisions=(added,), set_decisions=REVERT.set_decisions))
    assert one.record.next_instance_id == 1
    assert one.record.model_version == 3


def test_an_instance_that_stayed_on_the_old_model_is_brought_along_and_runs_nothing_again(one: Set) -> None:
    one.commit(Plan(decisions=(steps.AddInstance(0, "it is wanted", "h1", "1", 0, Cause.SCALE),)))
    ran = ExtensionState("page", "CustomScript", "2.1", 1, "succeeded", "", NOW)
    [row] = one.store.instances()
    with one.store.write() as tx:
        tx.put_instance(row.but(model_version=1, stage=Stage.READY, extensions={"page": ran}))
    one.commit(REVERT)
    one.commit(Plan(decisions=(steps.ApplyModel(0, "nothing of it differs", 3, Cost.NOTHING),)))
    [row] = one.store.instances()
    assert (row.model_version, row.stage) == (3, Stage.READY)
    assert row.extensions["page"].sequence == one.record.extension_sequences["page"]
