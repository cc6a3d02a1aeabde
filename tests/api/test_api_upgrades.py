"""Rolling upgrades through the API: begun, cancelled, shown; and what a write does to one that has ended."""

from __future__ import annotations

from typing import Any

import pytest
from fake_world import NOW, SET, World, a_set, script_extension, with_extensions

from orchestrator.model.instance import Failure
from orchestrator.model.rolling_upgrade import RollingStatus, RollingUpgrade, UpgradeReason
from orchestrator.model.scale_set import OperationKind

LATEST = f"{SET}/rollingUpgrades/latest"
ROLLING = {"upgradePolicy": {"mode": "Rolling", "rollingUpgradePolicy": {"maxBatchInstancePercent": 50}}}


def latest(world: World) -> RollingUpgrade:
    found = world.store.latest_rolling_upgrade(world.record.uid)
    assert found is not None
    return found


def write(world: World, upgrade: RollingUpgrade) -> None:
    with world.store.write() as tx:
        tx.put_rolling_upgrade(upgrade)


def an_upgrade(world: World, **changes: Any) -> RollingUpgrade:
    values: dict[str, Any] = {
        "id": "u1", "set_uid": world.record.uid, "reason": UpgradeReason.MODEL,
        "model_version": world.record.model_version, "started_at": NOW - 60, "last_action_at": NOW - 60,
    }  # fmt: skip
    made = RollingUpgrade(**(values | changes))
    write(world, made)
    return made


@pytest.fixture
def rolling(world: World) -> World:
    """A set of four in Rolling mode, all on model 1 while the set is on model 2."""
    health = {"protocol": "http", "port": 80, "requestPath": "/"}
    world.put(body=with_extensions(script_extension(), capacity=4, externalHealthProbe=health, **ROLLING))
    world.populate(4)
    body = with_extensions(script_extension(commandToExecute="false"), capacity=4)
    assert world.send("PATCH", SET, {"properties": body["properties"]}).status_code == 200
    assert world.record.model_version == 2
    world.woken.clear()
    return world


# Begun and cancelled by hand


def test_an_upgrade_of_the_image_is_begun_for_the_catalogues_newest_version(populated: World) -> None:
    answer = populated.send("POST", f"{SET}/osRollingUpgrade")
    assert answer.status_code == 202
    begun = latest(populated)
    assert (begun.reason, begun.image_version, begun.started_by) == (UpgradeReason.OS_IMAGE, "1.0.1", "User")
    assert begun.id in answer.headers["Azure-AsyncOperation"], "one looks for the upgrade by its operation"
    assert populated.woken == [populated.record.uid]


def test_an_upgrade_of_the_extensions_is_begun_for_the_models_version(populated: World) -> None:
    assert populated.send("POST", f"{SET}/extensionRollingUpgrade").status_code == 202
    assert (latest(populated).reason, latest(populated).model_version) == (UpgradeReason.EXTENSIONS, 1)


def test_a_second_upgrade_is_refused_while_one_runs(populated: World) -> None:
    populated.send("POST", f"{SET}/osRollingUpgrade")
    first = latest(populated)
    answer = populated.send("POST", f"{SET}/extensionRollingUpgrade")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "Conflict")
    assert latest(populated) == first


def test_an_upgrade_to_an_older_model_gives_way_to_a_new_one(rolling: World) -> None:
    an_upgrade(rolling, model_version=1)
    assert rolling.send("POST", f"{SET}/osRollingUpgrade").status_code == 202
    newest, older = rolling.store.rolling_upgrades(rolling.record.uid)
    assert (newest.model_version, newest.is_running) == (2, True)
    assert (older.status, older.ended_at) == (RollingStatus.CANCELLED, NOW)


def test_a_cancel_is_told_to_the_upgrade_and_may_be_told_twice(rolling: World) -> None:
    an_upgrade(rolling)
    for _ in range(2):
        assert rolling.send("POST", f"{SET}/rollingUpgrades/cancel").status_code == 202
        assert (latest(rolling).is_cancel_wanted, latest(rolling).last_action) == (True, "Cancel")
        rolling.clock[0] += 5
    assert latest(rolling).last_action_at == NOW
    [first, _] = [each for each in rolling.store.operations() if each.kind is OperationKind.CANCEL_UPGRADE]
    assert first.deadline_at - NOW > 86_400, "a pause between batches may take a day"


@pytest.mark.parametrize("ended", [RollingStatus.COMPLETED, RollingStatus.FAULTED, RollingStatus.CANCELLED, None])
def test_what_does_not_run_cannot_be_cancelled(rolling: World, ended: RollingStatus | None) -> None:
    if ended is not None:
        an_upgrade(rolling, status=ended, ended_at=NOW)
    answer = rolling.send("POST", f"{SET}/rollingUpgrades/cancel")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "OperationNotAllowed")


@pytest.mark.parametrize("path", [f"{SET}/approveRollingUpgrade", f"{SET}/virtualMachines/0/approveRollingUpgrade"])
def test_approval_is_refused_because_nothing_waits_for_it(populated: World, path: str) -> None:
    answer = populated.send("POST", path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "OperationNotAllowed")
    assert "osRollingUpgradeDeferral" in answer.json()["error"]["message"]


@pytest.mark.parametrize("verb", ["osRollingUpgrade", "extensionRollingUpgrade", "rollingUpgrades/cancel"])
def test_a_body_that_says_something_is_refused(populated: World, verb: str) -> None:
    answer = populated.send("POST", f"{SET}/{verb}", {"instanceIds": ["0"]})
    assert (answer.status_code, answer.json()["error"]["target"]) == (400, "instanceIds")


def test_an_image_that_is_gone_begins_nothing(populated: World) -> None:
    populated.control.newest = ""
    assert populated.send("POST", f"{SET}/osRollingUpgrade").status_code == 409
    assert populated.store.latest_rolling_upgrade(populated.record.uid) is None


# Shown


def test_a_set_without_upgrades_has_no_latest_one(populated: World) -> None:
    assert populated.send("GET", LATEST).status_code == 404
    assert populated.get(f"{SET}/osUpgradeHistory") == {"value": []}


def test_the_latest_upgrade_is_shown_in_azures_shape(rolling: World) -> None:
    an_upgrade(rolling, batch={1: 1}, upgraded=(0,), batch_number=2)
    rolling.change(0, model_version=2)
    shown = rolling.get(LATEST)
    assert (shown["name"], shown["location"]) == ("latest", "local")
    assert shown["type"] == "Microsoft.Compute/virtualMachineScaleSets/rollingUpgrades"
    properties = shown["properties"]
    assert properties["runningStatus"] == {
        "code": "RollingForward",
        "startTime": "2023-11-14T22:12:20.000000Z",
        "lastAction": "Start",
        "lastActionTime": "2023-11-14T22:12:20.000000Z",
    }
    assert properties["progress"] == {
        "successfulInstanceCount": 1,
        "failedInstanceCount": 0,
        "inProgressInstanceCount": 1,
        "pendingInstanceCount": 2,
    }
    assert properties["policy"]["maxBatchInstancePercent"] == 50
    assert properties["policy"]["pauseTimeBetweenBatches"] == "PT0S"
    assert "error" not in properties


def test_an_upgrade_that_faulted_names_every_instance_that_failed(rolling: World) -> None:
    code = "MaxUnhealthyUpgradedInstancePercentExceededInRollingUpgrade"
    failure = Failure(code, "2 of 3 upgraded instances are unhealthy.", NOW)
    an_upgrade(
        rolling, status=RollingStatus.FAULTED, ended_at=NOW, failure=failure, upgraded=(0, 1, 2), failed=(1, 2)
    )
    rolling.change(1, model_version=2, failure=Failure("VMExtensionProvisioningError", "exit code 7", NOW))
    properties = rolling.get(LATEST)["properties"]
    assert properties["error"] == {
        "code": code,
        "message": "2 of 3 upgraded instances are unhealthy.",
        "details": [
            {"code": "VMExtensionProvisioningError", "target": "web_1", "message": "exit code 7"},
            {"code": "VMUnhealthy", "target": "web_2", "message": "It was not healthy in time after its upgrade."},
        ],
    }
    assert properties["progress"] == {
        "successfulInstanceCount": 1,
        "failedInstanceCount": 2,
        "inProgressInstanceCount": 0,
        "pendingInstanceCount": 1,
    }


def test_the_history_has_the_last_five_upgrades_of_the_image(rolling: World) -> None:
    an_upgrade(rolling)
    for number in range(7):
        an_upgrade(
            rolling, id=f"os{number}", reason=UpgradeReason.OS_IMAGE, image_version=f"1.0.{number}",
            started_at=NOW + number, status=RollingStatus.COMPLETED, ended_at=NOW + number + 0.5,
            started_by="Platform",
        )  # fmt: skip
    rolling.clock[0] = NOW + 100
    shown = [each["properties"] for each in rolling.get(f"{SET}/osUpgradeHistory")["value"]]
    assert [each["targetImageReference"]["exactVersion"] for each in shown] == [f"1.0.{n}" for n in (6, 5, 4, 3, 2)]
    assert shown[0]["startedBy"] == "Platform"
    assert shown[0]["runningStatus"] == {
        "code": "Completed",
        "startTime": "2023-11-14T22:13:26.000000Z",
        "endTime": "2023-11-14T22:13:26.500000Z",
    }
    assert shown[0]["rollbackInfo"] == {
        "successfullyRolledbackInstanceCount": 0,
        "failedRolledbackInstanceCount": 0,
    }
    rolling.clock[0] = NOW + 90 * 86_400
    assert rolling.get(f"{SET}/osUpgradeHistory") == {"value": []}, "two months are kept"


def test_the_history_tells_what_was_rolled_back_and_why(rolling: World) -> None:
    failure = Failure("MaxUnhealthyUpgradedInstancePercentExceededInRollingUpgrade", "1 of 1 is unhealthy.", NOW)
    an_upgrade(
        rolling, reason=UpgradeReason.OS_IMAGE, image_version="1.0.1", status=RollingStatus.FAULTED, ended_at=NOW,
        upgraded=(0, 1), failed=(0, 1), rolled_back=(0,), failure=failure,
    )  # fmt: skip
    [shown] = rolling.get(f"{SET}/osUpgradeHistory")["value"]
    rollback = shown["properties"]["rollbackInfo"]
    assert rollback["successfullyRolledbackInstanceCount"] == 1
    assert rollback["failedRolledbackInstanceCount"] == 1
    assert rollback["rollbackError"]["code"] == failure.code


def test_an_upgrade_of_the_image_goes_by_its_own_policy_unless_told_to_use_the_sets(rolling: World) -> None:
    an_upgrade(rolling, reason=UpgradeReason.OS_IMAGE)
    assert rolling.get(LATEST)["properties"]["policy"]["maxBatchInstancePercent"] == 20
    policy = {"automaticOSUpgradePolicy": {"useRollingUpgradePolicy": True}}
    assert rolling.send("PATCH", SET, {"properties": {"upgradePolicy": policy}}).status_code == 200
    assert rolling.get(LATEST)["properties"]["policy"]["maxBatchInstancePercent"] == 50


# A write after an upgrade has ended


@pytest.mark.parametrize("ended", [RollingStatus.FAULTED, RollingStatus.CANCELLED])
@pytest.mark.parametrize(
    "body", [{}, {"properties": {"upgradePolicy": {"rollingUpgradePolicy": {"maxBatchInstancePercent": 25}}}}]
)
def test_a_patch_starts_an_upgrade_again_that_did_not_come_to_its_end(
    rolling: World, ended: RollingStatus, body: dict[str, Any]
) -> None:
    old = an_upgrade(rolling, status=ended, ended_at=NOW, previous_model_version=1)
    assert rolling.send("PATCH", SET, body).status_code == 200
    fresh = latest(rolling)
    assert fresh.id != old.id
    assert (fresh.status, fresh.model_version, fresh.previous_model_version) == (
        RollingStatus.ROLLING_FORWARD,
        2,
        1,
    )


def test_another_capacity_starts_nothing_again(rolling: World) -> None:
    old = an_upgrade(rolling, status=RollingStatus.FAULTED, ended_at=NOW)
    assert rolling.send("PATCH", SET, {"sku": {"capacity": 5}}).status_code == 200
    assert latest(rolling) == old


def test_an_upgrade_that_completed_is_not_started_again(rolling: World) -> None:
    old = an_upgrade(rolling, status=RollingStatus.COMPLETED, ended_at=NOW)
    rolling.send("PATCH", SET, {})
    assert latest(rolling) == old


def test_nothing_is_started_again_where_nobody_is_behind(rolling: World) -> None:
    for number in range(4):
        rolling.change(number, model_version=2)
    old = an_upgrade(rolling, status=RollingStatus.CANCELLED, ended_at=NOW)
    rolling.send("PATCH", SET, {})
    assert latest(rolling) == old


def test_manual_mode_starts_nothing_again(rolling: World) -> None:
    old = an_upgrade(rolling, status=RollingStatus.CANCELLED, ended_at=NOW)
    rolling.send("PATCH", SET, {"properties": {"upgradePolicy": {"mode": "Manual"}}})
    assert latest(rolling) == old


# manualupgrade


def test_instances_of_the_batch_under_way_are_not_upgraded_by_hand(rolling: World) -> None:
    an_upgrade(rolling, batch={1: 1})
    answer = rolling.send("POST", f"{SET}/manualupgrade", {"instanceIds": ["0", "1"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "Conflict")
    assert rolling.rows()[0].model_version == 1, "nobody was touched"
    assert rolling.send("POST", f"{SET}/manualupgrade", {"instanceIds": ["0"]}).status_code == 202
    assert rolling.rows()[0].model_version == 2


def test_a_set_of_its_own_size_is_right_for_all_of_this(world: World) -> None:
    assert world.put(body=a_set(capacity=0, **{"upgradePolicy": {"mode": "Manual"}})).status_code == 201
    assert world.send("POST", f"{SET}/osRollingUpgrade").status_code == 202


def _change(world: World, properties: dict[str, Any], **envelope: Any) -> None:
    assert world.send("PATCH", SET, {"properties": properties, **envelope}).status_code == 200
    assert world.record.model_version == 2


def _upgraded(world: World) -> tuple[Any, str]:
    """Instance 0 after a manualupgrade, and what was told of it."""
    assert world.send("POST", f"{SET}/manualupgrade", {"instanceIds": ["0"]}).status_code == 202
    [told] = [each.reason for each in world.store.events() if each.instance_id == 0]
    return world.rows()[0], told


def test_another_size_costs_a_restart_on_the_same_disk(populated: World) -> None:
    _change(populated, {}, sku={"name": "Lab_Small"})
    row, told = _upgraded(populated)
    assert (row.generation, row.is_to_redefine, row.memory_mib, row.model_version) == (1, True, 512, 2)
    assert told == "upgrade to model 2 was asked for, by a restart: sku.name differs"


def test_what_is_only_kept_costs_nothing_and_is_not_waited_for(populated: World) -> None:
    _change(populated, {"virtualMachineProfile": {"diagnosticsProfile": {"bootDiagnostics": {"enabled": True}}}})
    before = populated.rows()[0]
    row, told = _upgraded(populated)
    assert row == before.but(model_version=2)
    assert "it costs nothing" in told
    [operation] = [each for each in populated.store.operations() if each.kind is OperationKind.UPGRADE]
    assert operation.instances == {}


def test_what_the_first_boot_writes_costs_a_new_disk(populated: World) -> None:
    _change(populated, {"virtualMachineProfile": {"osProfile": {"customData": "IyEvYmluL3No"}}})
    row, told = _upgraded(populated)
    assert (row.generation, row.host_key_public) == (2, "ssh-ed25519 NEW")
    assert told == "upgrade to model 2 was asked for, by a reimage: osProfile.customData differs"
