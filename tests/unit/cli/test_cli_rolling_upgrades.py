from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fake_cli_daemon import OWN, FakeClock, FakeDaemon, Seen, Vmss

LATEST = "/rollingUpgrades/latest"


@pytest.fixture(autouse=True)
def web(daemon: FakeDaemon) -> None:
    daemon.add_set("web")


def an_upgrade(code: str = "RollingForward", error: Any = None, **progress: int) -> dict[str, Any]:
    counts = {f"{name}InstanceCount": count for name, count in progress.items()}
    properties: dict[str, Any] = {
        "runningStatus": {"code": code, "startTime": "2026-01-01T10:00:00.000000Z", "lastAction": "Start"},
        "progress": counts,
    }
    return {"name": "latest", "properties": {**properties, **({"error": error} if error else {})}}


def answers(daemon: FakeDaemon, *upgrades: dict[str, Any]) -> None:
    """One answer after the other; the last one stays."""
    left = list(upgrades)

    def answer(_seen: Seen) -> httpx.Response:
        return httpx.Response(200, json=left.pop(0) if len(left) > 1 else left[0])

    daemon.answers["GET", LATEST] = answer


FAULTED = an_upgrade(
    "Faulted",
    {
        "code": "MaxUnhealthyUpgradedInstancePercentExceededInRollingUpgrade",
        "message": "2 of 3 upgraded instances are unhealthy.",
        "details": [
            {"code": "VMExtensionProvisioningError", "target": "web_1", "message": "exit code 7"},
            {"code": "VMUnhealthy", "target": "web_2", "message": "it was Unhealthy"},
        ],
    },
    successful=1,
    failed=2,
)


@pytest.mark.parametrize(
    ("line", "ending"),
    [
        ("rolling-upgrade start web", "/osRollingUpgrade"),
        ("rolling-upgrade start -n web -g default --extensions", "/extensionRollingUpgrade"),
        ("rolling-upgrade cancel web", "/rollingUpgrades/cancel"),
    ],
)
def test_an_upgrade_is_begun_or_cancelled_and_then_shown(
    vmss: Vmss, daemon: FakeDaemon, line: str, ending: str
) -> None:
    answers(daemon, an_upgrade(successful=1, inProgress=1, pending=2), an_upgrade("Completed", successful=4))
    outcome = vmss(*line.split())
    assert outcome.code == 0, outcome.err
    [post] = daemon.sent("POST")
    assert post.path.endswith(f"/virtualMachineScaleSets/web{ending}")
    assert post.body is None
    assert "1 done, 1 in progress, 2 to go" in outcome.err
    assert "Completed" in outcome.out


def test_an_upgrade_of_the_model_is_tried_again_by_a_write_that_changes_nothing(
    vmss: Vmss, daemon: FakeDaemon
) -> None:
    answers(daemon, an_upgrade("Completed"))
    daemon.answers["PATCH", "/web"] = lambda _: httpx.Response(200, json={}, headers=daemon.begun())
    assert vmss("rolling-upgrade", "start", "web", "--model").code == 0
    [patch] = daemon.sent("PATCH")
    assert patch.body == {}


def test_two_upgrades_at_once_are_refused(vmss: Vmss, daemon: FakeDaemon) -> None:
    assert vmss("rolling-upgrade", "start", "web", "--model", "--extensions").code == 2
    assert daemon.sent("POST") == []


def test_nothing_is_waited_for_where_nobody_waits(vmss: Vmss, daemon: FakeDaemon, clock: FakeClock) -> None:
    assert vmss("rolling-upgrade", "start", "web", "--no-wait").code == 0
    assert clock.sleeps == []


def test_an_upgrade_that_faulted_shows_every_instance_that_failed(vmss: Vmss, daemon: FakeDaemon) -> None:
    answers(daemon, FAULTED)
    outcome = vmss("rolling-upgrade", "get-latest", "web")
    assert outcome.code == 0
    for words in ("Faulted", "web_1", "exit code 7", "web_2", "it was Unhealthy"):
        assert words in outcome.out


def test_programs_get_the_resource_as_it_is(vmss: Vmss, daemon: FakeDaemon) -> None:
    answers(daemon, FAULTED)
    outcome = vmss(
        "rolling-upgrade", "get-latest", "web", "--query", "properties.error.details[].target", "-o", "tsv"
    )
    assert outcome.out.split() == ["web_1", "web_2"]


def test_a_set_without_an_upgrade_is_said_to_have_none(vmss: Vmss) -> None:
    assert vmss("rolling-upgrade", "get-latest", "web").code == 3


@pytest.mark.parametrize(("end", "code"), [(an_upgrade("Completed", successful=2), 0), (FAULTED, 1)])
def test_an_upgrade_is_watched_batch_by_batch_to_its_end(
    vmss: Vmss, daemon: FakeDaemon, clock: FakeClock, end: dict[str, Any], code: int
) -> None:
    told = [
        ("2026-01-01T09:00:00.000000Z", "rolling_upgrade", "an upgrade of long ago"),
        ("2026-01-01T10:00:00.000000Z", "rolling_upgrade", "it begins"),
        ("2026-01-01T10:00:01.000000Z", "create", "something else"),
        ("2026-01-01T10:00:02.000000Z", "rolling_upgrade", "batch 1: web_0"),
    ]
    events = [{"seq": n, "time": at, "kind": kind, "reason": why} for n, (at, kind, why) in enumerate(told, 1)]
    daemon.answers["GET", f"{OWN}/events"] = _pages(events)
    answers(daemon, an_upgrade(), an_upgrade(), end)
    outcome = vmss("rolling-upgrade", "get-latest", "web", "--watch")
    assert outcome.code == code
    lines = [line.split("  ", 1)[1] for line in outcome.err.splitlines()]
    assert lines == ["it begins", "batch 1: web_0"]
    assert end["properties"]["runningStatus"]["code"] in outcome.out


def _pages(events: list[dict[str, Any]]) -> Callable[[Seen], httpx.Response]:
    def answer(seen: Seen) -> httpx.Response:
        after = int(seen.query["after"])
        found = [each for each in events if each["seq"] > after][:1]
        return httpx.Response(200, json={"value": found, "next": found[-1]["seq"] if found else after})

    return answer


def test_the_history_lists_versions_of_the_image(vmss: Vmss, daemon: FakeDaemon) -> None:
    properties = {
        "runningStatus": {"code": "Completed", "startTime": "2026-01-01T10:00:00Z"},
        "targetImageReference": {"exactVersion": "1.0.7"},
        "startedBy": "Platform",
        "rollbackInfo": {"successfullyRolledbackInstanceCount": 0},
    }
    daemon.answers["GET", "/osUpgradeHistory"] = lambda _: httpx.Response(
        200, json={"value": [{"properties": properties}]}
    )
    outcome = vmss("get-os-upgrade-history", "web")
    assert outcome.code == 0
    assert "1.0.7" in outcome.out and "Platform" in outcome.out


def test_the_mode_is_set_by_the_generic_update(vmss: Vmss, daemon: FakeDaemon) -> None:
    assert vmss("update", "web", "--set", "upgradePolicy.mode=Rolling").code == 0
    [put] = daemon.sent("PUT")
    assert put.body["properties"]["upgradePolicy"]["mode"] == "Rolling"
