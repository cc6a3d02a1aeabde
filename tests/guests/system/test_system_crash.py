"""The daemon is killed, again and again, and always goes on where it was."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from bodies import SERVICE, SERVICE_HEALTH, SERVICE_PORT, micro_set, script
from conftest import MakeDaemon, MakeSet
from system import Daemon, Json, TestedSet, qemus, wait_for

from orchestrator.errors import VmssError
from orchestrator.lab import Lab, kill_guest

MOST = 3
PHASE_WITHIN_S = 15.0
# Event kinds and phases in whose wake the daemon is killed; None is any moment, also before it answers at all.
OUTWARD = (("create", "before"), ("create", "after"), ("await", "before"), ("extension", "before"), None, None)
INWARD = (("delete", "after"), ("remove", "before"), None, None)


@dataclass
class Reaper:
    """Kills the daemon at chosen moments, starts it again, and counts what runs meanwhile."""

    tested: TestedSet
    lab: Lab
    random: random.Random
    kills: list[str] = field(default_factory=list)
    offences: list[str] = field(default_factory=list)

    @property
    def daemon(self) -> Daemon:
        return self.tested.daemon

    def strike(self, moment: tuple[str, str] | None) -> None:
        begun_at = time.monotonic()
        if moment is None:
            self._start_anew_and(lambda: time.sleep(self.random.uniform(0.0, 2.5)), "at any moment")
            return
        self._start_anew_and(lambda: self._await(*moment), f"after {' '.join(moment)}")
        self.kills[-1] += f", {time.monotonic() - begun_at:.1f} s"

    def _start_anew_and(self, wait: Callable[[], None], when: str) -> None:
        """The daemon runs when this begins, or has just been launched by the strike before."""
        wait()
        time.sleep(self.random.uniform(0.0, 0.2))
        self.daemon.kill()
        self.kills.append(when)
        self._count()
        self.daemon.launch()

    def _await(self, kind: str, phase: str) -> None:
        """Until such an event is written by the process that runs now."""
        wait_for(self.daemon.is_answering, "the daemon's answer", 30, 0.02)
        already = self._newest
        until = time.monotonic() + PHASE_WITHIN_S
        while time.monotonic() < until:
            events = self.tested.events(already)
            if any((each["kind"], each["phase"]) == (kind, phase) for each in events):
                break
            time.sleep(0.02)
        else:
            self.kills.append(f"(no {kind} {phase} came)")
        self._newest = self.daemon.last_event()

    _newest: int = 0

    def _count(self) -> None:
        """While the daemon is dead, what runs is what it left behind."""
        running = [each for each in qemus(self.lab) if each.domain.startswith(f"{self.tested.name}_")]
        twice = [uuid for uuid, count in Counter(each.uuid for each in running).items() if count > 1]
        self.offences += [f"{uuid} runs twice" for uuid in twice]
        if len(running) > MOST:
            self.offences.append(f"{len(running)} run: {[each.domain for each in running]}")


@pytest.fixture(scope="module")
def mortal(make_daemon: MakeDaemon) -> Daemon:
    mortal = make_daemon("mortal")
    mortal.start()
    return mortal


@pytest.mark.timeout(400)
def test_twenty_kills_of_the_daemon_lose_nothing_and_leave_nothing(
    make_set: MakeSet, mortal: Daemon, lab: Lab
) -> None:
    seed = int(os.environ.get("VMSS_TEST_SEED") or random.randrange(2**32))
    print(f"seed {seed}: VMSS_TEST_SEED={seed} repeats it")
    crash = make_set("crash", micro_set(1, script(SERVICE), SERVICE_HEALTH), on=mortal)
    crash.wait_ready(0, is_healthy=True)
    boot = crash.boot_id(0)
    reaper = Reaper(crash, lab, random.Random(seed))
    began = time.monotonic()
    for capacity, moments in ((MOST, OUTWARD), (1, INWARD), (MOST, OUTWARD), (1, INWARD)):
        wait_for(mortal.is_answering, "the daemon's answer", 30, 0.05)
        reaper._newest = mortal.last_event()
        crash.scale(capacity)
        for moment in moments:
            reaper.strike(moment)
    print(f"{len(reaper.kills)} strikes in {time.monotonic() - began:.0f} s: {'; '.join(reaper.kills)}")
    assert len([each for each in reaper.kills if not each.startswith("(")]) == 20

    wait_for(mortal.is_answering, "the daemon's answer", 30, 0.05)
    wait_for(lambda: crash.ids() == [0], "of the set only instance 0 is there")
    crash.wait(crash.scale(MOST))
    newest = crash.ids()
    crash.wait_ready(*newest, is_healthy=True)
    assert crash.boot_id(0) == boot, "it served all the time"
    assert reaper.offences == []
    _check_whole(crash, lab)
    _check_ids_never_repeat(crash)


def _check_whole(crash: TestedSet, lab: Lab) -> None:
    """Exactly the wanted guests, each once, and nothing else of theirs."""
    ids = crash.ids()
    assert len(ids) == MOST
    wait_for(lambda: not crash.daemon.strays(), "nothing stray is left", 30)
    running = Counter(each.domain.partition(".")[0] for each in qemus(lab))
    assert {name: count for name, count in running.items() if name.startswith("crash_")} == {
        f"crash_{number}": 1 for number in ids
    }
    assert len(crash.left("domain")) == MOST
    volumes = Counter(name.split("-", 5)[5] for name in crash.left("volume"))
    assert volumes == {"disk.qcow2": MOST, "seed.iso": MOST, "serial.log": MOST}
    for number in ids:
        assert crash.fetch(number, port=SERVICE_PORT) == f"crash{number:06d}\n"


def _check_ids_never_repeat(crash: TestedSet) -> None:
    added = [each["instanceId"] for each in crash.events() if each["kind"] == "add"]
    assert len(added) == len(set(added))


def _steps(events: list[Json]) -> list[str]:
    """What was done or begun, as against what was only noticed."""
    return [f"{each['kind']} {each['instanceId']}: {each['reason']}" for each in events if each["phase"] != "note"]


@pytest.fixture(scope="module")
def steady(make_set: MakeSet, mortal: Daemon) -> TestedSet:
    steady = make_set(
        "steady", micro_set(2, script(SERVICE), SERVICE_HEALTH, repair={"gracePeriod": "PT1S"}), on=mortal
    )
    steady.wait_ready(0, 1, is_healthy=True)
    return steady


@pytest.mark.parametrize("end", [Daemon.stop, Daemon.kill], ids=["asked", "killed"])
def test_a_restart_of_the_daemon_disturbs_nothing(steady: TestedSet, end: Callable[[Daemon], None]) -> None:
    ids = steady.ids()
    boots = {number: steady.boot_id(number) for number in ids}
    before = steady.daemon.last_event()
    end(steady.daemon)
    assert steady.daemon.process is not None
    steady.daemon.start()
    steady.wait_ready(*ids, is_healthy=True)
    assert _steps(steady.daemon.events(before)) == []
    assert {number: steady.boot_id(number) for number in ids} == boots


def test_a_guest_that_dies_while_nobody_looks_is_replaced_when_the_daemon_is_back(
    steady: TestedSet, lab: Lab
) -> None:
    gone, stays = steady.ids()[0], steady.ids()[1]
    boot = steady.boot_id(stays)
    steady.daemon.kill()
    kill_guest(lab, f"steady_{gone}")
    steady.daemon.start()
    new = max(stays, gone) + 1
    steady.wait_ready(stays, new, is_healthy=True)
    assert steady.boot_id(stays) == boot


def test_a_second_daemon_on_the_same_state_is_refused(mortal: Daemon) -> None:
    first = mortal.process
    mortal.launch()
    second, mortal.process = mortal.process, first
    assert second is not None
    assert second.wait(30) != 0
    assert "Another vmssd already runs" in mortal.log()
    assert mortal.is_answering()
    with pytest.raises(VmssError):
        mortal.client.get("/providers/Vmss.Local/nothing")
