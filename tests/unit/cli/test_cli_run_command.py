"""vmss run-command, and vmss extension on single instances."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_cli_daemon import FakeDaemon, Outcome, Seen, Vmss, instance

OK = {"code": "ProvisioningState/succeeded", "message": "Enable succeeded: \n[stdout]\nhi\n[stderr]\n"}
BAD = {"code": "ProvisioningState/failed/3", "message": "Enable failed: \n[stdout]\n\n[stderr]\noh\n"}


def operations(daemon: FakeDaemon, *statuses: dict[str, Any]) -> None:
    """Each POST begins an operation whose output is the next of these statuses."""
    left = list(statuses)
    outputs: dict[str, Any] = {}

    def begin(seen: Seen) -> httpx.Response:
        number = str(len(outputs))
        outputs[number] = {"value": [left[len(outputs)]]}
        url = f"http://no.such.host/operations/{number}?api-version=2024-11-01"
        return httpx.Response(202, headers={"Azure-AsyncOperation": url})

    def ended(number: str) -> httpx.Response:
        body = {"name": number, "status": "Succeeded", "properties": {"output": outputs[number]}}
        return httpx.Response(200, json=body)

    daemon.answers["POST", "/runCommand"] = begin
    for number in ("0", "1", "2"):
        daemon.answers["GET", f"/operations/{number}"] = lambda seen: ended(seen.path[-1])


def test_a_script_is_run_and_what_it_said_is_printed(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    operations(daemon, OK)
    flags = ("--instance-id", "0", "--scripts", "echo $who", "echo $1", "--parameters", "who=a=b", "x y")
    outcome = vmss("run-command", "invoke", "-n", "web", *flags)
    assert (outcome.code, "hi" in outcome.out) == (0, True), outcome.err
    [sent] = daemon.sent("POST")
    assert sent.path.endswith("/web/virtualMachines/0/runCommand")
    assert sent.body == {
        "commandId": "RunShellScript",
        "script": ["echo $who", "echo $1"],
        "parameters": [{"name": "who", "value": "a=b"}, {"name": "arg1", "value": "x y"}],
    }


def test_a_script_on_all_instances_that_run_ends_with_one_when_it_fails_on_one(
    vmss: Vmss, daemon: FakeDaemon
) -> None:
    daemon.add_set("web")
    daemon.instances["web"] = [instance(0), instance(1, power="stopped"), instance(2)]
    operations(daemon, OK, BAD)
    outcome = vmss("run-command", "invoke", "web", "--all", "--scripts", "true", "-o", "json")
    assert outcome.code == 1 and "instance 2: the script failed" in outcome.err
    shown = json.loads(outcome.out)
    assert [(each["instanceId"], each["value"][0]["code"]) for each in shown] == [
        ("0", OK["code"]),
        ("2", BAD["code"]),
    ]


def test_one_that_refuses_does_not_keep_it_from_the_others(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    operations(daemon, OK)
    begin = daemon.answers["POST", "/runCommand"]

    def refusing(seen: Seen) -> httpx.Response:
        if "/virtualMachines/0/" not in seen.path:
            return begin(seen)
        return httpx.Response(409, json={"error": {"code": "OperationNotAllowed", "message": "it is off"}})

    daemon.answers["POST", "/runCommand"] = refusing
    outcome = vmss("run-command", "invoke", "web", "--instance-id", "0", "1", "--scripts", "true")
    assert outcome.code == 1 and "hi" in outcome.out and "instance 0: it is off" in outcome.err


@pytest.mark.parametrize("flags", [(), ("--all", "--instance-id", "0"), ("--instance-id", "*")])
def test_which_instances_has_to_be_said(vmss: Vmss, daemon: FakeDaemon, flags: tuple[str, ...]) -> None:
    daemon.add_set("web")
    assert vmss("run-command", "invoke", "web", "--scripts", "true", *flags).code == 2
    assert daemon.sent("POST") == []


def managed(daemon: FakeDaemon, method: str) -> Seen:
    [sent] = daemon.sent(method)
    return sent


def answering(daemon: FakeDaemon, ending: str) -> None:
    view = {"executionState": "Succeeded", "exitCode": 0, "output": "made it"}
    body = {"name": "job", "properties": {"instanceView": view}}
    for method, status in (("GET", 200), ("PUT", 201), ("DELETE", 202), ("POST", 202)):
        headers = daemon.begun() if method != "GET" else {}
        daemon.answers[method, ending] = lambda _, status=status, headers=headers: httpx.Response(
            status, json=body, headers=headers
        )


def test_a_run_command_is_created_as_a_resource(vmss: Vmss, daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.add_set("web")
    answering(daemon, "/runCommands/job")
    file = tmp_path / "job.sh"
    file.write_text("echo $secret\n")
    outcome: Outcome = vmss(
        *("run-command", "create", "--vmss-name", "web", "--instance-id", "3", "--name", "job"),
        *("--script", f"@{file}", "--protected-parameters", "secret=s", "--run-as-user", "me"),
        *("--timeout-in-seconds", "5", "--async-execution"),
    )
    assert (outcome.code, "made it" in outcome.out) == (0, True), outcome.err
    assert managed(daemon, "PUT").body == {
        "properties": {
            "source": {"script": "echo $secret\n"},
            "protectedParameters": [{"name": "secret", "value": "s"}],
            "runAsUser": "me",
            "timeoutInSeconds": 5,
            "asyncExecution": True,
        }
    }


def test_a_run_command_needs_one_script(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    base = ("run-command", "create", "web", "--instance-id", "3", "-n", "job")
    assert vmss(*base).code == 2
    assert vmss(*base, "--script", "a", "--script-uri", "http://h/a").code == 2


def test_run_commands_are_listed_shown_and_deleted(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    answering(daemon, "/runCommands/job")
    item = {"name": "job", "properties": {"instanceView": {"executionState": "Running"}}}
    daemon.answers["GET", "/runCommands"] = lambda _: httpx.Response(200, json={"value": [item]})
    assert "Running" in vmss("run-command", "list", "web", "--instance-id", "3").out
    assert "made it" in vmss("run-command", "show", "web", "--instance-id", "3", "-n", "job").out
    assert vmss("run-command", "delete", "web", "--instance-id", "3", "-n", "job").code == 0
    assert managed(daemon, "DELETE").path.endswith("/virtualMachines/3/runCommands/job")


@pytest.mark.parametrize(
    ("words", "method", "path"),
    [
        (("set", "-n", "CustomScript"), "PUT", "/virtualMachines/3/extensions/CustomScript"),
        (("delete", "-n", "CustomScript"), "DELETE", "/virtualMachines/3/extensions/CustomScript"),
        (("cancel", "-n", "CustomScript"), "POST", "/virtualMachines/3/extensions/CustomScript/cancel"),
        (("show", "-n", "CustomScript"), "GET", "/virtualMachines/3/extensions/CustomScript"),
    ],
)
def test_extensions_of_one_instance_are_told_at_its_address(
    vmss: Vmss, daemon: FakeDaemon, words: tuple[str, ...], method: str, path: str
) -> None:
    daemon.add_set("web")
    answering(daemon, path)
    answering(daemon, "/extensions/CustomScript")
    verb, *rest = words
    outcome = vmss("extension", verb, "web", "--instance-id", "3", *rest)
    assert outcome.code == 0, outcome.err
    sent = [each.path for each in daemon.sent(method)]
    assert any(each.endswith(f"/web{path}") for each in sent), sent
