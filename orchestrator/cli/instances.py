"""What is done to instances: start, restart, stop, deallocate, reimage, delete, upgrade, list; and services."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from orchestrator.cli.client import SetRef
from orchestrator.cli.command import TRUTH, InstanceIds, NoWait, OnSet, Truth, as_bool, command
from orchestrator.cli.session import Session
from orchestrator.cli.tables import INSTANCES
from orchestrator.cli.values import instance_ids as checked_ids
from orchestrator.errors import BadInput

PANEL = "Instances"


def register(app: typer.Typer) -> None:
    settings: dict[str, Any] = {"on": OnSet.OPTIONAL, "rich_help_panel": PANEL}
    command(app, "list-instances", **settings)(list_instances)
    command(app, "start", **settings)(start)
    command(app, "restart", **settings)(restart)
    command(app, "stop", **settings)(stop)
    command(app, "deallocate", **settings)(deallocate)
    command(app, "reimage", **settings)(reimage)
    command(app, "redeploy", **settings)(redeploy)
    command(app, "perform-maintenance", **settings)(perform_maintenance)
    command(app, "reapply", **settings)(reapply)
    command(app, "delete-instances", **settings)(delete_instances)
    command(app, "update-instances", **settings)(update_instances)
    command(app, "set-orchestration-service-state", **settings)(set_service_state)


def list_instances(
    session: Session,
    scale_set: SetRef,
    expand: Annotated[
        str, typer.Option(metavar="instanceView", help="For az's sake: the live state is always included.")
    ] = "instanceView",
    filter_: Annotated[str | None, typer.Option("--filter", metavar="ODATA", help="The API's $filter.")] = None,
) -> None:
    """List a scale set's instances with their live state."""
    if expand.lower() != "instanceview":
        raise BadInput(f"--expand: only instanceView can be expanded, not {expand}")
    query = {"$expand": "instanceView", **({"$filter": filter_} if filter_ else {})}
    path = session.client.path_of(scale_set, "virtualMachines")
    session.show(list(session.client.pages(path, **query)), INSTANCES)


def start(session: Session, scale_set: SetRef, instance_ids: InstanceIds = None, no_wait: NoWait = False) -> None:
    """Start stopped or deallocated instances."""
    _act(session, scale_set, "start", "starting", checked_ids(instance_ids), no_wait=no_wait)


def restart(session: Session, scale_set: SetRef, instance_ids: InstanceIds = None, no_wait: NoWait = False) -> None:
    """Restart instances on the same disk."""
    _act(session, scale_set, "restart", "restarting", checked_ids(instance_ids), no_wait=no_wait)


def stop(
    session: Session,
    scale_set: SetRef,
    instance_ids: InstanceIds = None,
    skip_shutdown: Annotated[bool, typer.Option("--skip-shutdown", help="Pull the plug.")] = False,
    no_wait: NoWait = False,
) -> None:
    """Power instances off. They keep their place on the host; see deallocate."""
    query = {"skipShutdown": "true" if skip_shutdown else "false"}
    _act(session, scale_set, "poweroff", "stopping", checked_ids(instance_ids), query=query, no_wait=no_wait)


def deallocate(
    session: Session,
    scale_set: SetRef,
    instance_ids: InstanceIds = None,
    hibernate: Annotated[
        Truth | None, typer.Option(metavar=TRUTH, help="Save the memory as well: start resumes where it was.")
    ] = None,
    no_wait: NoWait = False,
) -> None:
    """Stop instances and give their place on the host back. Disks stay."""
    is_hibernation = bool(as_bool(hibernate))
    query = {"hibernate": "true"} if is_hibernation else None
    doing = "hibernating" if is_hibernation else "deallocating"
    _act(session, scale_set, "deallocate", doing, checked_ids(instance_ids), query=query, no_wait=no_wait)


def reimage(
    session: Session,
    scale_set: SetRef,
    instance_ids: InstanceIds = None,
    exact_version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="This version of the image, whatever the model says.")
    ] = None,
    no_wait: NoWait = False,
) -> None:
    """Give instances a new disk from the image. Ids and addresses stay."""
    more = {"exactVersion": exact_version} if exact_version else None
    _act(session, scale_set, "reimage", "reimaging", checked_ids(instance_ids), more=more, no_wait=no_wait)


def redeploy(
    session: Session, scale_set: SetRef, instance_ids: InstanceIds = None, no_wait: NoWait = False
) -> None:
    """Move instances to another host, with their disks, and run them there."""
    _act(session, scale_set, "redeploy", "redeploying", checked_ids(instance_ids), no_wait=no_wait)


def perform_maintenance(
    session: Session, scale_set: SetRef, instance_ids: InstanceIds = None, no_wait: NoWait = False
) -> None:
    """Move instances off hosts that are draining, at a time of your choice."""
    ids = checked_ids(instance_ids)
    _act(session, scale_set, "performMaintenance", "maintaining", ids, no_wait=no_wait)


def reapply(session: Session, scale_set: SetRef, no_wait: NoWait = False) -> None:
    """Try again what failed on instances, from where it failed."""
    _act(session, scale_set, "reapply", "reapplying to", None, no_wait=no_wait)


def delete_instances(
    session: Session,
    scale_set: SetRef,
    instance_ids: Annotated[list[str], typer.Option("--instance-ids", metavar="ID ...", help="Which, or '*'.")],
    no_wait: NoWait = False,
) -> None:
    """Delete instances. The capacity is lowered by as many."""
    ids = checked_ids(instance_ids) or ["*"]
    _act(session, scale_set, "delete", "deleting", ids, no_wait=no_wait)


def update_instances(
    session: Session,
    scale_set: SetRef,
    instance_ids: Annotated[list[str], typer.Option("--instance-ids", metavar="ID ...", help="Which, or '*'.")],
    no_wait: NoWait = False,
) -> None:
    """Bring instances to the set's latest model."""
    ids = checked_ids(instance_ids) or ["*"]
    _act(session, scale_set, "manualupgrade", "upgrading", ids, no_wait=no_wait)


def _act(
    session: Session,
    scale_set: SetRef,
    verb: str,
    doing: str,
    ids: list[str] | None,
    *,
    query: dict[str, str] | None = None,
    more: dict[str, Any] | None = None,
    no_wait: bool,
) -> None:
    """Post a verb for the named instances (``None``: no body, which means all), and wait."""
    body = ({} if ids is None else {"instanceIds": ids}) | (more or {})
    whom = "all instances" if ids in (None, ["*"]) else f"instance {', '.join(ids or ())}"
    title = f"{doing} {whom} of {scale_set.name}"
    reply = session.client.send("POST", session.client.path_of(scale_set, verb), body=body or None, query=query)
    if session.finish(reply, title, scale_set=scale_set, no_wait=no_wait):
        session.answer(f"{title}: done")


class ServiceAction(StrEnum):
    RESUME = "Resume"
    SUSPEND = "Suspend"


def set_service_state(
    session: Session,
    scale_set: SetRef,
    action: Annotated[ServiceAction, typer.Option(case_sensitive=False)],
    service_name: Annotated[str, typer.Option()] = "AutomaticRepairs",
    no_wait: NoWait = False,
) -> None:
    """Suspend or resume automatic repairs."""
    path = session.client.path_of(scale_set, "setOrchestrationServiceState")
    body = {"serviceName": service_name, "action": action.value}
    reply = session.client.send("POST", path, body=body)
    done = f"{service_name} of {scale_set.name}: {action.value.lower().removesuffix('e')}ed"
    if session.finish(reply, f"{action.value.lower()} {service_name}", scale_set=scale_set, no_wait=no_wait):
        session.answer(done)
