"""``vmss create|show|list|scale|update|delete|list-skus|get-instance-view|wait``: the set itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.balancers import network_behind
from orchestrator.cli.client import COMPUTE, OWN, Resource, SetRef
from orchestrator.cli.command import NoWait, OnSet, command
from orchestrator.cli.output import dig
from orchestrator.cli.session import Session
from orchestrator.cli.set_body import FrontFlags, GuestFlags, HealthFlags, ShapeFlags, build_set, image_from_urn
from orchestrator.cli.ssh_keys import public_keys
from orchestrator.cli.tables import INSTANCES, SETS, SKUS, STATUSES
from orchestrator.errors import ImageError, NotFound

PANEL = "Scale sets"
DEFAULT_SIZE = "Lab_Small"
_SIZES_OF_IMAGES = {"micro": "Lab_Micro"}
"""Images that are at home in less than the default size."""


def register(app: typer.Typer) -> None:
    command(app, "create", on=OnSet.OPTIONAL, rich_help_panel=PANEL)(create_set)
    command(app, "show", on=OnSet.OPTIONAL, rich_help_panel=PANEL)(show_set)
    command(app, "list", rich_help_panel=PANEL)(list_sets)
    command(app, "scale", on=OnSet.OPTIONAL, rich_help_panel=PANEL)(scale_set)
    command(app, "delete", on=OnSet.OPTIONAL, rich_help_panel=PANEL)(delete_set)
    command(app, "get-instance-view", on=OnSet.OPTIONAL, rich_help_panel=PANEL)(get_instance_view)
    command(app, "list-skus", on=OnSet.OPTIONAL, rich_help_panel=PANEL)(list_skus)


def create_set(
    session: Session,
    scale_set: SetRef,
    shape: ShapeFlags,
    guest: GuestFlags,
    health: HealthFlags,
    front: FrontFlags,
    no_wait: NoWait = False,
) -> None:
    """Create a scale set, or bring an existing one to what the flags say."""
    keys = public_keys(guest.ssh_key_values or [], generate=guest.generate_ssh_keys, home=Path.home())
    if not keys:
        session.note("no SSH key found: nobody but the daemon can log in (see --generate-ssh-keys)")
    image, default_size = find_image(session, shape.image)
    body = build_set(
        shape,
        guest,
        health,
        location=shape.location or session.client.daemon["location"],
        image=image,
        default_size=default_size,
        keys=keys,
        network=network_behind(session.client, scale_set.group, front, health),
    )
    session.client.ensure_group(scale_set.group)
    put_set(session, scale_set, body, f"creating {scale_set.name}", no_wait=no_wait)


def find_image(session: Session, text: str) -> tuple[Resource, str]:
    """The ``imageReference`` for what ``--image`` says, and the size of VM that this image is at home in."""
    if reference := image_from_urn(text):
        return reference, DEFAULT_SIZE
    images = list(session.client.pages(f"{OWN}/images"))
    found = next((each for each in images if str(each["name"]).lower() == text.lower()), None)
    if found is None:
        known = ", ".join(sorted({str(each["name"]) for each in images})) or "none yet (vmss image build micro)"
        raise NotFound(f"there is no image {text}; the catalogue has: {known}", code=ImageError.code)
    reference = {part: found[part] for part in ("publisher", "offer", "sku")}
    return {**reference, "version": "latest"}, _SIZES_OF_IMAGES.get(found["name"], DEFAULT_SIZE)


def put_set(session: Session, scale_set: SetRef, body: Resource, title: str, *, no_wait: bool) -> None:
    """Put the resource, wait, and show what it has become."""
    path = session.client.path_of(scale_set)
    reply = session.client.send("PUT", path, body=body)
    is_done = session.finish(reply, title, scale_set=scale_set, no_wait=no_wait)
    if is_done:
        session.show(session.client.get(path), SETS)


def show_set(
    session: Session,
    scale_set: SetRef,
    instance_id: Annotated[str | None, typer.Option(help="One instance of it.")] = None,
) -> None:
    """Show a scale set's model, or one instance."""
    if instance_id is None:
        session.show(session.client.get(session.client.path_of(scale_set)), SETS)
        return
    path = session.client.path_of(scale_set, "virtualMachines", instance_id)
    session.show(session.client.get(path, **{"$expand": "instanceView"}), INSTANCES)


def list_sets(
    session: Session,
    resource_group: Annotated[
        str | None, typer.Option("--resource-group", "-g", help="Only this resource group. [default: all]")
    ] = None,
) -> None:
    """List the scale sets."""
    subscription = f"/subscriptions/{session.client.daemon['subscriptionId']}"
    scope = session.client.path_of_group(resource_group) if resource_group else subscription
    session.show(list(session.client.pages(f"{scope}/providers/{COMPUTE}/virtualMachineScaleSets")), SETS)


def scale_set(
    session: Session,
    scale_set: SetRef,
    new_capacity: Annotated[int, typer.Option(min=0, help="Number of instances.")],
    no_wait: NoWait = False,
) -> None:
    """Change the number of instances."""
    path = session.client.path_of(scale_set)
    now: Resource = session.client.get(path)
    body = {"location": now["location"], "sku": {"name": now["sku"]["name"], "capacity": new_capacity}}
    title = f"scaling {scale_set.name} from {now['sku']['capacity']} to {new_capacity}"
    put_set(session, scale_set, body, title, no_wait=no_wait)


def delete_set(
    session: Session,
    scale_set: SetRef,
    force_deletion: Annotated[bool, typer.Option("--force-deletion", help="Without a clean shutdown.")] = False,
    no_wait: NoWait = False,
) -> None:
    """Delete a scale set and all its instances. One that is not there is deleted already."""
    query = {"forceDeletion": "true"} if force_deletion else {}
    reply = session.client.send("DELETE", session.client.path_of(scale_set), query=query)
    if reply.status == 204:
        session.note(f"there was no scale set {scale_set.name} in resource group {scale_set.group}")
    elif session.finish(reply, f"deleting {scale_set.name}", scale_set=scale_set, no_wait=no_wait):
        session.answer(f"deleted {scale_set.name}")


def get_instance_view(
    session: Session,
    scale_set: SetRef,
    instance_id: Annotated[str | None, typer.Option(metavar="ID|*", help="Of one instance, or of all.")] = None,
) -> None:
    """Show the live state of a scale set, of one instance, or of all instances."""
    if instance_id == "*":
        views = [{"instanceId": vm["instanceId"], **_view(vm)} for vm in session.instances(scale_set)]
        session.show(views)
        return
    below = ("instanceView",) if instance_id is None else ("virtualMachines", instance_id, "instanceView")
    view: Resource = session.client.get(session.client.path_of(scale_set, *below))
    if session.options.output == "table" and session.options.query is None:
        session.show(_view_rows(view), STATUSES)
    else:
        session.show(view)


def _view(vm: Resource) -> Resource:
    return dict(dig(vm, "properties.instanceView", {}))


def _view_rows(view: Resource) -> list[dict[str, Any]]:
    """A view's many lists of statuses as one table: counts, states, health, extensions, services."""
    rows = _counted(dig(view, "virtualMachine.statusesSummary"))
    rows += view.get("statuses") or []
    if health := dig(view, "vmHealth.status"):
        rows.append(health)
    for extension in view.get("extensions") or []:
        statuses = [*(extension.get("statuses") or []), *(extension.get("substatuses") or [])]
        statuses += _counted(extension.get("statusesSummary"))
        rows += [{**status, "code": f"{extension['name']}: {status.get('code')}"} for status in statuses]
    for service in view.get("orchestrationServices") or []:
        rows.append({"code": service.get("serviceName"), "displayStatus": service.get("serviceState")})
    return rows


def _counted(summary: list[Resource] | None) -> list[dict[str, Any]]:
    """How often each code occurs, shown as "2 instances"."""
    return [{"code": each["code"], "displayStatus": f"{each['count']} instances"} for each in summary or []]


def list_skus(session: Session, scale_set: SetRef) -> None:
    """List the VM sizes that the scale set could have."""
    session.show(list(session.client.pages(session.client.path_of(scale_set, "skus"))), SKUS)
