"""``vmss update``: az's generic update and its shorthands, on the set or on one instance."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from orchestrator.cli.client import Resource, SetRef
from orchestrator.cli.command import TRUTH, NoWait, OnSet, Truth, as_bool, command, grouped
from orchestrator.cli.differences import merge_patch
from orchestrator.cli.faults import ApiError
from orchestrator.cli.generic_update import apply_updates, parse_path, set_value
from orchestrator.cli.session import Session
from orchestrator.cli.set_body import HealthFlags, repairs_policy, scale_in_policy
from orchestrator.cli.tables import INSTANCES, SETS
from orchestrator.cli.values import tags_of
from orchestrator.errors import BadInput

_MAX_TRIES = 5


@dataclass(frozen=True, slots=True)
class GenericFlags:
    """The path language; see ``generic_update``."""

    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE ...", help="Set a property: sku.name=Lab_Small."),
    ] = None
    add: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="PATH VALUE ...", help="Append to a list; key=value makes an object."),
    ] = None
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="PATH [INDEX]", help="Remove a property or an element.")
    ] = None

    force_string: Annotated[
        bool, typer.Option("--force-string", help="Take values of --set and --add as text, never as JSON.")
    ] = False

    def apply(self, resource: Resource) -> None:
        adds, removes = grouped(self.add), grouped(self.remove)
        apply_updates(resource, self.set_ or (), adds, removes, is_text=self.force_string)

    @property
    def is_empty(self) -> bool:
        return not (self.set_ or self.add or self.remove)


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under which the change is made at all; without any, it is made on what was just read, again if need be."""

    if_match: Annotated[
        str | None, typer.Option("--if-match", metavar="ETAG", help="Only if it still has this etag; * for any.")
    ] = None
    if_none_match: Annotated[
        str | None, typer.Option("--if-none-match", metavar="*", help="Only if it does not exist: always refused.")
    ] = None

    def headers(self) -> dict[str, str]:
        given = {"If-Match": self.if_match, "If-None-Match": self.if_none_match}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class SetShorthands:
    """What is changed most, without its path."""

    vm_sku: Annotated[str | None, typer.Option(metavar="SIZE", help="VM size.")] = None
    scale_in_policy: Annotated[str | None, typer.Option(metavar="RULE", help="Default, NewestVM or OldestVM.")] = (
        None
    )
    upgrade_policy_mode: Annotated[
        str | None, typer.Option(metavar="MODE", help="Manual, Automatic or Rolling.")
    ] = None
    enable_automatic_repairs: Annotated[Truth | None, typer.Option(metavar=TRUTH)] = None
    automatic_repairs_grace_period: Annotated[
        str | None, typer.Option(metavar="TIME", help="30s, 5m, PT10M or minutes.")
    ] = None
    automatic_repairs_action: Annotated[
        str | None, typer.Option(metavar="ACTION", help="Replace, Restart or Reimage.")
    ] = None
    tags: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE ...", help="Replace all tags; '' clears.")
    ] = None

    def changes(self) -> list[tuple[str, Any]]:
        """(path, value) of each flag that was given."""
        repairs = repairs_policy(
            HealthFlags(
                enable_automatic_repairs=self.enable_automatic_repairs,
                automatic_repairs_grace_period=self.automatic_repairs_grace_period,
                automatic_repairs_action=self.automatic_repairs_action,
            )
        )
        scale_in = scale_in_policy(self.scale_in_policy)
        pairs: list[tuple[str, Any]] = [
            ("sku.name", self.vm_sku),
            ("scaleInPolicy.rules", scale_in and scale_in["rules"]),
            ("upgradePolicy.mode", self.upgrade_policy_mode),
            ("tags", tags_of(self.tags)),
            *((f"automaticRepairsPolicy.{name}", value) for name, value in (repairs or {}).items()),
        ]
        return [(path, value) for path, value in pairs if value is not None]


@dataclass(frozen=True, slots=True)
class InstanceShorthands:
    """What can be changed on one instance."""

    instance_id: Annotated[str | None, typer.Option(metavar="ID", help="Change this instance, not the set.")] = None
    protect_from_scale_in: Annotated[Truth | None, typer.Option(metavar=TRUTH)] = None
    protect_from_scale_set_actions: Annotated[Truth | None, typer.Option(metavar=TRUTH)] = None

    def changes(self) -> list[tuple[str, Any]]:
        pairs = [
            ("protectionPolicy.protectFromScaleIn", as_bool(self.protect_from_scale_in)),
            ("protectionPolicy.protectFromScaleSetActions", as_bool(self.protect_from_scale_set_actions)),
        ]
        return [(path, value) for path, value in pairs if value is not None]


def register(app: typer.Typer, panel: str) -> None:
    command(app, "update", on=OnSet.OPTIONAL, rich_help_panel=panel)(update)


def update(
    session: Session,
    scale_set: SetRef,
    generic: GenericFlags,
    of_set: SetShorthands,
    of_instance: InstanceShorthands,
    conditions: Conditions,
    no_wait: NoWait = False,
) -> None:
    """Change a scale set's model, or one instance's protection."""
    set_changes, instance_changes = of_set.changes(), of_instance.changes()
    is_instance = of_instance.instance_id is not None
    if is_instance and set_changes:
        raise BadInput(f"{set_changes[0][0]} belongs to the set: leave --instance-id out")
    if instance_changes and not is_instance:
        raise BadInput("protection is given to one instance: name it with --instance-id")
    changes = instance_changes if is_instance else set_changes
    if not changes and generic.is_empty:
        raise BadInput("nothing to change: see --set, --add, --remove and the shorthands in --help")

    def change(resource: Resource) -> None:
        for path, value in changes:
            set_value(resource, parse_path(path), value)
        generic.apply(resource)

    below = ("virtualMachines", of_instance.instance_id) if of_instance.instance_id is not None else ()
    path = session.client.path_of(scale_set, *below)
    columns = INSTANCES if is_instance else SETS
    reply = put_changed(session, path, change, conditions.headers())
    if session.finish(reply, f"updating {scale_set.name}", scale_set=scale_set, no_wait=no_wait):
        query = {"$expand": "instanceView"} if is_instance else {}
        session.show(session.client.get(path, **query), columns)


def put_changed(
    session: Session, path: str, change: Callable[[Resource], None], conditions: Mapping[str, str] | None = None
) -> Any:
    """Read, change, and write the difference back, on condition that nobody wrote in between (If-Match); else
    do it again. With ``conditions`` of the caller's own it is done once, on those.

    Only the difference: a put is merged into what is there, and what is not sent cannot undo a write-only
    secret or someone else's change."""
    for attempt in range(1, _MAX_TRIES + 1):
        resource: Resource = session.client.get(path)
        headers = conditions or ({"If-Match": resource["etag"]} if resource.get("etag") else {})
        wanted = copy.deepcopy(resource)
        change(wanted)
        body = {"location": resource.get("location"), **merge_patch(resource, wanted)}
        try:
            return session.client.send("PUT", path, body=body, headers=headers)
        except ApiError as error:
            if error.http_status != 412 or attempt == _MAX_TRIES or conditions:
                raise
            session.verbose(f"someone else changed it meanwhile; trying again ({attempt})")
    raise AssertionError("the last try returns or raises")
