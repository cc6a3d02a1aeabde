"""A guest that says that it is busy is left alone until it is free, and no longer than its deadline."""

from __future__ import annotations

from bodies import micro_set
from conftest import MakeSet
from system import TestedSet, wait_for

BE_BUSY = "mkdir -p /var/www && echo working >/var/www/busy"


def told(one: TestedSet, words: str) -> bool:
    return any(each["kind"] == "busy" and words in each["reason"] for each in one.events())


def test_a_busy_guest_is_deleted_when_it_is_free_or_at_its_deadline(make_set: MakeSet) -> None:
    probe = {"port": 80, "requestPath": "/busy", "deadline": "PT2M"}
    patient = make_set("patient", micro_set(1, busyProbe=probe))
    short = make_set("short", micro_set(1, busyProbe={**probe, "deadline": "PT4S"}))
    patient.wait_ready(0)
    short.wait_ready(0)
    for one in (patient, short):
        one.run(0, BE_BUSY)
    patient.scale(0)
    short.wait(short.scale(0))
    assert told(short, "still busy at its deadline")
    assert short.ids() == []
    wait_for(lambda: told(patient, "left alone until it is free"), "it is asked")
    assert patient.left("domain"), "its guest runs on"
    patient.run(0, "rm /var/www/busy")
    wait_for(lambda: patient.left("domain") == [], "it is gone when it is free")
