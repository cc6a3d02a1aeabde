"""Run commands as they are asked for and shown."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from orchestrator.errors import BadInput, NotPossible
from orchestrator.model.arm.run_command import (
    action_output,
    command_provisioning_state,
    merged,
    parse_action,
    parse_managed,
    preamble_of,
    run_command_resource,
)
from orchestrator.model.run_command import ExecutionState, RunCommand

Json = dict[str, Any]


def action(**changes: Any) -> Json:
    return {"commandId": "RunShellScript", "script": ["echo hi"], **changes}


def managed(**changes: Any) -> Json:
    return {"location": "local", "properties": {"source": {"script": "echo hi"}, **changes}}


def said(properties: Json, script: str) -> str:
    """What a real shell makes of it."""
    whole = preamble_of(properties) + script
    return subprocess.run(["/bin/sh"], input=whole, capture_output=True, text=True, check=True).stdout


NASTY = 'a\'b "c" $HOME `id` \\ \n* ; exit 1'


def test_named_parameters_are_variables_and_the_nameless_are_counted() -> None:
    given = [{"name": "who", "value": NASTY}, {"name": "arg1", "value": NASTY}, {"value": "two"}]
    properties = parse_action(action(parameters=given))
    assert said(properties, 'printf "%s|%s|%s|%s|$#" "$who" "$1" "$arg1" "$2"') == f"{NASTY}|{NASTY}|{NASTY}|two|2"


def test_parameters_are_exported_and_protected_ones_are_not() -> None:
    properties, secrets, _ = parse_managed(
        managed(parameters=[{"name": "open", "value": "1"}], protectedParameters=[{"name": "hidden", "value": "2"}])
    )
    whole = {**properties, **secrets}
    assert said(whole, 'env | grep -c -e ^open= ; env | grep -c ^hidden= ; echo "$hidden"') == "1\n0\n2\n"
    assert "protectedParameters" not in properties


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (action(commandId="RunPowerShellScript"), NotPossible, "RunShellScript"),
        (action(script=[]), BadInput, "must not be empty"),
        (action(script="echo"), BadInput, "must be an array"),
        (action(parameters=[{"name": "a-b", "value": "x"}]), BadInput, "name of a variable"),
        (action(parameters=[{"name": "UID", "value": "x"}]), BadInput, "name of a variable"),
        (action(parameters=[{"name": "a"}]), BadInput, "value is required"),
        (action(script=["#!/usr/bin/env python3"], parameters=[{"name": "a", "value": ""}]), BadInput, "python3"),
        (action(extra=1), BadInput, "extra"),
    ],
)
def test_an_action_that_cannot_be_run_is_refused(body: Json, kind: type[BadInput], words: str) -> None:
    with pytest.raises(kind, match=words):
        parse_action(body)


@pytest.mark.parametrize(
    ("properties", "kind", "words"),
    [
        ({"source": {}}, BadInput, "either script or scriptUri"),
        ({"source": {"script": "a", "scriptUri": "http://h/a"}}, BadInput, "either script or scriptUri"),
        ({"source": {"scriptUri": "ftp://h/a"}}, BadInput, "http"),
        ({"source": {"commandId": "ifconfig", "script": "a"}}, NotPossible, "commandId"),
        ({"source": {"galleryScriptReferenceId": "x", "script": "a"}}, NotPossible, "galleryScriptReferenceId"),
        ({"outputBlobUri": "http://h/a"}, NotPossible, "outputBlobUri"),
        ({"errorBlobUri": "http://h/a"}, NotPossible, "errorBlobUri"),
        ({"runAsPassword": "x", "runAsUser": "u"}, NotPossible, "runAsPassword"),
        ({"runAsUser": "no body"}, BadInput, "runAsUser"),
        ({"timeoutInSeconds": 5401}, BadInput, "timeoutInSeconds"),
        ({"timeoutInSeconds": 0}, BadInput, "timeoutInSeconds"),
        ({"source": {"script": "#!/usr/bin/perl\n"}, "runAsUser": "u"}, BadInput, "perl"),
    ],
)
def test_a_managed_command_that_cannot_be_run_is_refused(
    properties: Json, kind: type[BadInput], words: str
) -> None:
    with pytest.raises(kind, match=words):
        parse_managed(managed(**properties))


def test_scripts_with_an_interpreter_of_their_own_run_without_parameters() -> None:
    assert parse_action(action(script=["#!/usr/bin/python3", "print(1)"]))["source"]["script"].startswith("#!")


def command(**changes: Any) -> RunCommand:
    properties, secrets, tags = parse_managed(managed(protectedParameters=[{"name": "s", "value": "canary"}]))
    return RunCommand("a" * 12, 0, "job", properties, secrets, tags).but(**changes)


def test_protected_parameters_are_never_shown() -> None:
    shown = run_command_resource(command(), "/vm", "local", is_expanded=True)
    assert "canary" not in str(shown) and shown["id"] == "/vm/runCommands/job"
    assert shown["properties"]["instanceView"]["executionState"] == "Pending"


def test_a_body_on_a_command_that_exists_changes_what_it_names() -> None:
    changed = merged(command(), {"Properties": {"Source": {"scriptUri": "http://h/a"}, "timeoutInSeconds": 5}})
    properties, secrets, _ = parse_managed(changed)
    assert properties["source"] == {"scriptUri": "http://h/a"} and properties["timeoutInSeconds"] == 5
    assert secrets == command().secrets
    assert parse_managed(merged(command(), {"properties": {"protectedParameters": None}}))[1] == {}


@pytest.mark.parametrize(
    ("changes", "strict", "state"),
    [
        ({}, False, "Creating"),
        ({"sequence": 2}, False, "Updating"),
        ({"state": ExecutionState.SUCCEEDED}, True, "Succeeded"),
        ({"state": ExecutionState.FAILED}, False, "Succeeded"),
        ({"state": ExecutionState.FAILED}, True, "Failed"),
        ({"state": ExecutionState.TIMED_OUT}, True, "Failed"),
        ({"is_gone": True}, True, "Deleting"),
    ],
)
def test_a_script_that_fails_fails_its_resource_only_where_that_is_asked_for(
    changes: Json, strict: bool, state: str
) -> None:
    one = command()
    properties = {**one.properties, "treatFailureAsDeploymentFailure": strict}
    assert command_provisioning_state(one.but(properties=properties, **changes)) == state


def test_an_actions_output_carries_exit_code_and_both_streams() -> None:
    done = command(state=ExecutionState.FAILED, exit_code=3, output="out", error="err", ended_at=1.0)
    [status] = action_output(done)["value"]
    assert status["code"] == "ProvisioningState/failed/3" and status["level"] == "Error"
    assert status["message"].endswith("[stdout]\nout\n[stderr]\nerr")
    [status] = action_output(command(state=ExecutionState.SUCCEEDED, exit_code=0, output="out"))["value"]
    assert status["code"] == "ProvisioningState/succeeded"
