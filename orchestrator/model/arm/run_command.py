"""Run commands as bodies and as resources: POST VM/runCommand, and VM/runCommands (reference 3.1).

Note [Parameters]: one whose name is a shell's name for a variable is that variable in the script, and exported; a
protected one is set but not exported, so it stands in no process's environment unless the script puts it there. One
without a name, or with a name like ``arg1`` (as clients name the nameless), is ``$1``, ``$2`` … as well. They reach
the script as quoted words in shell put before it, so scripts with parameters have to be read by a shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from orchestrator.errors import BadInput
from orchestrator.model.arm.base import ArmModel, Flag, Refused, Whole, bad_value, not_possible
from orchestrator.model.arm.problems import parsed
from orchestrator.model.arm.statuses import Json, Status, status, time_text
from orchestrator.model.custom_script import SCRIPT_MAX_BYTES, file_name_of
from orchestrator.model.run_command import ExecutionState, RunCommand

RUN_SHELL_SCRIPT = "RunShellScript"
TIMEOUT_MAX_S = 5400
RUN_COMMAND_TYPE = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/runCommands"
_PROTECTED = "protectedParameters"
_PARAMETERS_MAX = 100
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_NAMELESS = re.compile(r"arg[0-9]{1,3}")
# Variables that shells do not let anyone set.
_READ_ONLY = frozenset({"PPID", "UID", "EUID", "BASHOPTS", "BASH_VERSINFO", "SHELLOPTS"})
_SHEBANG = re.compile(r"#![ \t]*(\S+)[ \t]*([^\r\n]*)")
_SHELLS = frozenset({"sh", "ash", "bash", "dash", "ksh", "mksh", "zsh"})
_NO_BLOBS = Refused("there is no storage to write it to; instanceView has the last 4 KiB of the output")
# Root's script lies behind a descriptor that a user's shell has to close for what it runs.
_CLOSE_SCRIPT = "exec 4<&-; "


class Parameter(ArmModel):
    """See Note [Parameters]."""

    name: str = ""
    value: str

    @field_validator("name")
    @classmethod
    def _is_variable(cls, value: str) -> str:
        if value and (not _VARIABLE.fullmatch(value) or value in _READ_ONLY):
            raise bad_value("must be empty or the name of a variable that a shell can set")
        return value

    @property
    def is_positional(self) -> bool:
        return not self.name or bool(_NAMELESS.fullmatch(self.name))


Parameters = Annotated[tuple[Parameter, ...], Field(max_length=_PARAMETERS_MAX)]


def _check_shell(script: str, has_parameters: bool) -> None:
    """Raises a value error for a script whose interpreter could not read what is put before it."""
    found = _SHEBANG.match(script)
    if not has_parameters or not found:
        return
    words = [found[1], *found[2].split()]
    program = next((word for word in words if not word.endswith("/env")), "").rpartition("/")[2]
    if program not in _SHELLS:
        raise bad_value(f"is for {program[:40] or 'no program'}: parameters and runAsUser need a shell's script")


def _check_size(script: str) -> str:
    if not script.strip():
        raise bad_value("must not be empty")
    if len(script.encode()) > SCRIPT_MAX_BYTES:
        raise bad_value(f"must have at most {SCRIPT_MAX_BYTES} bytes")
    return script


class RunCommandInput(ArmModel):
    """The body of POST VM/runCommand. The members of ``script`` are its lines."""

    command_id: str
    script: tuple[str, ...]
    parameters: Parameters = ()

    @field_validator("command_id")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value.lower() == RUN_SHELL_SCRIPT.lower():
            return RUN_SHELL_SCRIPT
        raise not_possible(f"can only be {RUN_SHELL_SCRIPT}: guests are Linux, and there are no prepared commands")

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        _check_shell(_check_size("\n".join(self.script)), bool(self.parameters))
        return self


class Source(ArmModel):
    """One of ``script`` and ``script_uri``; the file of the latter is read by ``/bin/sh``."""

    script: str | None = None
    script_uri: str | None = None
    command_id: Annotated[Any, Refused("there are no prepared commands; give source.script")] = None
    gallery_script_reference_id: Annotated[Any, Refused("there are no galleries; give source.script")] = None
    script_uri_managed_identity: Annotated[Any, Refused("there are no identities; give a plain http(s) URI")] = None

    @field_validator("script")
    @classmethod
    def _fits(cls, value: str | None) -> str | None:
        return None if value is None else _check_size(value)

    @field_validator("script_uri")
    @classmethod
    def _can_be_fetched(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                file_name_of(value)
            except ValueError as error:
                raise bad_value(str(error)) from None
        return value

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.script is None) == (self.script_uri is None):
            raise bad_value("must have either script or scriptUri")
        return self


class RunCommandProperties(ArmModel):
    """``protected_parameters`` is write-only. ``async_execution``: the request is done once the script began."""

    read_only: ClassVar[frozenset[str]] = frozenset({"provisioningstate", "instanceview"})
    source: Source
    parameters: Parameters = ()
    protected_parameters: Parameters = ()
    async_execution: Flag = False
    run_as_user: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")] | None = None
    run_as_password: Annotated[Any, Refused("root becomes the user without one")] = None
    timeout_in_seconds: Annotated[Whole, Field(ge=1, le=TIMEOUT_MAX_S)] = TIMEOUT_MAX_S
    treat_failure_as_deployment_failure: Flag = False
    output_blob_uri: Annotated[Any, _NO_BLOBS] = None
    error_blob_uri: Annotated[Any, _NO_BLOBS] = None
    output_blob_managed_identity: Annotated[Any, _NO_BLOBS] = None
    error_blob_managed_identity: Annotated[Any, _NO_BLOBS] = None

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        needs_shell = bool(self.parameters or self.protected_parameters or self.run_as_user)
        _check_shell(self.source.script or "", needs_shell)
        return self


class ManagedRunCommand(ArmModel):
    """The body of PUT VM/runCommands/{name}."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "name", "type", "etag", "systemdata"})
    location: str | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    properties: RunCommandProperties


def parse_action(body: Mapping[str, Any]) -> dict[str, Any]:
    """A run command's properties for an action. All of it is treated as a secret: it is dropped when it has run."""
    given = parsed(RunCommandInput, body)
    source = {"script": "\n".join(given.script) + "\n"}
    return {"source": source, "parameters": [each.model_dump(by_alias=True) for each in given.parameters]}


def parse_managed(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """The canonical public properties, the write-only ones, and the tags."""
    given = parsed(ManagedRunCommand, body)
    public = given.properties.model_dump(mode="json", by_alias=True, exclude_none=True)
    hidden = public.pop(_PROTECTED)
    return public, ({_PROTECTED: hidden} if hidden else {}), given.tags


def merged(command: RunCommand, body: Mapping[str, Any]) -> dict[str, Any]:
    """A body on a command that exists: members that are named replace those that are there, a null clears. A
    ``source`` replaces the whole source; ``protectedParameters`` that are not named stay."""
    given = {key.lower(): value for key, value in body.items()}
    properties = given.get("properties")
    if not isinstance(properties, Mapping | None):
        raise BadInput("properties must be an object.", target="properties")
    result: dict[str, Any] = {**command.properties, **command.secrets}
    names = {name.lower(): name for name in result}
    for key, value in (properties or {}).items():
        result.pop(names.get(key.lower(), ""), None)
        if value is not None:
            result[key] = value
    rest = {key: value for key, value in body.items() if key.lower() not in {"properties", "tags"}}
    tags = given["tags"] if given.get("tags") is not None else dict(command.tags)
    return {**rest, "tags": tags, "properties": result}


def preamble_of(properties: Mapping[str, Any]) -> str:
    """The shell to be put before the script. See Note [Parameters]."""
    shared = [Parameter.model_validate(each) for each in properties.get("parameters", ())]
    hidden = [Parameter.model_validate(each) for each in properties.get(_PROTECTED, ())]
    words = [f"export {each.name}={shlex.quote(each.value)}; " for each in shared if each.name]
    words += [f"{each.name}={shlex.quote(each.value)}; " for each in hidden if each.name]
    if places := [shlex.quote(each.value) for each in (*shared, *hidden) if each.is_positional]:
        words.append(f"set -- {' '.join(places)}; ")
    start = _CLOSE_SCRIPT if properties.get("runAsUser") else ""
    return start + "".join(words)


# How they are shown


def tails(output: str, error: str) -> str:
    return f"[stdout]\n{output}\n[stderr]\n{error}"


def action_output(command: RunCommand) -> Json:
    """What POST VM/runCommand comes to. A script that fails is no failure of the request; its exit code is the
    third part of the status's code."""
    if command.state is ExecutionState.SUCCEEDED:
        words = f"Enable succeeded: \n{tails(command.output, command.error)}"
        made = status("ProvisioningState/succeeded", "Provisioning succeeded", command.ended_at, message=words)
        return {"value": [made]}
    code = "ProvisioningState/failed" + ("" if command.exit_code is None else f"/{command.exit_code}")
    words = f"Enable failed: {command.message}\n{tails(command.output, command.error)}"
    return {"value": [status(code, "Provisioning failed", command.ended_at, level="Error", message=words)]}


def execution_view(command: RunCommand) -> Json:
    """``instanceView`` of a managed run command."""
    view: Json = {
        "executionState": command.state.value,
        "executionMessage": command.message,
        "output": command.output,
        "error": command.error,
    }
    if command.exit_code is not None:
        view["exitCode"] = command.exit_code
    if command.began_at is not None:
        view["startTime"] = time_text(command.began_at)
    if command.ended_at is not None:
        view["endTime"] = time_text(command.ended_at)
    return {**view, "statuses": list(_statuses(command))}


def _statuses(command: RunCommand) -> Iterable[Status]:
    state = command_provisioning_state(command)
    level = "Error" if state == "Failed" else "Info"
    yield status(
        f"ProvisioningState/{state.lower()}", f"Provisioning {state.lower()}", command.ended_at, level=level
    )


def command_provisioning_state(command: RunCommand) -> str:
    """Of the resource: a script that fails is no failure of it unless treatFailureAsDeploymentFailure says so."""
    if command.is_gone:
        return "Deleting"
    if not command.has_ended:
        has_begun = command.state is ExecutionState.RUNNING and bool(command.properties.get("asyncExecution"))
        return "Succeeded" if has_begun else "Creating" if command.sequence == 1 else "Updating"
    is_strict = bool(command.properties.get("treatFailureAsDeploymentFailure"))
    return "Failed" if is_strict and command.state is not ExecutionState.SUCCEEDED else "Succeeded"


def run_command_resource(command: RunCommand, vm_id: str, location: str, *, is_expanded: bool) -> Json:
    properties = {**command.properties, "provisioningState": command_provisioning_state(command)}
    if is_expanded:
        properties["instanceView"] = execution_view(command)
    return {
        "name": command.name,
        "id": f"{vm_id}/runCommands/{command.name}",
        "type": RUN_COMMAND_TYPE,
        "location": location,
        "tags": dict(command.tags),
        "properties": properties,
    }
