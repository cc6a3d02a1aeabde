"""Hosts that fall silent, lose their libvirt, or run out of disk, while guests are wanted."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pytest
from bodies import SERVICE, SERVICE_HEALTH, micro_set, script
from conftest import HOST_LEASE_S, MakeSet
from system import Json, TestedSet, codes_of, epoch, kill_libvirtd, qemus, wait_for

from orchestrator.cli.faults import ApiError
from orchestrator.errors import VmssError
from orchestrator.lab import Lab, fill_pool, stop_host

SAMPLE_EVERY_S = 0.2


@dataclass
class Witness:
    """What was seen of one set from beginning to end, by someone who only looks."""

    tested: TestedSet
    looks: int = 0
    offences: list[str] = field(default_factory=list)
    owners: dict[str, set[str]] = field(default_factory=dict)  # address -> instances that had it

    def __post_init__(self) -> None:
        self.client = self.tested.daemon.new_client()

    def look(self, lab: Lab) -> None:
        running = [each for each in qemus(lab) if each.domain.startswith(f"{self.tested.name}_")]
        twice = [name for name, count in Counter(each.uuid for each in running).items() if count > 1]
        self.offences += [f"{name} runs twice" for name in twice]
        with suppress(VmssError):
            there = self.tested.instances(self.client)
            for number in there:
                path = self.client.path_of(self.tested.ref, "virtualMachines", str(number), "connection")
                self.owners.setdefault(self.client.get(path)["address"], set()).add(f"{self.tested.name}_{number}")
        self.looks += 1

    def check(self) -> None:
        assert self.looks > 10
        assert self.offences == []
        assert {address: names for address, names in self.owners.items() if len(names) > 1} == {}


@contextmanager
def watched(tested: TestedSet, lab: Lab) -> Iterator[Witness]:
    """Look at the set all the time beside the test."""
    witness, is_over = Witness(tested), threading.Event()

    def run() -> None:
        while not is_over.wait(SAMPLE_EVERY_S):
            witness.look(lab)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield witness
    finally:
        is_over.set()
        thread.join()
        witness.client.close()


def _placed(tested: TestedSet) -> dict[str, int]:
    """Which instance is on which host, as the events tell it."""
    return {
        e["host"]: int(e["instanceId"]) for e in tested.events() if e["kind"] == "create" and e["phase"] == "after"
    }


def _of(events: list[Json], kind: str, number: int) -> Json:
    return next(each for each in events if each["kind"] == kind and each["instanceId"] == str(number))


def test_a_silent_hosts_guests_are_unreachable_then_replaced_and_fenced_when_it_is_back(
    make_set: MakeSet, healed: Lab
) -> None:
    three = make_set("three", micro_set(3, script(SERVICE), SERVICE_HEALTH))
    three.wait_ready(0, 1, 2, is_healthy=True)
    lost = _placed(three)["h2"]
    stays = [number for number in (0, 1, 2) if number != lost]
    boots = {number: three.boot_id(number) for number in stays}
    with watched(three, healed) as witness:
        before = three.daemon.last_event()
        at = time.time()
        stop_host(healed, "h2")
        wait_for(lambda: "PowerState/unknown" in codes_of(three.instances()[lost]), "it is unreachable", 10)
        assert len(three.ids()) == 3, "silence is not death"

        wait_for(lambda: _is_replaced(three, lost), "it is replaced")
        declared = _of(three.events(before), "declare_lost", lost)
        assert epoch(declared["time"]) - at >= HOST_LEASE_S, "not before its lease is over"
        assert any(each.host == "h2" for each in qemus(healed)), "cut off, the lost guest runs on"

        healed.heal("h2")
        three.wait_ready(*stays, 3, is_healthy=True)
    witness.check()
    assert {number: three.boot_id(number) for number in stays} == boots
    assert [each for each in qemus(healed) if each.host == "h2"] == []
    _check_fenced_first(three.events(before), lost)


def _is_replaced(three: TestedSet, lost: int) -> bool:
    there = three.instances()
    is_healthy = {"PowerState/running", "HealthState/healthy"} <= codes_of(there[3]) if 3 in there else False
    return is_healthy and there[lost]["properties"]["provisioningState"] == "Deleting"


def _check_fenced_first(events: list[Json], lost: int) -> None:
    """After the host answered again, the first thing done on it was to remove what was lost."""
    done = [each for each in events if each["host"] == "h2" and each["phase"] in {"before", "after"}]
    assert [(each["kind"], each["instanceId"]) for each in done] == [("remove", str(lost))] * 2


def test_full_pools_fail_instances_by_name_and_room_brings_them_up(make_set: MakeSet, healed: Lab) -> None:
    for host in ("h1", "h2", "h3"):
        fill_pool(healed, host)
    full = make_set("full", micro_set(2))
    with pytest.raises(ApiError) as failure:
        full.wait(full.creation)
    assert failure.value.code == "AllocationFailed"
    for number, instance in full.instances().items():
        message = _failed_for_room(instance)
        assert "disk" in message
        assert re.search(r"\bh[123]\b", message), "it says where"
        assert f"full_{number}" in failure.value.message
    assert full.left() == [], "nothing is half made"

    healed.heal()
    full.wait_ready(0, 1)


def _failed_for_room(instance: Json) -> str:
    for status in instance["properties"]["instanceView"]["statuses"]:
        if status["code"] == "ProvisioningState/failed/AllocationFailed":
            return str(status["message"])
    return ""


def test_a_libvirt_that_goes_away_during_a_scale_out_holds_up_no_other_host(make_set: MakeSet, healed: Lab) -> None:
    out = make_set("out", micro_set(3))
    begun = wait_for(lambda: _begun(out), "a guest is begun", every_s=0.02)
    victim = begun[0]["host"]
    kill_libvirtd(healed, victim)
    there = {int(each["instanceId"]) for each in _begun(out) if each["host"] == victim}
    others = [number for number in range(3) if number not in there]
    wait_for(lambda: _run(out, *others), "the others are up")
    healed.heal(victim)
    wait_for(lambda: _settled(out), "three instances are up and nothing else is there")
    assert set(others) <= set(out.ids()), "those that were well have stayed"
    wait_for(lambda: not out.daemon.strays(), "nothing stray is left")
    running = Counter(each.domain.partition(".")[0] for each in qemus(healed))
    assert {name: count for name, count in running.items() if name.startswith("out_")} == {
        f"out_{number}": 1 for number in out.ids()
    }


def _begun(out: TestedSet) -> list[Json]:
    return [each for each in out.events() if each["kind"] == "create" and each["phase"] == "before"]


def _run(out: TestedSet, *numbers: int) -> bool:
    there = out.instances()
    return all("PowerState/running" in codes_of(there[number]) for number in numbers)


def _settled(out: TestedSet) -> bool:
    ids = out.ids()
    return len(ids) == 3 and out.are_ready(*ids)
