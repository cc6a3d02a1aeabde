from __future__ import annotations

from typing import Any

import httpx
import pytest
from fake_world import (
    GROUP,
    NOW,
    SET,
    SETS,
    SUB,
    V,
    World,
    a_set,
    health_extension,
    script_extension,
    with_extensions,
)

from orchestrator.model.instance import Failure
from orchestrator.model.scale_set import OperationKind, OperationStatus

Json = dict[str, Any]


def error(answer: httpx.Response) -> Json:
    found: Json = answer.json()["error"]
    return found


def local(url: str) -> str:
    assert url.startswith("http://localhost/")
    return url.removeprefix("http://localhost")


def test_a_set_is_made_as_a_wish_and_the_loop_is_woken(world: World) -> None:
    answer = world.put(body=a_set(capacity=5))
    assert answer.status_code == 201
    assert answer.json()["properties"]["provisioningState"] == "Creating"
    record = world.record
    assert (record.capacity, record.version, record.model_version) == (5, 1, 1)
    assert world.woken == [record.uid]
    [operation] = world.store.operations(record.uid)
    assert operation.kind is OperationKind.CREATE_OR_UPDATE
    assert "5 instances of Lab_Micro" in world.store.events()[0].reason


def test_a_put_leads_to_its_operation_with_a_whole_number_of_seconds(world: World) -> None:
    answer = world.put()
    assert int(answer.headers["retry-after"]) >= 1
    assert "location" not in answer.headers
    status = world.send("GET", local(answer.headers["azure-asyncoperation"]))
    assert status.json()["status"] == "InProgress"
    assert answer.headers["etag"] == answer.json()["etag"]


def test_the_host_of_the_request_is_the_host_of_its_links(world: World) -> None:
    answer = world.put(headers={"host": "vmss.example:8443"})
    assert answer.headers["azure-asyncoperation"].startswith("http://vmss.example:8443/subscriptions/")
    answer = world.put(headers={"host": "evil\\host"})
    assert answer.headers["azure-asyncoperation"].startswith("http://localhost/")


def test_nothing_is_half_made_of_a_body_that_is_wrong(world: World) -> None:
    answer = world.put(body=a_set(capacity=2000) | {"nonsense": 1})
    assert answer.status_code == 400
    assert len(error(answer)["details"]) == 2
    assert world.store.scale_sets() == []
    assert world.store.operations() == []
    assert world.woken == []


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"location": "mars"}, "location"),
        ({"zones": ["1", "9"]}, "zones"),
        ({"sku": {"name": "Lab_Huge", "capacity": 1}}, "sku.name"),
        ({"properties": a_set(platformFaultDomainCount=4)["properties"]}, "properties.platformFaultDomainCount"),
    ],
)
def test_what_this_site_does_not_have_is_refused(world: World, change: Json, target: str) -> None:
    answer = world.put(body=a_set() | change)
    assert (answer.status_code, error(answer)["target"]) == (400, target)


def test_an_image_that_is_missing_is_refused_and_everything_missing_at_once(world: World) -> None:
    world.missing_images.add("vmss:micro:1:latest")
    answer = world.put()
    assert (answer.status_code, error(answer)["code"]) == (400, "ImageNotFound")
    assert error(answer)["target"] == "properties.virtualMachineProfile.storageProfile.imageReference"
    answer = world.put(body=a_set() | {"location": "mars"})
    assert len(error(answer)["details"]) == 2


def test_scaling_in_does_not_ask_for_an_image_that_is_gone_but_scaling_out_does(populated: World) -> None:
    populated.missing_images.add("vmss:micro:1:latest")
    assert populated.put(body={"location": "local", "sku": {"name": "Lab_Micro", "capacity": 1}}).status_code == 200
    assert populated.put(body={"location": "local", "sku": {"name": "Lab_Micro", "capacity": 4}}).status_code == 400


def test_a_put_of_nothing_but_capacity_scales(populated: World) -> None:
    before = populated.record
    answer = populated.put(body={"location": "local", "sku": {"name": "Lab_Micro", "capacity": "6"}})
    assert answer.status_code == 200
    after = populated.record
    assert (after.capacity, after.version, after.model_version) == (6, before.version + 1, before.model_version)
    assert answer.json()["properties"]["provisioningState"] == "Updating"
    assert populated.store.profile(after.uid, 1) is not None


def test_a_new_profile_is_a_new_model_and_the_old_one_is_kept(populated: World) -> None:
    populated.put(body={"properties": {"virtualMachineProfile": {"osProfile": {"customData": "aGk="}}}})
    record = populated.record
    assert record.model_version == 2
    old = populated.store.profile(record.uid, 1)
    new = populated.store.profile(record.uid, 2)
    assert old is not None
    assert new is not None
    assert (dict(old.secrets), list(new.secrets.values())) == ({}, ["aGk="])
    listed = populated.get(f"{SET}/virtualMachines")["value"]
    assert {each["properties"]["latestModelApplied"] for each in listed} == {False}


def test_putting_the_same_again_changes_nothing(populated: World) -> None:
    before = populated.record
    assert populated.put(body=a_set()).status_code == 200
    assert populated.put(body=populated.get()).status_code == 200
    assert populated.record == before


def test_a_patch_merges_and_a_patch_of_nothing_is_not_found(world: World) -> None:
    assert world.send("PATCH", SET, {}).status_code == 404
    world.put()
    answer = world.send(
        "PATCH", SET, {"tags": {"a": "b"}, "properties": {"scaleInPolicy": {"rules": ["NewestVM"]}}}
    )
    assert answer.status_code == 200
    assert answer.json()["tags"] == {"a": "b"}
    assert world.get()["properties"]["scaleInPolicy"]["rules"] == ["NewestVM"]
    assert world.record.model_version == 1


def test_what_may_not_change_is_a_conflict_that_names_all_of_it(populated: World) -> None:
    populated.put(body={"zones": ["1"]})
    answer = populated.send("PATCH", SET, {"zones": [], "properties": {"platformFaultDomainCount": 1}})
    assert (answer.status_code, error(answer)["code"]) == (409, "PropertyChangeNotAllowed")
    assert [each["target"] for each in error(answer)["details"]] == ["properties.platformFaultDomainCount", "zones"]


def test_what_only_a_put_may_change_a_patch_may_repeat(populated: World) -> None:
    populated.put(body={"zones": ["1", "2"]})
    change = {"properties": {"zoneBalance": True}}
    answer = populated.send("PATCH", SET, change)
    assert (answer.status_code, error(answer)["target"]) == (409, "properties.zoneBalance")
    assert "PUT" in error(answer)["message"]
    assert populated.put(body=change).status_code == 200
    assert populated.send("PATCH", SET, change | {"tags": {"a": "b"}}).status_code == 200
    assert populated.get()["properties"]["zoneBalance"] is True


def test_members_around_the_properties_are_shown_as_they_were_given(world: World) -> None:
    world.put(body=a_set() | {"plan": {"name": "p"}, "identity": {"type": "none"}})
    shown = world.get()
    assert (shown["plan"], shown["identity"]) == ({"name": "p"}, {"type": "None"})


def test_the_sizes_of_a_location_come_with_their_zones_and_those_of_a_set_with_its_limit(world: World) -> None:
    skus = f"/subscriptions/{SET.split('/')[2]}/providers/Microsoft.Compute/skus"
    listed = world.get(skus)["value"]
    [size] = [each for each in listed if each["name"] == "Standard_D2s_v5"]
    assert (size["family"], size["locationInfo"][0]["zones"]) == ("standardDSv5Family", ["1", "2"])
    query = f"{skus}?api-version=2024-11-01&$filter="
    assert world.get(f"{query}location eq '{size['locations'][0].upper()}'")["value"] == listed
    assert world.get(f"{query}location eq 'mars'")["value"] == []
    assert world.send("GET", f"{query}name eq 'x'").status_code == 400
    world.put(body=a_set(singlePlacementGroup=True))
    assert {each["capacity"]["maximum"] for each in world.get(f"{SET}/skus")["value"]} == {100}


def test_write_only_members_are_kept_and_never_shown(world: World) -> None:
    secret = script_extension()
    secret["properties"] |= {"settings": {}, "protectedSettings": {"commandToExecute": "echo s3cret"}}
    body = with_extensions(secret)
    body["properties"]["virtualMachineProfile"]["osProfile"]["customData"] = "aGkgdGhlcmU="
    assert "s3cret" not in world.put(body=body).text
    for path in (SET, f"{SET}/extensions", f"{SET}/instanceView"):
        assert "s3cret" not in world.send("GET", path).text
        assert "aGkgdGhlcmU=" not in world.send("GET", path).text
    assert sorted(world.record.secrets.values(), key=str) == ["aGkgdGhlcmU=", {"commandToExecute": "echo s3cret"}]
    assert world.put(body=world.get()).status_code == 200
    assert len(world.record.secrets) == 2


@pytest.mark.parametrize(("header", "status"), [("*", 200), ("", 200), ('"stale-1"', 412), ("W/x", 412)])
def test_a_stale_etag_is_refused(populated: World, header: str, status: int) -> None:
    header = header or populated.get()["etag"]
    for method in ("PUT", "PATCH"):
        answer = populated.send(method, SET, {"tags": {}}, headers={"If-Match": header})
        assert answer.status_code == status
    assert status == 200 or error(answer)["code"] == "PreconditionFailed"


def test_an_etag_is_good_for_one_change(populated: World) -> None:
    etag = populated.get()["etag"]
    change = {"sku": {"capacity": 7}}
    assert populated.send("PATCH", SET, change, headers={"If-Match": etag}).status_code == 200
    assert populated.send("PATCH", SET, change, headers={"If-Match": etag}).status_code == 412


def test_create_only_and_update_only_are_respected(world: World) -> None:
    assert world.put(headers={"If-Match": "*"}).status_code == 412
    assert world.put(headers={"If-None-Match": "*"}).status_code == 201
    assert world.put(headers={"If-None-Match": "*"}).status_code == 412
    assert world.put(headers={"If-None-Match": '"x"'}).status_code == 400


def test_sets_are_listed_by_group_location_and_subscription(world: World) -> None:
    world.put()
    world.put(GROUP.replace("/rg", "/Other"), {"location": "local"})
    world.put(SET.replace("/rg/", "/Other/"))
    compute = f"/subscriptions/{SUB}/providers/Microsoft.Compute"
    assert len(world.get(f"{compute}/virtualMachineScaleSets")["value"]) == 2
    assert len(world.get(SETS.replace("/rg/", "/OTHER/"))["value"]) == 1
    assert len(world.get(f"{compute}/locations/Lo cal/virtualMachineScaleSets")["value"]) == 2
    assert world.get(f"{compute}/locations/mars/virtualMachineScaleSets")["value"] == []


def test_a_set_that_is_not_there_is_not_found(world: World) -> None:
    for method, path in [
        ("GET", SET),
        ("GET", f"{SET}/instanceView"),
        ("POST", f"{SET}/start"),
        ("GET", f"{SET}/plan"),
    ]:
        answer = world.send(method, path)
        assert (answer.status_code, error(answer)["code"]) == (404, "ResourceNotFound")


def test_deleting_is_a_wish_that_can_be_repeated_until_nothing_is_left(populated: World) -> None:
    answer = populated.send("DELETE", f"{SET}?api-version=2024-11-01&forceDeletion=true")
    assert answer.status_code == 202
    assert answer.content == b""
    assert "content-type" not in answer.headers
    record = populated.record
    assert (record.is_deleting, record.is_force_deleting, record.capacity) == (True, True, 0)
    assert populated.get()["properties"]["provisioningState"] == "Deleting"
    assert populated.send("DELETE", SET).status_code == 202
    assert populated.record.is_force_deleting
    with populated.store.write() as tx:
        tx.drop_scale_set(record.uid)
    assert populated.send("DELETE", SET).status_code == 204


def test_a_set_on_its_way_out_takes_no_more_wishes(populated: World) -> None:
    populated.send("DELETE", SET)
    requests = [
        ("PUT", SET, a_set()),
        ("PATCH", SET, {}),
        ("POST", f"{SET}/start", None),
        ("POST", f"{SET}/delete", {"instanceIds": ["0"]}),
        ("POST", f"{SET}/virtualMachines/0/restart", None),
        ("PUT", f"{SET}/extensions/x", script_extension()),
    ]
    for method, path, body in requests:
        answer = populated.send(method, path, body)
        assert (answer.status_code, error(answer)["code"]) == (409, "OperationNotAllowed"), path


def test_the_state_follows_the_operation(world: World) -> None:
    answer = world.put()
    [operation] = world.store.operations(world.record.uid)
    failure = Failure("AllocationFailed", "web_0: memory ran out on h1", NOW)
    ended = operation.but(status=OperationStatus.FAILED, failure=failure, ended_at=NOW)
    with world.store.write() as tx:
        tx.put_operation(ended)
    assert world.get()["properties"]["provisioningState"] == "Failed"
    url = local(answer.headers["azure-asyncoperation"])
    assert world.get(url)["error"] == {"code": "AllocationFailed", "message": "web_0: memory ran out on h1"}
    monitored = world.send("GET", f"{url}&monitor=true")
    assert (monitored.status_code, error(monitored)["code"]) == (409, "AllocationFailed")


def test_the_other_style_of_waiting_ends_in_an_empty_200(populated: World) -> None:
    answer = populated.send("POST", f"{SET}/start")
    assert answer.status_code == 202
    url = local(answer.headers["location"])
    running = populated.send("GET", url)
    assert (running.status_code, running.headers["retry-after"]) == (202, "1")
    [operation] = [each for each in populated.store.operations() if each.kind is OperationKind.START]
    with populated.store.write() as tx:
        tx.put_operation(operation.but(status=OperationStatus.SUCCEEDED, ended_at=NOW))
    done = populated.send("GET", url)
    assert (done.status_code, done.content) == (200, b"")
    assert "content-type" not in done.headers
    assert populated.get(local(answer.headers["azure-asyncoperation"]))["endTime"]


def test_an_operation_that_is_not_there_is_not_found(world: World) -> None:
    path = f"/subscriptions/{SUB}/providers/Microsoft.Compute/locations/local/operations/nonsense"
    assert world.send("GET", path).status_code == 404


def test_sizes_are_listed_for_a_set_and_for_the_location(populated: World) -> None:
    names = {each["sku"]["name"] for each in populated.get(f"{SET}/skus")["value"]}
    assert {"Lab_Micro", "Standard_D2s_v5"} <= names
    compute = f"/subscriptions/{SUB}/providers/Microsoft.Compute/locations"
    assert {each["name"] for each in populated.get(f"{compute}/local/vmSizes")["value"]} == names
    assert populated.send("GET", f"{compute}/mars/vmSizes").status_code == 404


def test_the_plan_is_told_with_its_reasons(populated: World) -> None:
    plan = populated.get(f"{SET}/plan")
    assert plan["steps"][0] == {
        "kind": "create",
        "instanceId": "0",
        "host": "h1",
        "reason": "it is wanted and not there",
    }
    assert plan["notes"] == ["all is well"]


def test_only_user_data_can_be_expanded(populated: World) -> None:
    assert populated.send("GET", f"{SET}{V}&$expand=userData").status_code == 200
    assert populated.send("GET", f"{SET}{V}&$expand=everything").status_code == 400


def test_a_set_wants_a_group_that_is_there(world: World) -> None:
    other = SET.replace("/rg/", "/other/")
    refused = world.put(other)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "ResourceGroupNotFound")
    assert world.send("HEAD", GROUP.replace("/rg", "/other")).status_code == 404
    assert world.get(GROUP.lower())["name"] == "rg"
    assert world.send("HEAD", GROUP).status_code == 204
    assert [each["name"] for each in world.get(f"/subscriptions/{SUB}/resourcegroups")["value"]] == ["rg"]
    assert world.get("/subscriptions")["value"][0]["subscriptionId"] == SUB
    assert world.get(f"/subscriptions/{SUB}")["state"] == "Enabled"
    assert world.get(f"/subscriptions/{SUB}/locations")["value"][0]["name"] == "local"


# Extensions


def test_an_extension_is_added_changed_and_taken_out_by_its_own_address(populated: World) -> None:
    path = f"{SET}/extensions/Script"
    assert populated.send("PUT", path, {"properties": script_extension()["properties"]}).status_code == 201
    assert populated.record.extension_sequences == {"Script": 1}
    assert populated.record.model_version == 2
    changed = script_extension(commandToExecute="false")
    assert populated.send("PUT", path.lower(), changed).status_code == 200
    assert populated.record.extension_sequences == {"Script": 2}
    answer = populated.send("PATCH", path, {"properties": {"forceUpdateTag": "3"}})
    assert answer.json()["properties"]["settings"] == {"commandToExecute": "false"}
    assert populated.record.extension_sequences == {"Script": 3}
    assert [each["name"] for each in populated.get(f"{SET}/extensions")["value"]] == ["Script"]
    assert populated.send("DELETE", path).status_code == 202
    assert populated.send("DELETE", path).status_code == 204
    assert populated.send("GET", path).status_code == 404


def test_a_configuration_number_never_stands_for_two_configurations(populated: World) -> None:
    path = f"{SET}/extensions/script"
    populated.send("PUT", path, script_extension())
    populated.send("DELETE", path)
    populated.send("PUT", path, script_extension(commandToExecute="false"))
    assert populated.record.extension_sequences == {"script": 2}


def test_what_does_not_touch_an_extension_does_not_run_it_again(world: World) -> None:
    world.put(body=with_extensions(script_extension()))
    world.send("PATCH", SET, {"sku": {"capacity": 9}, "tags": {"a": "b"}})
    assert world.record.extension_sequences == {"script": 1}


def test_an_extension_that_others_wait_for_cannot_be_taken_out(world: World) -> None:
    later = health_extension("later")
    later["properties"]["provisionAfterExtensions"] = ["first"]
    world.put(body=with_extensions(script_extension("first"), later))
    answer = world.send("DELETE", f"{SET}/extensions/first")
    assert (answer.status_code, error(answer)["code"]) == (409, "OperationNotAllowed")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("script", {"name": "other", "properties": {}}, 400),
        ("script", {}, 400),
        ("sc ript", script_extension(), 400),
        ("script", {"properties": {"nonsense": 1}}, 400),
        ("second", health_extension("second"), 400),
    ],
)
def test_an_extension_that_does_not_fit_changes_nothing(world: World, path: str, body: Json, status: int) -> None:
    world.put(body=with_extensions(health_extension()))
    before = world.record
    assert world.send("PUT", f"{SET}/extensions/{path}", body).status_code == status
    assert world.record == before
