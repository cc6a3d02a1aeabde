"""Hibernation: a guest's memory is saved on its host, and it goes on from there."""

from __future__ import annotations

import time

import pytest
from bodies import micro_set
from conftest import MakeSet
from system import Daemon, TestedSet, codes_of, is_served, qemus, wait_for

from orchestrator.lab import Lab

AWAKE_WITHIN_S = 1.5
_ASLEEP = {"PowerState/deallocated", "HibernationState/Hibernated"}


@pytest.fixture(scope="module")
def sleeper(make_set: MakeSet) -> TestedSet:
    """One guest with a note in its memory. Every test leaves it running."""
    sleeper = make_set("nap", micro_set(1, additionalCapabilities={"hibernationEnabled": True}))
    sleeper.wait_ready(0)
    sleeper.run(0, "mount | grep -q ' /run type tmpfs' && echo remembered >/run/note")
    return sleeper


def _up_s(sleeper: TestedSet) -> float:
    return float(sleeper.run(0, "cat /proc/uptime").split()[0])


def _is_off(lab: Lab) -> bool:
    return not any(guest.domain.startswith("nap_0.") for guest in qemus(lab))


def test_a_hibernated_guest_is_off_and_serves_again_at_once_with_its_memory(sleeper: TestedSet, lab: Lab) -> None:
    boot, up_s, url = sleeper.boot_id(0), _up_s(sleeper), f"http://{sleeper.address(0)}/"
    sleeper.do("deallocate", 0, hibernate="true")
    assert _is_off(lab)
    assert codes_of(sleeper.instances()[0]) >= _ASLEEP
    began = time.monotonic()
    reply = sleeper.post("start", 0)
    wait_for(lambda: is_served(lab, url, 0.2), "its page", every_s=0.02)
    took_s = time.monotonic() - began
    print(f"a hibernated micro guest answered HTTP {took_s:.2f} s after its start was asked for")
    sleeper.wait(reply)
    assert sleeper.run(0, "cat /run/note") == "remembered\n"
    assert sleeper.boot_id(0) == boot
    assert _up_s(sleeper) >= up_s
    assert took_s < AWAKE_WITHIN_S


def test_a_guest_sleeps_on_while_the_daemon_is_killed_and_started_again(
    sleeper: TestedSet, daemon: Daemon, lab: Lab
) -> None:
    boot = sleeper.boot_id(0)
    sleeper.do("deallocate", 0, hibernate="true")
    last = daemon.last_event()
    daemon.kill()
    daemon.start()
    wait_for(lambda: codes_of(sleeper.instances()[0]) >= _ASLEEP, "it is seen asleep")
    assert _is_off(lab)
    assert [each for each in sleeper.events(last) if each["kind"] in {"create", "repair", "remove"}] == []
    sleeper.do("start", 0)
    assert sleeper.boot_id(0) == boot


def test_power_taken_from_a_sleeping_guest_for_good_takes_its_memory_too(sleeper: TestedSet) -> None:
    boot = sleeper.boot_id(0)
    sleeper.do("deallocate", 0, hibernate="true")
    sleeper.do("deallocate", 0)
    assert "HibernationState/Hibernated" not in codes_of(sleeper.instances()[0])
    sleeper.do("start", 0)
    assert sleeper.boot_id(0) != boot
