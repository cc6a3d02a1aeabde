from __future__ import annotations

from typing import Any

import httpx
import pytest
from fake_world import SET, V, World, a_set, script_extension, with_extensions

from orchestrator.model.health import Health
from orchestrator.model.instance import Cause, Protection, Stage, WantedPower
from orchestrator.model.scale_set import Operation, OperationKind
from orchestrator.plan.inputs import Seen, Sight

Json = dict[str, Any]
VM = f"{SET}/virtualMachines"


def error(answer: httpx.Response) -> Json:
    found: Json = answer.json()["error"]
    return found


def last_operation(world: World) -> Operation:
    return world.store.operations(world.record.uid)[-1]


def test_an_instance_is_shown_with_what_is_seen_of_it(populated: World) -> None:
    populated.control.sights[1] = Seen(Sight.RUNNING, Health.HEALTHY, 5.0)
    shown = populated.get(f"{VM}/1{V}&$expand=instanceView")
    view = shown["properties"]["instanceView"]
    assert shown["instanceId"] == "1"
    assert view["assignedHost"] == "h1"
    assert view["privateIPAddress"] == "10.90.0.2"
    assert [each["code"] for each in view["statuses"]] == ["ProvisioningState/succeeded", "PowerState/running"]
    assert view["vmHealth"]["status"]["code"] == "HealthState/healthy"
    assert populated.get(f"{VM}/1/instanceView") == view
    assert "instanceView" not in populated.get(f"{VM}/1")["properties"]


@pytest.mark.parametrize(
    ("changes", "sight", "power"),
    [
        ({}, Sight.RUNNING, "running"),
        ({}, Sight.DEAD, "stopped"),
        ({}, Sight.UNKNOWN, "unknown"),
        ({"stage": Stage.CREATING}, Sight.DEAD, "starting"),
        ({"stage": Stage.CREATING, "booted_at": None}, Sight.ABSENT, "creating"),
        ({"wanted_power": WantedPower.STOPPED}, Sight.RUNNING, "stopping"),
        ({"wanted_power": WantedPower.STOPPED}, Sight.DEAD, "stopped"),
        ({"wanted_power": WantedPower.DEALLOCATED}, Sight.DEAD, "deallocating"),
        ({"wanted_power": WantedPower.DEALLOCATED}, Sight.ABSENT, "deallocated"),
    ],
)
def test_power_is_the_wish_and_the_sight_together(
    populated: World, changes: Json, sight: Sight, power: str
) -> None:
    populated.change(0, **changes)
    populated.control.sights[0] = Seen(sight)
    codes = [each["code"] for each in populated.get(f"{VM}/0/instanceView")["statuses"]]
    assert codes[1] == f"PowerState/{power}"


def test_an_instance_nobody_has_looked_at_yet_is_unknown_and_not_gone(populated: World) -> None:
    populated.control.sights.clear()
    assert populated.get(f"{VM}/0/instanceView")["statuses"][1]["code"] == "PowerState/unknown"


@pytest.mark.parametrize("number", ["9", "01", "-1", "x", "1.0", "99999999999999999999"])
def test_an_id_that_is_not_there_is_not_found(populated: World, number: str) -> None:
    for method, path in [("GET", ""), ("GET", "/instanceView"), ("POST", "/start"), ("GET", "/connection")]:
        answer = populated.send(method, f"{VM}/{number}{path}")
        assert (answer.status_code, error(answer)["code"]) == (404, "NotFound")
    assert populated.send("DELETE", f"{VM}/{number}").status_code == 204
    assert populated.record.capacity == 3


def test_resilience_is_shown_where_it_is_asked_for(world: World) -> None:
    world.put(body=a_set(resiliencyPolicy={"resilientVMDeletionPolicy": {"enabled": True}}))
    world.populate()
    world.change(1, is_gone=True)
    told = [
        world.get(f"{VM}/{number}{V}&$expand=resiliencyView")["properties"]["resilientVMDeletionStatus"]
        for number in (0, 1)
    ]
    assert told == ["Enabled", "InProgress"]
    assert "resilientVMDeletionStatus" not in world.get(f"{VM}/0")["properties"]
    assert world.send("GET", f"{VM}/0{V}&$expand=everything").status_code == 400


# Lists


def test_a_long_list_comes_in_pages_that_lose_and_double_nothing(world: World) -> None:
    world.put()
    world.populate(600)
    path, found = f"{VM}{V}&$expand=instanceView", list[str]()
    for _ in range(3):
        page = world.get(path)
        found += [each["instanceId"] for each in page["value"]]
        assert all("instanceView" in each["properties"] for each in page["value"])
        path = page.get("nextLink", "").removeprefix("http://localhost")
    assert found == [str(number) for number in range(600)]
    assert path == ""


@pytest.mark.parametrize(
    ("filter_text", "expected"),
    [
        ("properties/latestModelApplied eq false", ["1"]),
        ("properties/latestModelApplied EQ true", ["0", "2"]),
        ("startswith(instanceView/statuses/code, 'PowerState') eq true", ["0", "1", "2"]),
        ("startswith(instanceView/statuses/code,'powerstate/stopped') eq true", ["2"]),
    ],
)
def test_lists_are_filtered(populated: World, filter_text: str, expected: list[str]) -> None:
    populated.change(1, model_version=0)
    populated.control.sights[2] = Seen(Sight.DEAD)
    found = populated.get(f"{VM}{V}&$filter={filter_text}")["value"]
    assert [each["instanceId"] for each in found] == expected


def test_only_the_view_is_shown_where_only_it_is_selected(populated: World) -> None:
    [item, *_] = populated.get(f"{VM}{V}&$expand=instanceView&$select=instanceView")["value"]
    assert list(item["properties"]) == ["instanceView"]
    [item, *_] = populated.get(f"{VM}{V}&$select=instanceView/statuses")["value"]
    assert list(item["properties"]["instanceView"]) == ["statuses"]


@pytest.mark.parametrize(
    "query", ["$filter=name eq 'x'", "$select=name", "$expand=userData", "$skiptoken=x", "$skiptoken=-5"]
)
def test_what_a_list_cannot_do_is_refused(populated: World, query: str) -> None:
    assert populated.send("GET", f"{VM}{V}&{query}").status_code == 400


# Verbs on the set


@pytest.mark.parametrize(
    "body", [None, {"instanceIds": ["*"]}, {"instanceIds": None}, {}, {"INSTANCEIDS": ["0", "1", "2"]}]
)
def test_no_ids_or_a_star_mean_all(populated: World, body: Json | None) -> None:
    answer = populated.send("POST", f"{SET}/poweroff", body)
    assert (answer.status_code, answer.content) == (202, b"")
    assert {row.wanted_power for row in populated.rows().values()} == {WantedPower.STOPPED}
    assert dict(last_operation(populated).instances) == {0: 0, 1: 0, 2: 0}
    assert populated.woken == [populated.record.uid]


@pytest.mark.parametrize(
    "verb", ["start", "restart", "poweroff", "deallocate", "reimage", "reimageall", "manualupgrade", "delete"]
)
def test_an_empty_list_of_ids_is_refused_and_hits_nobody(populated: World, verb: str) -> None:
    before = populated.rows()
    answer = populated.send("POST", f"{SET}/{verb}", {"instanceIds": []})
    assert (answer.status_code, error(answer)["target"]) == (400, "instanceIds")
    assert populated.rows() == before
    assert populated.woken == []


@pytest.mark.parametrize(
    "body",
    [
        {"instanceIds": "0"},
        {"instanceIds": ["-1"]},
        {"instanceIds": ["zero"]},
        {"instanceIds": [True]},
        {"instanceIds": [{}]},
        {"instanceIds": ["01"]},
        {"instanceIds": ["0"], "InstanceIds": ["1"]},
        {"instanceIds": ["0"], "tempDisk": True},
        {"ids": ["0"]},
    ],
)
def test_ids_that_cannot_be_ids_are_refused(populated: World, body: Json) -> None:
    before = populated.rows()
    assert populated.send("POST", f"{SET}/reimage", body).status_code == 400
    assert populated.rows() == before


def test_every_id_that_is_not_there_is_named_and_nobody_is_touched(populated: World) -> None:
    populated.change(2, is_gone=True)
    answer = populated.send("POST", f"{SET}/restart", {"instanceIds": ["0", "7", "2", "8"]})
    assert (answer.status_code, error(answer)["code"], error(answer)["target"]) == (
        400,
        "InvalidParameter",
        "instanceIds",
    )
    assert [each["message"] for each in error(answer)["details"]] == [
        f"There is no instance {n}." for n in (7, 2, 8)
    ]
    assert populated.rows()[0].restarts_wanted == 0


@pytest.mark.parametrize("verb", ["delete", "manualupgrade"])
def test_some_verbs_want_their_instances_named(populated: World, verb: str) -> None:
    assert populated.send("POST", f"{SET}/{verb}").status_code == 400
    assert error(populated.send("POST", f"{SET}/{verb}", {}))["target"] == "instanceIds"


def test_starting_and_stopping_write_wishes(populated: World) -> None:
    populated.send("POST", f"{SET}/powerOff{V}&skipShutdown=true", {"instanceIds": ["0"]})
    assert (populated.rows()[0].wanted_power, populated.rows()[0].is_hard_stop) == (WantedPower.STOPPED, True)
    populated.send("POST", f"{SET}/deallocate", {"instanceIds": [1]})
    assert populated.rows()[1].wanted_power is WantedPower.DEALLOCATED
    populated.send("POST", f"{SET}/start")
    assert {row.wanted_power for row in populated.rows().values()} == {WantedPower.RUNNING}
    assert last_operation(populated).kind is OperationKind.START


def test_a_restart_counts_up_and_its_operation_waits_for_the_count(populated: World) -> None:
    populated.send("POST", f"{SET}/restart", {"instanceIds": ["0"]})
    populated.send("POST", f"{SET}/restart", {"instanceIds": ["0", "1"]})
    assert [row.restarts_wanted for row in populated.rows().values()] == [2, 1, 0]
    assert dict(last_operation(populated).instances) == {0: 2, 1: 1}


def test_a_reimage_is_a_new_generation_with_a_new_host_key(populated: World) -> None:
    populated.send("POST", f"{SET}/reimage", {"instanceIds": ["1"]})
    row = populated.rows()[1]
    assert (row.generation, row.stage, row.host_key_public) == (2, Stage.CREATING, "ssh-ed25519 NEW")
    assert populated.store.host_key(row.set_uid, 1) == "new private 0"
    assert populated.store.host_key(row.set_uid, 0) == "secret key"
    assert dict(last_operation(populated).instances) == {1: 2}


def test_deleting_instances_lowers_the_capacity_by_as_many(populated: World) -> None:
    etag = populated.record.etag
    answer = populated.send("POST", f"{SET}/delete{V}&forceDeletion=true", {"instanceIds": ["0", "2", "0"]})
    assert answer.status_code == 202
    assert populated.record.capacity == 1
    assert populated.record.etag != etag
    rows = populated.rows()
    assert [row.is_gone for row in rows.values()] == [True, False, True]
    assert (rows[0].cause, rows[0].is_force_delete) == (Cause.USER, True)


def test_deleting_twice_lowers_the_capacity_once(populated: World) -> None:
    for _ in range(2):
        assert populated.send("POST", f"{SET}/delete", {"instanceIds": ["0"]}).status_code == 202
        assert populated.send("DELETE", f"{VM}/1").status_code == 202
    assert populated.record.capacity == 1


def test_protected_instances_are_left_out_unless_they_are_named(populated: World) -> None:
    populated.change(1, protection=Protection(True, True))
    populated.send("POST", f"{SET}/restart")
    assert [row.restarts_wanted for row in populated.rows().values()] == [1, 0, 1]
    populated.send("POST", f"{SET}/restart", {"instanceIds": ["1"]})
    assert populated.rows()[1].restarts_wanted == 1
    populated.send("POST", f"{SET}/manualupgrade", {"instanceIds": ["*"]})
    assert 1 not in last_operation(populated).instances


def test_hibernation_is_not_possible(populated: World) -> None:
    for path in (f"{SET}/deallocate", f"{VM}/0/deallocate"):
        assert populated.send("POST", f"{path}{V}&hibernate=true").status_code == 409


@pytest.mark.parametrize("query", ["skipShutdown=perhaps", "skipShutdown="])
def test_a_flag_that_is_neither_is_refused(populated: World, query: str) -> None:
    assert populated.send("POST", f"{SET}/poweroff{V}&{query}").status_code == 400


# Upgrades


def change_model(world: World, profile: Json) -> None:
    assert world.send("PATCH", SET, {"properties": {"virtualMachineProfile": profile}}).status_code == 200


def test_an_upgrade_runs_extensions_in_place_when_only_they_differ(world: World) -> None:
    world.put(body=with_extensions(script_extension()))
    world.populate()
    world.change(2, wanted_power=WantedPower.STOPPED)
    change_model(world, {"extensionProfile": {"extensions": [script_extension(commandToExecute="false")]}})
    world.send("POST", f"{SET}/manualupgrade", {"instanceIds": ["0", "2"]})
    rows = world.rows()
    assert [(row.model_version, row.generation) for row in rows.values()] == [(2, 1), (1, 1), (2, 1)]
    assert rows[0].stage is Stage.CONFIGURING
    assert dict(last_operation(world).instances) == {0: 2}


@pytest.mark.parametrize(
    "profile", [{"osProfile": {"customData": "aGk="}}, {"storageProfile": {"imageReference": {"offer": "debian"}}}]
)
def test_an_upgrade_makes_a_new_disk_when_more_differs(populated: World, profile: Json) -> None:
    change_model(populated, profile)
    populated.send("POST", f"{SET}/manualupgrade", {"instanceIds": ["*"]})
    assert {(row.model_version, row.generation) for row in populated.rows().values()} == {(2, 2)}
    assert dict(last_operation(populated).instances) == {0: 2, 1: 2, 2: 2}


def test_an_upgrade_to_another_size_takes_the_size_along(populated: World) -> None:
    populated.send("PATCH", SET, {"sku": {"name": "Lab_Small"}})
    populated.send("POST", f"{SET}/manualupgrade", {"instanceIds": ["0"]})
    assert [row.memory_mib for row in populated.rows().values()] == [512, 96, 96]
    assert populated.get(f"{VM}/0")["sku"]["name"] == "Lab_Small"
    assert populated.get(f"{VM}/1")["sku"]["name"] == "Lab_Micro"


def test_an_upgrade_of_what_is_up_to_date_touches_nobody(populated: World) -> None:
    before = populated.rows()
    assert populated.send("POST", f"{SET}/manualupgrade", {"instanceIds": ["*"]}).status_code == 202
    assert populated.rows() == before
    assert dict(last_operation(populated).instances) == {}


# Verbs on one instance, and its protection


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("start", OperationKind.START),
        ("restart", OperationKind.RESTART),
        ("powerOff", OperationKind.POWER_OFF),
        ("poweroff", OperationKind.POWER_OFF),
        ("deallocate", OperationKind.DEALLOCATE),
        ("reimage", OperationKind.REIMAGE),
        ("reimageall", OperationKind.REIMAGE),
    ],
)
def test_a_verb_on_one_instance_means_that_one_even_when_it_is_protected(
    populated: World, verb: str, kind: OperationKind
) -> None:
    populated.change(1, protection=Protection(True, True))
    before = populated.rows()
    assert populated.send("POST", f"{VM}/1/{verb}").status_code == 202
    assert last_operation(populated).kind is kind
    assert list(last_operation(populated).instances) == [1]
    after = populated.rows()
    assert (after[0], after[2]) == (before[0], before[2])


def test_what_is_on_its_way_out_takes_no_more_wishes(populated: World) -> None:
    populated.send("DELETE", f"{VM}/1")
    assert populated.send("POST", f"{VM}/1/start").status_code == 409
    assert populated.send("PUT", f"{VM}/1", {}).status_code == 409
    assert populated.get(f"{VM}/1")["properties"]["provisioningState"] == "Deleting"


def test_a_reimage_of_one_instance_knows_no_temporary_disk(populated: World) -> None:
    answer = populated.send("POST", f"{VM}/1/reimage", {"tempDisk": True})
    assert (answer.status_code, error(answer)["target"]) == (400, "tempDisk")


def test_protection_is_set_at_once_and_shown(populated: World) -> None:
    body = populated.get(f"{VM}/1{V}&$expand=instanceView")
    body["properties"]["protectionPolicy"] = {"protectFromScaleSetActions": "true"}
    answer = populated.send("PUT", f"{VM}/1", body)
    assert answer.status_code == 200
    assert answer.json()["properties"]["protectionPolicy"] == {
        "protectFromScaleIn": True,
        "protectFromScaleSetActions": True,
    }
    assert populated.rows()[1].protection == Protection(True, True)
    assert populated.woken == [populated.record.uid]


def test_nothing_else_of_an_instance_can_be_put(populated: World) -> None:
    answer = populated.send("PUT", f"{VM}/1", {"properties": {"hardwareProfile": {"vmSize": "Lab_Small"}}})
    assert (answer.status_code, error(answer)["code"]) == (409, "PropertyChangeNotAllowed")


def test_an_instances_etag_guards_its_protection(populated: World) -> None:
    etag = populated.get(f"{VM}/1")["etag"]
    body = {"properties": {"protectionPolicy": {"protectFromScaleIn": True}}}
    assert populated.send("PUT", f"{VM}/1", body, headers={"If-Match": etag}).status_code == 200
    assert populated.send("PUT", f"{VM}/1", body, headers={"If-Match": etag}).status_code == 412


# Repairs as a service


def test_repairs_are_suspended_and_resumed(world: World) -> None:
    probe = {"protocol": "tcp", "port": 22}
    world.put(body=with_extensions(automaticRepairsPolicy={"enabled": True}, externalHealthProbe=probe))
    body = {"serviceName": "AutomaticRepairs", "action": "Suspend"}
    for action, state in (("Suspend", "Suspended"), ("resume", "Running")):
        assert (
            world.send("POST", f"{SET}/setOrchestrationServiceState", body | {"action": action}).status_code == 200
        )
        assert world.get(f"{SET}/instanceView")["orchestrationServices"][0]["serviceState"] == state


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"serviceName": "AutomaticRepairs", "action": "Suspend"}, 409),
        ({"serviceName": "AutomaticRepairs", "action": "Explode"}, 400),
        ({"serviceName": "Other", "action": "Suspend"}, 400),
        ({"action": "Suspend"}, 400),
        ({"serviceName": "AutomaticRepairs", "action": "Suspend", "x": 1}, 400),
    ],
)
def test_a_service_that_is_not_there_cannot_be_suspended(populated: World, body: Json, status: int) -> None:
    assert populated.send("POST", f"{SET}/setOrchestrationServiceState", body).status_code == status


# Ours


def test_the_console_is_the_logs_tail_as_it_is(populated: World) -> None:
    answer = populated.send("GET", f"{VM}/0/console{V}&bytes=7")
    assert (answer.status_code, answer.text) == (200, "login: ")
    assert answer.headers["content-type"].startswith("text/plain")
    for wrong in ("0", "-1", "x", "9999999"):
        assert populated.send("GET", f"{VM}/0/console{V}&bytes={wrong}").status_code == 400


def test_a_connection_says_whom_to_be_and_which_key_to_expect(populated: World) -> None:
    assert populated.get(f"{VM}/0/connection") == {
        "address": "10.90.0.1",
        "port": 22,
        "users": ["azureuser"],
        "hostKey": "ssh-ed25519 AAAA",
        "networkNamespace": "vmss-lab",
    }


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("virtualMachines/0/simulateEviction", "Spot"),
        ("virtualMachines/0/attachDetachDataDisks", "disk"),
        ("virtualMachines/0/retrieveBootDiagnosticsData", "console"),
        ("migrateVMAvailabilityZone", "zone"),
        ("forceRecoveryServiceFabricPlatformUpdateDomainWalk", "Service Fabric"),
    ],
)
def test_verbs_that_have_nothing_to_do_here_say_why(populated: World, path: str, reason: str) -> None:
    answer = populated.send("POST", f"{SET}/{path}")
    assert (answer.status_code, error(answer)["code"]) == (409, "OperationNotAllowed")
    assert reason in error(answer)["message"]
    assert populated.send("POST", f"{SET}x/{path}").status_code == 404
