"""Guests frozen with SIGSTOP: libvirt takes them for running, so only their silence tells. Both ways of asking."""

from __future__ import annotations

from bodies import SERVICE, SERVICE_PORT, health, micro_set, script
from conftest import MakeSet
from system import epoch, qemus, wait_for

from orchestrator.lab import Lab, freeze_guest

PROBE_TIMEOUT_S = 30.0
PROBE = {"protocol": "http", "port": SERVICE_PORT, "requestPath": "/index.html", "intervalInSeconds": 5}
RICH = health("2.0", protocol="tcp", port=SERVICE_PORT)


def test_frozen_guests_are_found_by_their_silence_and_brought_back(make_set: MakeSet, healed: Lab) -> None:
    outside = make_set(
        "hung", micro_set(1, script(SERVICE), repair={"gracePeriod": "PT1S"}, externalHealthProbe=PROBE)
    )
    restarting = {"gracePeriod": "PT1S", "repairAction": "Restart"}
    inside = make_set("stuck", micro_set(1, script(SERVICE), RICH, repair=restarting))
    outside.wait_ready(0, is_healthy=True)
    inside.wait_ready(0, is_healthy=True)
    inside.run(0, "echo kept >/root/kept && sync")
    boot = inside.boot_id(0)
    last = outside.daemon.last_event()

    pids = {each.domain.partition(".")[0]: each.pid for each in qemus(healed)}
    frozen_at = [freeze_guest(healed, name).since for name in ("hung_0", "stuck_0")]

    outside.wait_ready(1, is_healthy=True)
    assert outside.fetch(1, port=SERVICE_PORT) == "hung000001\n"
    wait_for(lambda: any(event["kind"] == "repair" for event in inside.events(last)), "it is restarted", 90)
    inside.wait_ready(0, is_healthy=True)
    assert inside.boot_id(0) != boot
    assert inside.run(0, "cat /root/kept") == "kept\n", "its disk is the same"

    now = {each.domain.partition(".")[0]: each.pid for each in qemus(healed)}
    assert not {pids["hung_0"], pids["stuck_0"]} & set(now.values()), "a frozen process is still there"
    for tested, at in zip((outside, inside), frozen_at, strict=True):
        turned = next(each for each in tested.events(last) if each["kind"] == "health")
        assert "no answer within 30 s" in turned["reason"]
        assert epoch(turned["time"]) - at <= PROBE_TIMEOUT_S + 10
        assert not [each for each in tested.events(last) if each["kind"] == "guest_died"]
        repaired = next(each for each in tested.events(last) if "past its grace period" in each["reason"])
        print(
            f"{tested.name}: told after {epoch(turned['time']) - at:.1f} s, "
            f"repaired after {epoch(repaired['time']) - at:.1f} s"
        )
