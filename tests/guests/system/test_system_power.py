"""Start, restart, power off, deallocate, reimage and delete, on a guest that keeps a file on its disk."""

from __future__ import annotations

import pytest
from bodies import micro_set
from conftest import MakeSet
from system import TestedSet, codes_of, qemus, wait_for

from orchestrator.errors import NotFound
from orchestrator.lab import Lab


@pytest.fixture(scope="module")
def powered(make_set: MakeSet) -> TestedSet:
    """One guest with a file on its disk. Every test leaves it running."""
    powered = make_set("power", micro_set(2))
    powered.wait_ready(0, 1)
    powered.run(0, "echo kept >/root/kept && sync")
    return powered


def _is_running(lab: Lab, instance: str) -> bool:
    return any(guest.domain.startswith(f"{instance}.") for guest in qemus(lab))


def _told(powered: TestedSet, kind: str) -> list[str]:
    return [each["reason"] for each in powered.events() if each["kind"] == kind and each["phase"] == "after"]


def _owned(powered: TestedSet, kind: str) -> list[str]:
    return [
        each["name"]
        for each in powered.daemon.census("owned")
        if each["kind"] == kind and each["instance"] == "power_0"
    ]


def test_a_guest_powers_off_when_asked_and_starts_on_the_same_disk(powered: TestedSet, lab: Lab) -> None:
    boot = powered.boot_id(0)
    powered.do("powerOff", 0)
    assert "PowerState/stopped" in codes_of(powered.instances()[0])
    assert not _is_running(lab, "power_0")
    assert _is_running(lab, "power_1"), "only the one that was named"
    assert _told(powered, "stop") == ["powered off when asked"]
    assert "powering off" in powered.client.send("GET", powered.path("virtualMachines", "0", "console")).text

    powered.do("start", 0)
    assert powered.run(0, "cat /root/kept") == "kept\n"
    assert powered.boot_id(0) != boot


def test_a_plug_is_pulled_where_that_is_asked_for(powered: TestedSet, lab: Lab) -> None:
    powered.do("powerOff", 0, skipShutdown="true")
    assert not _is_running(lab, "power_0")
    assert _told(powered, "stop")[-1] == "power cut"
    powered.do("start")
    assert powered.run(0, "cat /root/kept") == "kept\n"


def test_a_restart_is_another_boot_on_the_same_disk(powered: TestedSet) -> None:
    boots = {number: powered.boot_id(number) for number in (0, 1)}
    powered.do("restart", 0)
    assert powered.boot_id(0) != boots[0]
    assert powered.boot_id(1) == boots[1]
    assert powered.run(0, "cat /root/kept") == "kept\n"


def test_a_deallocated_guest_gives_up_its_domain_and_keeps_its_disk(powered: TestedSet, lab: Lab) -> None:
    address = powered.address(0)
    powered.do("deallocate", 0)
    assert "PowerState/deallocated" in codes_of(powered.instances()[0])
    assert not _is_running(lab, "power_0")
    assert _owned(powered, "domain") == []
    assert any(name.endswith("-disk.qcow2") for name in _owned(powered, "volume"))

    powered.do("start", 0)
    assert powered.run(0, "cat /root/kept") == "kept\n"
    assert powered.address(0) == address


def test_a_reimaged_guest_has_a_new_disk_under_its_old_id_and_address(powered: TestedSet) -> None:
    before = powered.connection(0)
    powered.do("reimage", 0)
    assert powered.run(0, "ls /root") == ""
    after = powered.connection(0)
    assert after["address"] == before["address"]
    assert after["hostKey"] != before["hostKey"]
    disks = [name for name in _owned(powered, "volume") if name.endswith("-disk.qcow2")]
    assert [name.split("-")[4] for name in disks] == ["g2"], "the old disk is gone"
    powered.run(0, "echo kept >/root/kept && sync")


def test_deleting_an_instance_by_its_id_lowers_the_capacity(powered: TestedSet, lab: Lab) -> None:
    powered.do("delete", 1)
    assert powered.ids() == [0]
    assert powered.client.get(powered.path())["sku"]["capacity"] == 1
    assert not _is_running(lab, "power_1")
    assert powered.run(0, "cat /root/kept") == "kept\n"

    powered.wait(powered.scale(2))
    assert powered.ids() == [0, 2], "an id is never used twice"


def test_a_set_that_is_deleted_while_its_guests_are_made_leaves_nothing(make_set: MakeSet, lab: Lab) -> None:
    brief = make_set("brief", micro_set(3))
    wait_for(lambda: len(brief.ids()) == 3, "the guests are begun", every_s=0.02)
    brief.delete()
    assert brief.daemon.strays() == []
    assert not any(_is_running(lab, f"brief_{number}") for number in range(3))
    with pytest.raises(NotFound):
        brief.client.get(brief.path())
