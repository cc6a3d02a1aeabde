"""``vmss run-command``: scripts on instances, once and now, or kept as resources with their results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from orchestrator.cli.client import Reply, Resource, SetRef
from orchestrator.cli.command import TRUTH, NoWait, OnSet, Truth, as_bool, command
from orchestrator.cli.output import Column, OutputFormat, dig
from orchestrator.cli.session import Session
from orchestrator.cli.tables import RUN_COMMANDS
from orchestrator.cli.values import instance_ids, read_file
from orchestrator.errors import BadInput, VmssError

run_command_app = typer.Typer(help="Scripts run in guests on demand.", no_args_is_help=True)

INVOKED = (
    Column("Instance", lambda item: item["instanceId"]),
    Column("Code", lambda item: dig(item["value"][0], "code")),
    Column("Message", lambda item: dig(item["value"][0], "message")),
)

InstanceId = Annotated[str, typer.Option("--instance-id", metavar="ID", help="The instance.")]
CommandName = Annotated[str, typer.Option("--name", "--run-command-name", "-n", help="The run command's name.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=VALUE ...", help="Variables of the script; without NAME=, $1, $2 …"),
]


def parameters_of(given: list[str] | None) -> list[Resource] | None:
    """``a=b`` as a named parameter; others get the names that az gives them: ``arg1``, ``arg2`` …"""
    if given is None:
        return None
    made: list[Resource] = []
    count = 0
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            count += 1
            name, value = f"arg{count}", text
        made.append({"name": name, "value": value})
    return made


def _text_of(script: str, flag: str) -> str:
    return read_file(script[1:], flag).decode("utf-8", "replace") if script.startswith("@") else script


@command(run_command_app, "invoke", on=OnSet.OPTIONAL)
def invoke(
    session: Session,
    scale_set: SetRef,
    scripts: Annotated[list[str], typer.Option(metavar="TEXT|@FILE ...", help="The script's lines.")],
    instance_id: Annotated[list[str] | None, typer.Option("--instance-id", metavar="ID ...")] = None,
    all_: Annotated[bool, typer.Option("--all", help="On every instance that runs.")] = False,
    parameters: Parameters = None,
    command_id: Annotated[str, typer.Option()] = "RunShellScript",
) -> None:
    """Run a script on instances now and show what it said. Ends with 1 when it failed on one of them."""
    ids = _running(session, scale_set) if all_ else instance_ids(instance_id)
    if all_ == (instance_id is not None) or ids is None:
        raise BadInput("name instances by --instance-id, or give --all")
    lines = [line for script in scripts for line in _text_of(script, "--scripts").split("\n")]
    body = {"commandId": command_id, "script": lines, "parameters": parameters_of(parameters)}
    body = {name: value for name, value in body.items() if value is not None}
    begun, failures = _begin(session, scale_set, ids, body)
    found: list[Resource] = []
    for number, reply in begun.items():
        try:
            session.finish(reply, f"running a script on instance {number} of {scale_set.name}")
            output = session.client.get(reply.operation_url or "")["properties"]["output"]
            found.append({"instanceId": number, **output})
        except VmssError as error:
            failures[number] = error.message
    _show_invoked(session, found)
    failures |= {each["instanceId"]: "the script failed" for each in found if not _is_success(each)}
    if failures:
        told = "; ".join(f"instance {number}: {why}" for number, why in failures.items())
        raise VmssError(told, code="RunCommandFailed")


def _running(session: Session, scale_set: SetRef) -> list[str]:
    return [
        str(each["instanceId"])
        for each in session.instances(scale_set)
        if any(one["code"] == "PowerState/running" for one in dig(each, "properties.instanceView.statuses", []))
    ]


def _begin(
    session: Session, scale_set: SetRef, ids: list[str], body: Resource
) -> tuple[dict[str, Reply], dict[str, str]]:
    """On all of them side by side. One that refuses does not keep it from the others, unless it is the only one."""
    begun: dict[str, Reply] = {}
    failures: dict[str, str] = {}
    for number in ids:
        path = session.client.path_of(scale_set, "virtualMachines", number, "runCommand")
        try:
            begun[number] = session.client.send("POST", path, body=body)
        except VmssError as error:
            if len(ids) == 1:
                raise
            failures[number] = error.message
    return begun, failures


def _is_success(item: Resource) -> bool:
    return all(each["code"] == "ProvisioningState/succeeded" for each in item["value"])


def _show_invoked(session: Session, found: list[Resource]) -> None:
    """For people, what the scripts said as they said it; for programs, az's form."""
    if session.options.output is OutputFormat.TABLE and session.options.query is None:
        for each in found:
            print(f"instance {each['instanceId']}: {each['value'][0]['message'].rstrip()}")
        return
    session.show(found[0] if len(found) == 1 else found, INVOKED)


@dataclass(frozen=True, slots=True)
class CreateFlags:
    """What ``run-command create`` takes."""

    script: Annotated[str | None, typer.Option(metavar="TEXT|@FILE")] = None
    script_uri: Annotated[str | None, typer.Option(metavar="URI", help="Plain http or https.")] = None
    parameters: Parameters = None
    protected_parameters: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE ...", help="Never shown again.")
    ] = None
    run_as_user: Annotated[str | None, typer.Option(metavar="USER", help="Instead of root.")] = None
    timeout_in_seconds: Annotated[int | None, typer.Option()] = None
    async_execution: Annotated[Truth | None, typer.Option(metavar=TRUTH, help="Wait for its beginning only.")] = (
        None
    )
    treat_failure_as_deployment_failure: Annotated[Truth | None, typer.Option(metavar=TRUTH)] = None

    def resource(self) -> Resource:
        if (self.script is None) == (self.script_uri is None):
            raise BadInput("give either --script or --script-uri")
        source = {"scriptUri": self.script_uri}
        if self.script is not None:
            source = {"script": _text_of(self.script, "--script")}
        properties = {
            "source": source,
            "parameters": parameters_of(self.parameters),
            "protectedParameters": parameters_of(self.protected_parameters),
            "runAsUser": self.run_as_user,
            "timeoutInSeconds": self.timeout_in_seconds,
            "asyncExecution": as_bool(self.async_execution),
            "treatFailureAsDeploymentFailure": as_bool(self.treat_failure_as_deployment_failure),
        }
        return {"properties": {name: value for name, value in properties.items() if value is not None}}


def _path(session: Session, scale_set: SetRef, instance_id: str, *more: str) -> str:
    return session.client.path_of(scale_set, "virtualMachines", instance_id, "runCommands", *more)


@command(run_command_app, "create", on=OnSet.VMSS_NAME)
def create(
    session: Session,
    scale_set: SetRef,
    name: CommandName,
    instance_id: InstanceId,
    flags: CreateFlags,
    no_wait: NoWait = False,
) -> None:
    """Run a script on an instance and keep it with its result. The same again changes nothing."""
    path = _path(session, scale_set, instance_id, name)
    reply = session.client.send("PUT", path, body=flags.resource())
    if session.finish(reply, f"run command {name} on instance {instance_id}", no_wait=no_wait):
        session.show(session.client.get(path, **{"$expand": "instanceView"}), RUN_COMMANDS)


@command(run_command_app, "list", on=OnSet.VMSS_NAME)
def list_commands(session: Session, scale_set: SetRef, instance_id: InstanceId) -> None:
    """List an instance's run commands."""
    pages = session.client.pages(_path(session, scale_set, instance_id), **{"$expand": "instanceView"})
    session.show(list[Any](pages), RUN_COMMANDS)


@command(run_command_app, "show", on=OnSet.VMSS_NAME)
def show(session: Session, scale_set: SetRef, name: CommandName, instance_id: InstanceId) -> None:
    """Show a run command and what has come of it."""
    path = _path(session, scale_set, instance_id, name)
    session.show(session.client.get(path, **{"$expand": "instanceView"}), RUN_COMMANDS)


@command(run_command_app, "delete", on=OnSet.VMSS_NAME)
def delete(
    session: Session, scale_set: SetRef, name: CommandName, instance_id: InstanceId, no_wait: NoWait = False
) -> None:
    """Delete a run command. What runs of it is ended."""
    reply = session.client.send("DELETE", _path(session, scale_set, instance_id, name))
    title = f"deleting run command {name} of instance {instance_id}"
    if session.finish(reply, title, no_wait=no_wait):
        session.answer(f"{title}: done")
