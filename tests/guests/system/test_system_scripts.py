"""The CustomScript extension in real guests: what fails, what hangs, what is fetched, and what stays secret."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from bodies import micro_set, script
from conftest import MakeSet
from system import Json, TestedSet, codes_of, holds, is_served, pool_folder, wait_for, web_server

from orchestrator.cli.faults import ApiError
from orchestrator.lab import Lab

FAILING = """#!/bin/sh
echo "it says this"
echo "and complains of that" >&2
exit 7
"""
CANARY = "canary5f2c9e81"
# Finds the word without holding it, so that the search does not find itself.
PATTERN = f"[{CANARY[0]}]{CANARY[1:]}"
TOOL = b"#!/bin/sh\r\necho the tool ran\r\n"  # written on Windows
SECRET_COMMAND = f": {CANARY}; ./tool.sh; echo started >/var/www/started.txt; sleep 8; echo it is over"


@pytest.fixture(scope="module")
def files(lab: Lab) -> Iterator[tuple[str, list[str]]]:
    with web_server(lab, {f"/files/tool.sh?sig={CANARY}": TOOL}) as served:
        yield served


@pytest.fixture(scope="module")
def sets(make_set: MakeSet, files: tuple[str, list[str]]) -> dict[str, TestedSet]:
    """Three guests at once: one whose script fails, one whose script hangs, one with secrets."""
    secrets = {"commandToExecute": SECRET_COMMAND, "fileUris": [f"{files[0]}/files/tool.sh?sig={CANARY}"]}
    return {
        "fails": make_set("fails", micro_set(1, script(FAILING))),
        "hangs": make_set("hangs", micro_set(1, script(commandToExecute="echo begun; sleep 1000"), budget="PT10S")),
        "secret": make_set("secret", micro_set(1, script(protected=secrets, timestamp=4711))),
    }


def _extension(one: TestedSet) -> Json:
    [found] = one.view(0)["extensions"]
    [status] = found["statuses"]
    return dict(status)


def _failure_of(one: TestedSet) -> ApiError:
    with pytest.raises(ApiError) as failure:
        one.wait(one.creation)
    return failure.value


def test_protected_settings_are_on_no_command_line_and_in_no_environment_while_they_are_used(
    sets: dict[str, TestedSet], files: tuple[str, list[str]], lab: Lab
) -> None:
    secret = sets["secret"]
    started = f"http://{secret.address(0)}/started.txt"
    wait_for(lambda: is_served(lab, started), "the script runs", every_s=0.5)
    assert files[1] == [f"/files/tool.sh?sig={CANARY}"], "the secret was really used"
    processes = secret.run(
        0, "for each in /proc/[0-9]*; do tr '\\0' ' ' <$each/cmdline; tr '\\0' ' ' <$each/environ; echo; done"
    )
    assert "sleep 8" in processes, "it still ran"
    assert CANARY not in processes


def test_files_are_fetched_in_the_guest_and_their_line_ends_mended(sets: dict[str, TestedSet]) -> None:
    secret = sets["secret"]
    secret.wait(secret.creation)
    status = _extension(secret)
    assert status["code"] == "ProvisioningState/succeeded"
    assert "the tool ran" in status["message"]
    assert "it is over" in status["message"]


def test_protected_settings_are_left_nowhere(sets: dict[str, TestedSet], lab: Lab) -> None:
    secret = sets["secret"]
    secret.wait(secret.creation)
    regular = "find / /run /dev/shm -xdev -type f -exec"
    found = secret.run(
        0, f"{regular} grep -l 'the tool ra[n]' {{}} +; {regular} grep -l '{PATTERN}' {{}} + && echo BAD; true"
    )
    assert "/download/setup/1/tool.sh" in found, "the search works"
    assert "BAD" not in found

    files = secret.daemon.files()
    assert any(holds(path, b"4711") for path in files), "the public settings are found"
    assert [str(path) for path in files if holds(path, CANARY.encode())] == []
    for host in lab.status().hosts:
        volumes = [path for path in pool_folder(lab, host.name).iterdir() if "vmss-image" not in path.name]
        assert [path.name for path in volumes if holds(path, CANARY.encode())] == []


def test_protected_settings_are_in_no_answer(sets: dict[str, TestedSet]) -> None:
    secret = sets["secret"]
    secret.wait(secret.creation)
    own = "/providers/Vmss.Local"
    paths = [
        secret.path(),
        secret.path("instanceView"),
        secret.path("plan"),
        secret.path("extensions"),
        secret.path("extensions", "setup"),
        secret.path("virtualMachines"),
        *(
            secret.path("virtualMachines", "0", *more)
            for more in ((), ("instanceView",), ("console",), ("connection",))
        ),
        f"{own}/events",
        f"{own}/census",
        secret.creation.operation_url if secret.creation else "",
    ]
    answers = {path: secret.client.send("GET", path) for path in paths}
    answers["expanded"] = secret.client.send(
        "GET", secret.path("virtualMachines"), query={"$expand": "instanceView"}
    )
    assert secret.creation is not None
    answers["creation"] = secret.creation
    assert "4711" in answers[secret.path()].text, "the public settings are shown"
    assert [path for path, answer in answers.items() if CANARY in answer.text] == []
    for command in (("show", "secret"), ("get-instance-view", "secret"), ("events", "--set", "secret")):
        done = secret.daemon.vmss(*command, "-g", "tests", "-o", "json")
        assert done.returncode == 0, done.stderr
        assert CANARY not in done.stdout + done.stderr


def test_a_script_that_fails_fails_its_instance_with_its_exit_code_and_last_words(
    sets: dict[str, TestedSet],
) -> None:
    fails = sets["fails"]
    failure = _failure_of(fails)
    assert failure.code == "VMExtensionProvisioningError"
    assert "fails_0" in failure.message
    status = _extension(fails)
    assert status["code"] == "ProvisioningState/failed/7"
    assert re.search(
        r"\[stdout\]\nit says this\n.*\[stderr\]\nand complains of that\n", status["message"], re.DOTALL
    )
    assert "ProvisioningState/failed/VMExtensionProvisioningError" in codes_of(fails.instances()[0])
    assert "PowerState/running" in codes_of(fails.instances()[0]), "it can be looked into"


def test_a_script_that_hangs_is_stopped_at_its_time_limit(sets: dict[str, TestedSet]) -> None:
    hangs = sets["hangs"]
    failure = _failure_of(hangs)
    assert "hangs_0" in failure.message
    assert "stopped at its time limit of 10 s" in failure.message
    assert "begun" in _extension(hangs)["message"], "its output up to then is kept"
    [told] = [each for each in hangs.events() if each["reason"].startswith("setup failed")]
    assert (told["reason"], told["outcome"]) == (
        "setup failed: It was stopped at its time limit of 10 s.",
        "failed",
    )
    assert "sleep 1000" not in hangs.run(0, "ps -o args"), "nothing of it runs on"


def test_a_failed_instance_is_mended_by_a_new_configuration(sets: dict[str, TestedSet]) -> None:
    fails = sets["fails"]
    _failure_of(fails)
    body = script("#!/bin/sh\necho all is well\n")["properties"]
    fails.client.send("PUT", fails.path("extensions", "setup"), body={"properties": body})
    fails.do("manualUpgrade", 0)
    assert "all is well" in _extension(fails)["message"]
    fails.wait_ready(0)
