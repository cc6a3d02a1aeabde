"""Count, protection and place on real guests: extras and the gaps they leave, protection, moves, another size."""

from __future__ import annotations

import pytest
from bodies import micro_set
from conftest import MakeSet
from system import TestedSet, codes_of, qemus, wait_for

from orchestrator.lab import Lab


def test_the_first_to_come_up_are_kept_and_the_ids_have_gaps(make_set: MakeSet, lab: Lab) -> None:
    extras = make_set("extras", micro_set(2, overprovision=True))
    wait_for(lambda: len(extras.ids()) > 2, "more are started than wanted")
    started = set(extras.ids())
    wait_for(lambda: len(extras.ids()) == 2 and extras.are_ready(*extras.ids()), "two are kept, the rest is gone")
    kept = set(extras.ids())
    assert kept < started
    wait_for(lambda: len([g for g in qemus(lab) if g.domain.startswith("extras_")]) == 2, "two guests run")
    extras.wait(extras.scale(3))
    newest = max(extras.ids())
    assert newest > max(started), "ids of extras are never used again"
    surplus = {each["instanceId"] for each in extras.events() if "came up first" in each["reason"]}
    assert {str(number) for number in started - kept} <= {str(number) for number in surplus}


@pytest.fixture(scope="module")
def guarded(make_set: MakeSet) -> TestedSet:
    guarded = make_set("guarded", micro_set(2))
    guarded.wait_ready(0, 1)
    return guarded


def _vmss(tested: TestedSet, *arguments: str) -> str:
    done = tested.daemon.vmss(*arguments, "-g", "tests")
    assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_protected_instance_stays_when_the_set_shrinks(guarded: TestedSet) -> None:
    protect = ("update", "guarded", "--instance-id", "1", "--set", "protectionPolicy.protectFromScaleIn=true")
    _vmss(guarded, *protect)
    boot = guarded.boot_id(1)
    guarded.wait(guarded.scale(1))
    assert guarded.ids() == [1], "the highest id leaves first, but for its protection"
    assert guarded.boot_id(1) == boot
    guarded.wait(guarded.scale(0))
    assert guarded.ids() == [1], "it outnumbers the wanted rather than leave"
    _vmss(guarded, "update", "guarded", "--instance-id", "1", "--remove", "protectionPolicy.protectFromScaleIn")
    wait_for(lambda: guarded.ids() == [], "unprotected, it leaves")


def test_what_is_protected_from_set_actions_is_left_out_of_them(guarded: TestedSet) -> None:
    guarded.wait(guarded.scale(2))
    first, second = guarded.ids()
    flag = "protectionPolicy.protectFromScaleSetActions=true"
    _vmss(guarded, "update", "guarded", "--instance-id", str(first), "--set", flag)
    boots = {number: guarded.boot_id(number) for number in (first, second)}
    guarded.do("restart")
    assert guarded.boot_id(first) == boots[first]
    assert guarded.boot_id(second) != boots[second]
    guarded.do("restart", first)
    assert guarded.boot_id(first) != boots[first], "who names an instance means it"


def test_a_redeployed_guest_runs_on_another_host_with_its_disk(make_set: MakeSet, lab: Lab) -> None:
    moved = make_set("moved", micro_set(1))
    moved.wait_ready(0)
    moved.run(0, "echo kept >/root/kept && sync")
    before, address = moved.view(0)["assignedHost"], moved.address(0)
    _vmss(moved, "redeploy", "moved", "--instance-ids", "0")
    after = moved.view(0)["assignedHost"]
    assert after != before
    assert moved.run(0, "cat /root/kept") == "kept\n"
    assert moved.address(0) == address
    volumes = {each["host"] for each in moved.daemon.census("owned") if each["instance"] == "moved_0"}
    assert volumes == {after}, "nothing of it is left behind"


def test_another_size_is_another_domain_on_the_same_disk(make_set: MakeSet) -> None:
    grown = make_set("grown", micro_set(1))
    grown.wait_ready(0)
    grown.run(0, "echo kept >/root/kept && sync")
    memory_kib = int(grown.run(0, "awk '/MemTotal/ {print $2}' /proc/meminfo"))
    _vmss(grown, "update", "grown", "--set", "sku.name=Lab_Small")
    assert "restart" in _vmss(grown, "diff", "grown")
    _vmss(grown, "update-instances", "grown", "--instance-ids", "0")
    assert int(grown.run(0, "awk '/MemTotal/ {print $2}' /proc/meminfo")) > 2 * memory_kib
    assert grown.run(0, "cat /root/kept") == "kept\n"
    assert "ProvisioningState/succeeded" in codes_of(grown.instances()[0])
