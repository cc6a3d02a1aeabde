"""Count and place on real guests: more are started than wanted, zones are even, the protected stay."""

from __future__ import annotations

from collections import Counter

from bodies import SERVICE, micro_set, script
from conftest import MakeSet
from system import TestedSet, qemus, wait_for

from orchestrator.lab import Lab


def _zones(made: TestedSet) -> Counter[str]:
    return Counter(zone for each in made.instances().values() for zone in each["zones"])


def _runs(made: TestedSet, lab: Lab) -> int:
    return sum(1 for guest in qemus(lab) if guest.domain.startswith(f"{made.ref.name}_"))


def test_more_are_started_than_wanted_and_the_ids_have_gaps(make_set: MakeSet, lab: Lab) -> None:
    """Three for two; then, grown by one, two more for that one: of five ids that were given three are left."""
    body = micro_set(
        2, script(SERVICE), overprovision=True, doNotRunExtensionsOnOverprovisionedVMs=True, zoneBalance=False
    )
    made = make_set("over", body)
    made.wait(made.creation)
    first = made.ids()
    assert len(first) == 2 and set(first) < {0, 1, 2}
    made.wait(made.scale(3))
    ids = made.ids()
    assert len(ids) == 3 and set(first) < set(ids) and set(ids) < set(range(5))
    assert ids != list(range(3)), "no gap"
    wait_for(lambda: _runs(made, lab) == 3, "only the kept run")
    ran = {each["instanceId"] for each in made.events() if each["kind"] == "extension"}
    assert {int(number) for number in ran} == set(ids), "a script ran where nothing stays"
    kinds = Counter(each["kind"] for each in made.events() if each["phase"] == "after")
    assert kinds["add"] == 5 and kinds["keep"] == 3
    made.delete()


def test_zones_are_even_and_the_protected_stay_when_capacity_falls(make_set: MakeSet) -> None:
    body = micro_set(3, zoneBalance=True, scaleInPolicy={"rules": ["NewestVM"]})
    made = make_set("zonal", {**body, "zones": ["1", "2", "3"]})
    made.wait(made.creation)
    assert _zones(made) == {"1": 1, "2": 1, "3": 1}
    guarded = made.path("virtualMachines", "2")
    instance = made.client.get(guarded)
    instance["properties"]["protectionPolicy"] = {"protectFromScaleIn": True}
    made.client.send("PUT", guarded, body=instance)
    made.wait(made.scale(1))
    assert made.ids() == [2], "the newest is protected, so the older ones went"
    made.wait(made.scale(2))
    assert len(_zones(made)) == 2, "the new one is in an emptier zone"
    made.delete()
