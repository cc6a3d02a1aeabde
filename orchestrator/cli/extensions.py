"""``vmss extension set|list|show|delete|cancel``: extensions in the scale set's model, and of single instances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import typer

from orchestrator.cli.client import Resource, SetRef
from orchestrator.cli.command import TRUTH, NoWait, OnSet, Truth, as_bool, command
from orchestrator.cli.session import Session
from orchestrator.cli.tables import EXTENSIONS
from orchestrator.cli.values import json_object

_KINDS = {
    "customscript": ("Microsoft.Azure.Extensions", "CustomScript", "2.1"),
    "applicationhealthlinux": ("Microsoft.ManagedServices", "ApplicationHealthLinux", "1.0"),
}

extension_app = typer.Typer(help="Extensions: what runs in every guest.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class ExtensionFlags:
    """What ``extension set`` takes. The type's own publisher and version are the defaults."""

    name: Annotated[str, typer.Option("--name", "-n", metavar="TYPE", help="CustomScript, ApplicationHealthLinux.")]
    publisher: Annotated[str | None, typer.Option()] = None
    version: Annotated[str | None, typer.Option()] = None
    extension_instance_name: Annotated[
        str | None, typer.Option(help="Its name in the set. [default: the type]")
    ] = None
    settings: Annotated[str | None, typer.Option(metavar="JSON|@FILE")] = None
    protected_settings: Annotated[str | None, typer.Option(metavar="JSON|@FILE", help="Never shown again.")] = None
    force_update: Annotated[bool, typer.Option("--force-update", help="Run it again though nothing changed.")] = (
        False
    )
    no_auto_upgrade: Annotated[Truth | None, typer.Option(metavar=TRUTH)] = None
    provision_after_extensions: Annotated[list[str] | None, typer.Option(metavar="NAME ...")] = None

    def resource(self) -> Resource:
        publisher, kind, version = _KINDS.get(self.name.lower(), (None, self.name, None))
        properties = {
            "publisher": self.publisher or publisher,
            "type": kind,
            "typeHandlerVersion": self.version or version,
            "autoUpgradeMinorVersion": not as_bool(self.no_auto_upgrade),
            "settings": json_object(self.settings, "--settings"),
            "protectedSettings": json_object(self.protected_settings, "--protected-settings"),
            "provisionAfterExtensions": self.provision_after_extensions,
            "forceUpdateTag": _new_tag() if self.force_update else None,
        }
        given = {name: value for name, value in properties.items() if value is not None}
        return {"name": self.extension_instance_name or kind, "properties": given}


def _new_tag() -> str:
    import uuid  # noqa: PLC0415

    return str(uuid.uuid4())


ExtensionName = Annotated[str, typer.Option("--name", "-n", help="Its name in the set.")]
InstanceId = Annotated[
    str | None, typer.Option("--instance-id", metavar="ID", help="On this instance, instead of in the model.")
]


def _place(session: Session, scale_set: SetRef, instance_id: str | None, *more: str) -> tuple[str, str]:
    """The path of the extensions of the model or of one instance, and in words whose they are."""
    if instance_id is None:
        return session.client.path_of(scale_set, "extensions", *more), scale_set.name
    path = session.client.path_of(scale_set, "virtualMachines", instance_id, "extensions", *more)
    return path, f"instance {instance_id} of {scale_set.name}"


def _views(instance_id: str | None) -> dict[str, str]:
    return {} if instance_id is None else {"$expand": "instanceView"}


@command(extension_app, "set", on=OnSet.VMSS_NAME)
def set_extension(
    session: Session,
    scale_set: SetRef,
    flags: ExtensionFlags,
    instance_id: InstanceId = None,
    no_wait: NoWait = False,
) -> None:
    """Add an extension to the model, or replace it. Existing instances get it by update-instances.

    With --instance-id it runs on that instance only, at once, beside those of the model."""
    extension = flags.resource()
    path, whose = _place(session, scale_set, instance_id, extension["name"])
    reply = session.client.send("PUT", path, body=extension)
    title = f"setting extension {extension['name']} of {whose}"
    if session.finish(reply, title, scale_set=scale_set, no_wait=no_wait):
        session.show(session.client.get(path, **_views(instance_id)), EXTENSIONS)


@command(extension_app, "list", on=OnSet.VMSS_NAME)
def list_extensions(session: Session, scale_set: SetRef, instance_id: InstanceId = None) -> None:
    """List the extensions of the model, or all that an instance has, with their results."""
    path, _ = _place(session, scale_set, instance_id)
    session.show(list[Any](session.client.pages(path, **_views(instance_id))), EXTENSIONS)


@command(extension_app, "show", on=OnSet.VMSS_NAME)
def show_extension(
    session: Session, scale_set: SetRef, name: ExtensionName, instance_id: InstanceId = None
) -> None:
    """Show one extension of the model, or of an instance with its result there."""
    path, _ = _place(session, scale_set, instance_id, name)
    session.show(session.client.get(path, **_views(instance_id)), EXTENSIONS)


@command(extension_app, "delete", on=OnSet.VMSS_NAME)
def delete_extension(
    session: Session,
    scale_set: SetRef,
    name: ExtensionName,
    instance_id: InstanceId = None,
    no_wait: NoWait = False,
) -> None:
    """Remove an extension from the model, or from the one instance that has it for itself."""
    path, whose = _place(session, scale_set, instance_id, name)
    reply = session.client.send("DELETE", path)
    title = f"removing extension {name} of {whose}"
    if session.finish(reply, title, scale_set=scale_set, no_wait=no_wait):
        session.answer(f"{title}: done")


@command(extension_app, "cancel", on=OnSet.VMSS_NAME)
def cancel_extension(
    session: Session,
    scale_set: SetRef,
    name: ExtensionName,
    instance_id: Annotated[str, typer.Option("--instance-id", metavar="ID", help="Where it runs.")],
    no_wait: NoWait = False,
) -> None:
    """End an extension that runs on an instance. It has failed then."""
    path, whose = _place(session, scale_set, instance_id, name, "cancel")
    reply = session.client.send("POST", path)
    title = f"cancelling extension {name} of {whose}"
    if session.finish(reply, title, scale_set=scale_set, no_wait=no_wait):
        session.answer(f"{title}: done")
