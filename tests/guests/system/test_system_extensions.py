"""Several extensions in real guests: in order, held up by failures, run again, cancelled, on one instance only."""

from __future__ import annotations

import pytest
from bodies import micro_set, script
from conftest import MakeSet
from system import Json, TestedSet, wait_for

from orchestrator.cli.client import Reply
from orchestrator.cli.faults import ApiError

LINES = "/root/lines"


def marking(name: str, *after: str, then: str = "", **more: object) -> Json:
    """A script that leaves a line with its name and the uptime, and may wait long enough to show an overlap."""
    made = script(f"sleep 1; echo {name} $(cut -d' ' -f1 /proc/uptime) >>{LINES}; {then}\n", name=name)
    made["properties"] |= {"provisionAfterExtensions": list(after), **more}
    return made


@pytest.fixture(scope="module")
def sets(make_set: MakeSet) -> dict[str, TestedSet]:
    """Four guests at once: one in order, one with failures, two of which one will have more than its model."""
    ordered = marking("third", "second"), marking("second", "first"), marking("first")
    failing = (
        marking("needing", "broken"),
        marking("broken", then="exit 5"),
        marking("after", "shaky"),
        marking("shaky", then="exit 6", suppressFailures=True),
    )
    return {
        "ordered": make_set("ordered", micro_set(1, *ordered)),
        "failing": make_set("failing", micro_set(1, *failing)),
        "pair": make_set("pair", micro_set(2, marking("shared"))),
    }


def marks(one: TestedSet, number: int = 0) -> list[str]:
    """The names of the scripts that ran to their line, in the order of the guest's own clock."""
    lines = [line.split() for line in one.run(number, f"cat {LINES}").splitlines()]
    assert lines == sorted(lines, key=lambda line: float(line[1]))
    return [name for name, _ in lines]


def failure_of(one: TestedSet, reply: Reply | None) -> ApiError:
    with pytest.raises(ApiError) as failure:
        one.wait(reply)
    return failure.value


def statuses(one: TestedSet, number: int = 0) -> dict[str, str]:
    return {each["name"]: each["statuses"][0]["code"] for each in one.view(number)["extensions"]}


def own(one: TestedSet, number: int, name: str, *more: str) -> str:
    return one.path("virtualMachines", str(number), "extensions", name, *more)


def test_scripts_run_after_those_they_name(sets: dict[str, TestedSet]) -> None:
    ordered = sets["ordered"]
    ordered.wait(ordered.creation)
    assert marks(ordered) == ["first", "second", "third"]


def test_a_new_force_update_tag_runs_that_script_again_and_no_other(sets: dict[str, TestedSet]) -> None:
    ordered = sets["ordered"]
    ordered.wait(ordered.creation)
    body = {"properties": {"forceUpdateTag": "again"}}
    ordered.client.send("PATCH", ordered.path("extensions", "second"), body=body)
    ordered.do("manualUpgrade", 0)
    assert marks(ordered) == ["first", "second", "third", "second"]


def test_a_failure_holds_up_what_comes_after_it_and_a_suppressed_one_does_not(sets: dict[str, TestedSet]) -> None:
    failing = sets["failing"]
    failure = failure_of(failing, failing.creation)
    assert failure.code == "VMExtensionProvisioningError"
    assert "extension broken failed" in failure.message
    assert "needing was not run: it is provisioned after broken" in failure.message
    assert "shaky" not in failure.message
    assert sorted(marks(failing)) == ["after", "broken", "shaky"]
    found = statuses(failing)
    assert (found["broken"], found["shaky"]) == ("ProvisioningState/failed/5", "ProvisioningState/failed/6")


def test_an_extension_that_another_needs_stays_and_without_both_the_failed_instance_is_ready(
    sets: dict[str, TestedSet],
) -> None:
    failing = sets["failing"]
    failure_of(failing, failing.creation)
    with pytest.raises(ApiError, match="needing is provisioned after broken"):
        failing.client.send("DELETE", failing.path("extensions", "broken"))
    for name in ("needing", "broken"):
        failing.client.send("DELETE", failing.path("extensions", name))
    failing.do("manualUpgrade", 0)
    failing.wait_ready(0)
    assert sorted(marks(failing)) == ["after", "broken", "shaky"], "what had run did not run again"


def test_one_of_two_instances_has_an_extension_of_its_own(sets: dict[str, TestedSet]) -> None:
    pair = sets["pair"]
    pair.wait(pair.creation)
    secret = "canary-1f00d"
    made = marking("mine", "shared")["properties"]
    made |= {"settings": {}, "protectedSettings": {"commandToExecute": f": {secret}; echo mine 9999999 >>{LINES}"}}
    pair.wait(pair.client.send("PUT", own(pair, 1, "mine"), body={"location": "local", "properties": made}))
    assert (marks(pair, 0), marks(pair, 1)) == (["shared"], ["shared", "mine"])
    assert statuses(pair, 1) == dict.fromkeys(["shared", "mine"], "ProvisioningState/succeeded")
    assert list(statuses(pair, 0)) == ["shared"]
    shown = pair.client.send("GET", pair.path("virtualMachines", "1"), query={"$expand": "instanceView"})
    assert shown.body["properties"]["modelDefinitionApplied"] == "VirtualMachine"
    assert secret not in shown.text + pair.client.send("GET", own(pair, 1, "mine")).text
    pair.do("reimage", 1)
    assert marks(pair, 1) == ["shared", "mine"], "they ran again on the new disk"
    pair.wait(pair.client.send("DELETE", own(pair, 1, "mine")))
    assert list(statuses(pair, 1)) == ["shared"]


def test_a_cancelled_extension_is_ended_in_its_guest_and_its_request_fails(sets: dict[str, TestedSet]) -> None:
    pair = sets["pair"]
    pair.wait(pair.creation)
    endless = script(commandToExecute="echo begun; sleep 7777 & sleep 7778")["properties"]
    begun = pair.client.send("PUT", own(pair, 0, "endless"), body={"properties": endless})
    wait_for(lambda: "sleep 7778" in pair.run(0, "ps -o args"), "the script runs", every_s=0.5)
    done = pair.daemon.vmss("extension", "cancel", "pair", "-g", "tests", "-n", "endless", "--instance-id", "0")
    assert done.returncode == 0, done.stderr
    assert "sleep 777" not in pair.run(0, "ps -o args"), "nothing of it runs on"
    failure = failure_of(pair, begun)
    assert "It was cancelled by a request." in failure.message and "begun" in failure.message
    assert statuses(pair, 0)["endless"] == "ProvisioningState/failed"
    pair.wait(pair.client.send("DELETE", own(pair, 0, "endless")))
    pair.wait_ready(0, 1)


def test_removing_a_running_extension_ends_it_too(sets: dict[str, TestedSet]) -> None:
    pair = sets["pair"]
    pair.wait(pair.creation)
    endless = script(commandToExecute="sleep 8888")["properties"]
    pair.client.send("PUT", own(pair, 1, "endless"), body={"properties": endless})
    wait_for(lambda: "sleep 8888" in pair.run(1, "ps -o args"), "the script runs", every_s=0.5)
    pair.wait(pair.client.send("DELETE", own(pair, 1, "endless")))
    assert "sleep 8888" not in pair.run(1, "ps -o args")
    pair.wait_ready(0, 1)
