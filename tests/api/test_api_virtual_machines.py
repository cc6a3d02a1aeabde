"""Flexible orchestration: instances by name, in their set and as VMs by themselves."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fake_world import GROUP, SET, SETS, SUB, V, World, a_set, health_extension, with_extensions
from fastapi.routing import APIRoute

from orchestrator.api import compute_virtual_machines
from orchestrator.api.app import _MODULES as MODULES
from orchestrator.api.compute_instances import VM
from orchestrator.model.health import Health
from orchestrator.model.scale_set import OperationKind
from orchestrator.plan.inputs import Seen, Sight

Json = dict[str, Any]
MACHINES = f"{GROUP}/providers/Microsoft.Compute/virtualMachines"
EVERYWHERE = f"/subscriptions/{SUB}/providers/Microsoft.Compute/virtualMachines"


@pytest.fixture
def flexible(world: World) -> World:
    """A Flexible set ``web`` of three running instances."""
    assert world.put(body=a_set(orchestrationMode="Flexible")).status_code == 201
    world.populate()
    world.woken.clear()
    return world


def names(world: World) -> list[str]:
    return [each["instanceId"] for each in world.get(f"{SET}/virtualMachines")["value"]]


def error(answer: Any) -> Json:
    found: Json = answer.json()["error"]
    return found


# In the set


def test_an_instance_is_called_by_its_set_and_eight_hex_digits(flexible: World) -> None:
    found = flexible.get(f"{SET}/virtualMachines")["value"]
    assert all(re.fullmatch(r"web_[0-9a-f]{8}", each["name"]) for each in found)
    assert len({each["name"] for each in found}) == 3
    for each in found:
        assert each["instanceId"] == each["name"]
        assert each["id"].endswith(f"/virtualMachineScaleSets/web/virtualMachines/{each['name']}")
        assert each["properties"]["virtualMachineResourceId"].endswith(f"/virtualMachines/{each['name']}")
        assert each["properties"]["osProfile"]["computerName"] == each["name"].replace("_", "")


def test_a_name_is_found_in_any_case_and_a_number_is_none(flexible: World) -> None:
    name = names(flexible)[1]
    assert flexible.get(f"{SET}/virtualMachines/{name.upper()}")["instanceId"] == name
    for wrong in ("1", "web_1", "web_1234567", f"other_{name[-8:]}", f"{name}0"):
        answer = flexible.send("GET", f"{SET}/virtualMachines/{wrong}")
        assert (answer.status_code, error(answer)["code"]) == (404, "NotFound")


def test_a_uniform_instance_is_not_found_by_name(populated: World) -> None:
    assert populated.send("GET", f"{SET}/virtualMachines/web_1").status_code == 404
    assert populated.get(MACHINES)["value"] == []
    assert populated.send("GET", f"{MACHINES}/web_1").status_code == 404


def test_verbs_on_the_set_take_names(flexible: World) -> None:
    first, second, _ = names(flexible)
    body = {"instanceIds": [first.upper(), second]}
    assert flexible.send("POST", f"{SET}/restart", body).status_code == 202
    assert [row.restarts_wanted for row in flexible.rows().values()] == [1, 1, 0]


@pytest.mark.parametrize("wrong", ["0", "web_00000000", "x"])
def test_a_name_that_is_not_there_is_named_and_touches_nobody(flexible: World, wrong: str) -> None:
    answer = flexible.send("POST", f"{SET}/restart", {"instanceIds": [names(flexible)[0], wrong]})
    assert (answer.status_code, error(answer)["target"]) == (400, "instanceIds")
    assert wrong in error(answer)["message"]
    assert not any(row.restarts_wanted for row in flexible.rows().values())


def test_the_instance_view_of_a_flexible_set_answers_and_knows_no_update_domains(flexible: World) -> None:
    flexible.change(0, update_domain=3)
    counted = flexible.get(f"{SET}/instanceView")["virtualMachine"]["statusesSummary"]
    assert {"code": "PowerState/running", "count": 3} in counted
    view = flexible.get(f"{SET}/virtualMachines/{names(flexible)[0]}/instanceView")
    assert "platformUpdateDomain" not in view
    assert view["platformFaultDomain"] == 0


def test_plan_and_events_call_instances_by_name(flexible: World) -> None:
    name = names(flexible)[0]
    assert flexible.get(f"{SET}/plan")["steps"][0]["instanceId"] == name
    flexible.send("POST", f"{SET}/virtualMachines/{name}/start")
    assert flexible.get("/providers/Vmss.Local/events")["value"][-1]["instanceId"] == name


# As VMs


def test_instances_are_listed_and_shown_as_vms_of_their_set(flexible: World) -> None:
    for path in (MACHINES, EVERYWHERE):
        found = flexible.get(path)["value"]
        assert [each["name"] for each in found] == names(flexible)
        assert {each["type"] for each in found} == {"Microsoft.Compute/virtualMachines"}
        assert all("instanceView" not in each["properties"] for each in found)
    name = names(flexible)[2]
    shown = flexible.get(f"{MACHINES}/{name}")
    assert shown["id"] == f"{MACHINES}/{name}"
    assert shown["properties"]["virtualMachineScaleSet"]["id"] == SET
    assert shown["properties"]["hardwareProfile"] == {"vmSize": "Lab_Micro"}
    in_set = flexible.get(f"{SET}/virtualMachines/{name}")
    assert shown["properties"]["vmId"] == in_set["properties"]["vmId"]


def test_a_vm_has_the_instances_own_view(flexible: World) -> None:
    name = names(flexible)[0]
    view = flexible.get(f"{SET}/virtualMachines/{name}/instanceView")
    assert flexible.get(f"{MACHINES}/{name}/instanceView") == view
    assert flexible.get(f"{MACHINES}/{name}{V}&$expand=instanceView")["properties"]["instanceView"] == view
    [first, *_] = flexible.get(f"{EVERYWHERE}{V}&statusOnly=true")["value"]
    assert first["properties"]["instanceView"] == view


def test_a_list_of_vms_can_be_one_sets_and_comes_in_pages(world: World) -> None:
    for name in ("web", "other"):
        assert world.put(f"{SETS}/{name}", a_set(orchestrationMode="Flexible")).status_code == 201
    world.populate(300)
    path, found = MACHINES, list[str]()
    while path:
        page = world.get(path)
        found += [each["name"] for each in page["value"]]
        path = page.get("nextLink", "").removeprefix("http://localhost")
    assert sorted(found) == sorted(set(found))
    assert len(found) == 300
    only = f"{MACHINES}{V}&$filter='virtualMachineScaleSet/id' eq"
    assert world.get(f"{only} '{SETS}/OTHER'")["value"] == []
    assert len(world.get(f"{only} '{SET}'")["value"]) == 250


@pytest.mark.parametrize("query", ["$filter=name eq 'x'", "$expand=resources", "$skiptoken=7"])
def test_what_a_list_of_vms_cannot_do_is_refused(flexible: World, query: str) -> None:
    assert flexible.send("GET", f"{MACHINES}{V}&{query}").status_code == 400


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("start", OperationKind.START),
        ("restart", OperationKind.RESTART),
        ("powerOff", OperationKind.POWER_OFF),
        ("deallocate", OperationKind.DEALLOCATE),
        ("redeploy", OperationKind.REDEPLOY),
        ("reapply", OperationKind.REAPPLY),
        ("reimage", OperationKind.REIMAGE),
    ],
)
def test_a_verb_on_a_vm_is_the_verb_on_the_instance(flexible: World, verb: str, kind: OperationKind) -> None:
    answer = flexible.send("POST", f"{MACHINES}/{names(flexible)[1]}/{verb}")
    assert answer.status_code == 202
    [*_, operation] = flexible.store.operations(flexible.record.uid)
    assert (operation.kind, list(operation.instances)) == (kind, [1])
    assert flexible.woken == [flexible.record.uid]


def test_all_that_is_below_an_instance_is_below_its_vm(flexible: World) -> None:
    routes = [route for module in MODULES for route in module.router.routes if isinstance(route, APIRoute)]
    below_vm = [route.path.removeprefix(VM) for route in routes if route.path.startswith(f"{VM}/")]
    assert len(below_vm) > 15
    again = compute_virtual_machines.mirrored(module.router for module in MODULES).routes
    mirrored = [route.path for route in again if isinstance(route, APIRoute)]
    assert [path.removeprefix(compute_virtual_machines.MACHINE) for path in mirrored] == below_vm
    [name, *_] = names(flexible)
    assert flexible.get(f"{MACHINES}/{name}/extensions") == {"value": []}
    assert flexible.get(f"{MACHINES}/{name}/connection") == flexible.get(f"{SET}/virtualMachines/{name}/connection")


def test_deleting_a_vm_lowers_the_capacity_and_again_is_no_mistake(flexible: World) -> None:
    name = names(flexible)[1]
    for _ in range(2):
        assert flexible.send("DELETE", f"{MACHINES}/{name}").status_code == 202
    assert flexible.record.capacity == 2
    assert flexible.rows()[1].is_gone
    for nobody in ("web_00000000", "nothing", "other_00000000"):
        assert flexible.send("DELETE", f"{MACHINES}/{nobody}").status_code == 204


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_vm_cannot_be_put_by_itself(flexible: World, method: str) -> None:
    answer = flexible.send(method, f"{MACHINES}/{names(flexible)[0]}", {"location": "local"})
    assert (answer.status_code, error(answer)["code"]) == (409, "OperationNotAllowed")


def test_what_is_no_vm_of_a_flexible_set_is_not_found(flexible: World) -> None:
    for name in ("web_00000000", "web", "nothing_00000000", "0"):
        for method, more in (("GET", ""), ("GET", "/instanceView"), ("POST", "/start")):
            assert flexible.send(method, f"{MACHINES}/{name}{more}").status_code == 404


def test_protection_is_put_below_the_set(flexible: World) -> None:
    path = f"{SET}/virtualMachines/{names(flexible)[0]}"
    shown = flexible.get(path)
    shown["properties"]["protectionPolicy"] = {"protectFromScaleIn": True}
    assert flexible.send("PUT", path, shown).status_code == 200
    assert flexible.rows()[0].protection.from_scale_in


def test_health_and_extensions_are_told_of_vms_too(world: World) -> None:
    body = with_extensions(health_extension(), orchestrationMode="Flexible")
    assert world.put(body=body).status_code == 201
    world.populate(1)
    world.control.sights[0] = Seen(Sight.RUNNING, Health.HEALTHY, 5.0)
    [vm] = world.get(f"{MACHINES}{V}&$expand=instanceView")["value"]
    assert vm["properties"]["instanceView"]["vmHealth"]["status"]["code"] == "HealthState/healthy"
    assert [each["name"] for each in vm["resources"]] == ["health"]
