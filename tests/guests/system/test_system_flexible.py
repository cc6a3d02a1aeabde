"""A Flexible set: its instances are VMs with names of their own, shown, restarted and deleted as such."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bodies import micro_set
from conftest import MakeSet
from system import TestedSet, codes_of, qemus, wait_for

from orchestrator.errors import NotFound
from orchestrator.lab import Lab

Json = dict[str, Any]
UP = {"ProvisioningState/succeeded", "PowerState/running"}


@pytest.fixture(scope="module")
def flexible(make_set: MakeSet) -> TestedSet:
    made = make_set("flex", micro_set(2, orchestrationMode="Flexible"))
    made.wait(made.creation)
    return made


def _machines(flexible: TestedSet) -> dict[str, Json]:
    """The set's VMs as the group lists them, by name."""
    path = f"{flexible.client.path_of_group(flexible.ref.group)}/providers/Microsoft.Compute/virtualMachines"
    found = flexible.client.pages(path, **{"$expand": "instanceView"})
    return {each["name"]: each for each in found}


def _boot_id(flexible: TestedSet, name: str) -> str:
    """The daemon's own login is by address and key, whatever the instance is called."""
    return flexible.run(name, "cat /proc/sys/kernel/random/boot_id").strip()


def test_instances_are_vms_with_names_that_hosts_and_guests_know(flexible: TestedSet, lab: Lab) -> None:
    machines = _machines(flexible)
    assert len(machines) == 2
    assert {guest.domain.partition(".")[0] for guest in qemus(lab)} >= set(machines)
    for name, vm in machines.items():
        assert re.fullmatch(r"flex_[0-9a-f]{8}", name)
        assert codes_of(vm) >= UP
        assert vm["properties"]["virtualMachineScaleSet"]["id"].endswith("/virtualMachineScaleSets/flex")
        view = vm["properties"]["instanceView"]
        assert view["computerName"] == name.replace("_", "")
        assert view["vmAgent"]["statuses"][0]["displayStatus"] == "Ready"
        assert (view["osName"], view["hyperVGeneration"]) == ("micro", "V1")
        assert flexible.run(name, "hostname").strip() == view["computerName"]
    counted = flexible.client.get(flexible.path("instanceView"))["virtualMachine"]["statusesSummary"]
    assert {"code": "PowerState/running", "count": 2} in counted


def test_a_vm_is_restarted_by_its_own_address(flexible: TestedSet) -> None:
    first, second = sorted(_machines(flexible).items())
    before = {name: _boot_id(flexible, name) for name, _ in (first, second)}
    flexible.wait(flexible.client.send("POST", f"{first[1]['id']}/restart"))
    assert _boot_id(flexible, first[0]) != before[first[0]]
    assert _boot_id(flexible, second[0]) == before[second[0]]


def test_a_vm_is_deleted_by_its_own_address_and_the_set_is_smaller(flexible: TestedSet, lab: Lab) -> None:
    first, second = sorted(_machines(flexible).items())
    flexible.wait(flexible.client.send("DELETE", first[1]["id"]))
    assert list(_machines(flexible)) == [second[0]]
    assert flexible.client.get(flexible.path())["sku"]["capacity"] == 1
    with pytest.raises(NotFound):
        flexible.client.get(first[1]["id"])
    wait_for(lambda: not any(each.domain.startswith(first[0]) for each in qemus(lab)), "its guest is gone")
    assert [each["instanceId"] for each in flexible.client.pages(flexible.path("virtualMachines"))] == [second[0]]
