"""Guests that die or turn sick are noticed, and brought back in the way their set asks for."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from bodies import SERVICE, SERVICE_HEALTH, SERVICE_PORT, STOP_SERVICE, micro_set, script
from conftest import MakeSet
from system import Json, TestedSet, epoch, wait_for

from orchestrator.lab import Lab, kill_guest

NOTICED_WITHIN_S = 0.75  # libvirt takes the filter of its card down before it tells: 0.3 s of it
ACTIONS = ("Replace", "Restart", "Reimage")


def test_a_killed_guest_is_noticed_within_three_quarters_of_a_second_and_replaced(
    make_set: MakeSet, lab: Lab
) -> None:
    web = make_set("deaths", micro_set(2, script(SERVICE), SERVICE_HEALTH, repair={"gracePeriod": "PT1S"}))
    web.wait_ready(0, 1, is_healthy=True)
    boot = web.boot_id(1)
    before = web.daemon.last_event()

    kill = kill_guest(lab, "deaths_0")
    died = wait_for(lambda: _of_kind(web, "guest_died", before), "the death is noticed", every_s=0.02)[0]
    assert died["instanceId"] == "0"
    assert died["host"] == kill.guest.host
    assert epoch(died["time"]) - kill.at <= NOTICED_WITHIN_S

    web.wait_ready(1, 2, is_healthy=True)
    assert web.fetch(2, port=SERVICE_PORT) == "deaths000002\n"
    assert web.boot_id(1) == boot, "the other guest was left alone"
    print(f"noticed after {epoch(died['time']) - kill.at:.3f} s")


def _of_kind(tested: TestedSet, kind: str, after: int) -> list[Json]:
    return [event for event in tested.events(after) if event["kind"] == kind]


def test_a_killed_guest_is_started_again_where_it_is_when_nothing_else_was_asked_for(
    make_set: MakeSet, lab: Lab
) -> None:
    plain = make_set("plain", micro_set(1))
    plain.wait_ready(0)
    boot, address = plain.boot_id(0), plain.address(0)
    plain.run(0, "echo kept >/root/kept && sync")
    kill_guest(lab, "plain_0")
    wait_for(lambda: _of_kind(plain, "repair", 0), "it is repaired")
    plain.wait_ready(0)
    assert plain.boot_id(0) != boot
    assert plain.address(0) == address
    assert plain.run(0, "cat /root/kept") == "kept\n"


@dataclass
class Sick:
    """One instance of each set as it was before its service was stopped."""

    tested: TestedSet
    boot: str
    host_key: str
    last_event: int


@pytest.fixture(scope="module")
def sick(make_set: MakeSet) -> dict[str, Sick]:
    """Three sets of one guest, each with another repair action, whose services are stopped all at once."""
    sets = {
        action: make_set(
            action.lower(),
            micro_set(1, script(SERVICE), SERVICE_HEALTH, repair={"gracePeriod": "PT1S", "repairAction": action}),
        )
        for action in ACTIONS
    }
    for tested in sets.values():
        tested.wait_ready(0, is_healthy=True)
    sets["Restart"].client.send(
        "POST", sets["Restart"].path("setOrchestrationServiceState"), body=_service("Suspend")
    )
    found = {}
    for action, tested in sets.items():
        tested.run(0, "echo kept >/root/kept && sync")
        last = tested.daemon.last_event()
        found[action] = Sick(tested, tested.boot_id(0), tested.connection(0)["hostKey"], last)
    for tested in sets.values():
        tested.run(0, STOP_SERVICE)
    return found


def _service(action: str) -> Json:
    return {"serviceName": "AutomaticRepairs", "action": action}


def test_an_unhealthy_guest_is_replaced_by_another(sick: dict[str, Sick]) -> None:
    was = sick["Replace"]
    was.tested.wait_ready(1, is_healthy=True)
    assert was.tested.fetch(1, port=SERVICE_PORT) == "replace000001\n"
    _assert_waited_for_its_grace(was)


def test_an_unhealthy_guest_is_reimaged_under_its_own_id_and_address(sick: dict[str, Sick]) -> None:
    was = sick["Reimage"]
    wait_for(lambda: _of_kind(was.tested, "repair", was.last_event), "it is repaired")
    was.tested.wait_ready(0, is_healthy=True)
    assert was.tested.run(0, "ls /root") == "", "its disk is new"
    assert was.tested.connection(0)["hostKey"] != was.host_key, "a new disk has a new host key"
    _assert_waited_for_its_grace(was)


def test_an_unhealthy_guest_is_left_alone_while_repairs_are_suspended_and_restarted_after(
    sick: dict[str, Sick],
) -> None:
    was = sick["Restart"]
    note = "automatic repairs are suspended"
    wait_for(lambda: [e for e in was.tested.events(was.last_event) if e["reason"] == note], "it is said", every_s=1)
    # The others turned sick at the same moment and have been repaired: this one has had its time as well.
    wait_for(lambda: _of_kind(sick["Reimage"].tested, "repair", 0), "the others are repaired")
    assert was.tested.boot_id(0) == was.boot

    was.tested.client.send("POST", was.tested.path("setOrchestrationServiceState"), body=_service("Resume"))
    wait_for(lambda: _of_kind(was.tested, "repair", was.last_event), "it is repaired")
    was.tested.wait_ready(0, is_healthy=True)
    assert was.tested.boot_id(0) != was.boot
    assert was.tested.run(0, "cat /root/kept") == "kept\n", "its disk is the same"
    assert was.tested.connection(0)["hostKey"] == was.host_key


def _assert_waited_for_its_grace(was: Sick) -> None:
    """It was repaired once its health was bad and the picture had stood still, never before."""
    events = was.tested.events(was.last_event)
    turned = next(each for each in events if each["kind"] == "health" and "Unhealthy" in each["reason"])
    repaired = next(each for each in events if "past its grace period" in each["reason"])
    assert epoch(repaired["time"]) - epoch(turned["time"]) >= 1.0
