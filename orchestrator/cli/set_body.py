"""From flags to the resource that ``vmss create`` puts. Pure but for the files that flags name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from orchestrator.cli.client import Resource
from orchestrator.cli.command import TRUTH, Truth, as_bool
from orchestrator.cli.values import duration, file_or_text_base64, tags_of
from orchestrator.errors import BadInput

SCRIPT_NAME = "CustomScript"
HEALTH_NAME = "ApplicationHealthLinux"
_RULES = {rule.lower(): rule for rule in ("Default", "NewestVM", "OldestVM")}
_HEALTH = re.compile(r"^(?P<port>\d{1,5})(?P<path>/.*)?$")
_GUEST = "Guest options"
_REPAIR = "Health and repair options"


@dataclass(frozen=True, slots=True)
class ShapeFlags:
    """How many, how big, where."""

    image: Annotated[str, typer.Option(help="Name in the catalogue, or publisher:offer:sku:version.")]
    location: Annotated[str | None, typer.Option("--location", "-l", help="[default: the daemon's]")] = None
    instance_count: Annotated[int, typer.Option(min=0, help="Number of instances.")] = 2
    vm_sku: Annotated[str | None, typer.Option(metavar="SIZE", help="VM size. [default: what the image needs]")] = (
        None
    )
    zones: Annotated[list[str] | None, typer.Option("--zones", "-z", metavar="ZONE ...")] = None
    orchestration_mode: Annotated[
        str | None, typer.Option(metavar="MODE", help="Uniform or Flexible. [default: Uniform]")
    ] = None
    platform_fault_domain_count: Annotated[int | None, typer.Option(help="Fault domains to spread over.")] = None
    upgrade_policy_mode: Annotated[
        str | None, typer.Option(metavar="MODE", help="Manual, Automatic or Rolling.")
    ] = None
    scale_in_policy: Annotated[str | None, typer.Option(metavar="RULE", help="Default, NewestVM or OldestVM.")] = (
        None
    )
    os_disk_size_gb: Annotated[int | None, typer.Option(help="Grow the image's disk to this.")] = None
    tags: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE ...")] = None


@dataclass(frozen=True, slots=True)
class GuestFlags:
    """Who may log in and what runs in the guest."""

    admin_username: Annotated[str, typer.Option(rich_help_panel=_GUEST)] = "azureuser"
    ssh_key_values: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY|FILE ...", rich_help_panel=_GUEST, help="Public keys. [default: ~/.ssh/id_*.pub]"
        ),
    ] = None
    generate_ssh_keys: Annotated[
        bool,
        typer.Option(
            "--generate-ssh-keys", rich_help_panel=_GUEST, help="Make ~/.ssh/id_ed25519 if none is there."
        ),
    ] = False
    computer_name_prefix: Annotated[str | None, typer.Option(rich_help_panel=_GUEST)] = None
    custom_data: Annotated[
        str | None, typer.Option(metavar="FILE|TEXT", rich_help_panel=_GUEST, help="User data for cloud-init.")
    ] = None
    custom_script: Annotated[
        str | None,
        typer.Option(metavar="CMD|@FILE", rich_help_panel=_GUEST, help="Run by the CustomScript extension."),
    ] = None


@dataclass(frozen=True, slots=True)
class FrontFlags:
    """What stands before the instances."""

    load_balancer: Annotated[
        str | None,
        typer.Option(
            "--load-balancer", "--lb", rich_help_panel=_GUEST, help="Behind this one: see 'vmss lb create'."
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class HealthFlags:
    """How health is known and what is done about it."""

    health_http: Annotated[
        str | None,
        typer.Option(metavar="PORT/PATH", rich_help_panel=_REPAIR, help="Ask inside the guest by HTTP."),
    ] = None
    health_https: Annotated[str | None, typer.Option(metavar="PORT/PATH", rich_help_panel=_REPAIR)] = None
    health_tcp: Annotated[int | None, typer.Option(metavar="PORT", rich_help_panel=_REPAIR)] = None
    health_lb: Annotated[
        bool, typer.Option("--health-lb", rich_help_panel=_REPAIR, help="As the load balancer's probe finds it.")
    ] = False
    health_rich: Annotated[
        bool,
        typer.Option(
            "--health-rich", rich_help_panel=_REPAIR, help="The answer's body names the state (version 2.0)."
        ),
    ] = False
    health_interval: Annotated[int | None, typer.Option(metavar="SECONDS", rich_help_panel=_REPAIR)] = None
    health_probes: Annotated[
        int | None, typer.Option(rich_help_panel=_REPAIR, help="Equal answers before the state changes.")
    ] = None
    enable_automatic_repairs: Annotated[Truth | None, typer.Option(metavar=TRUTH, rich_help_panel=_REPAIR)] = None
    automatic_repairs_grace_period: Annotated[
        str | None, typer.Option(metavar="TIME", rich_help_panel=_REPAIR, help="30s, 5m, PT10M or minutes.")
    ] = None
    automatic_repairs_action: Annotated[
        str | None, typer.Option(metavar="ACTION", rich_help_panel=_REPAIR, help="Replace, Restart or Reimage.")
    ] = None


def build_set(
    shape: ShapeFlags,
    guest: GuestFlags,
    health: HealthFlags,
    *,
    location: str,
    image: Resource,
    default_size: str,
    keys: list[str],
    network: Resource | None = None,
) -> Resource:
    """The whole resource. ``image`` is its ``imageReference``, ``keys`` the admin user's public keys, ``network``
    its ``networkProfile`` where it is not the default."""
    profile: Resource = {
        "osProfile": _os_profile(guest, keys),
        "storageProfile": {"imageReference": image, "osDisk": _os_disk(shape)},
    }
    if network is not None:
        profile["networkProfile"] = network
    if extensions := [each for each in (script_extension(guest.custom_script), health_extension(health)) if each]:
        profile["extensionProfile"] = {"extensions": extensions}
    properties = {
        "orchestrationMode": shape.orchestration_mode,
        "upgradePolicy": {"mode": shape.upgrade_policy_mode} if shape.upgrade_policy_mode else None,
        "scaleInPolicy": scale_in_policy(shape.scale_in_policy),
        "platformFaultDomainCount": shape.platform_fault_domain_count,
        "automaticRepairsPolicy": repairs_policy(health),
        "virtualMachineProfile": profile,
    }
    body: Resource = {
        "location": location,
        "sku": {"name": shape.vm_sku or default_size, "capacity": shape.instance_count},
        "tags": tags_of(shape.tags),
        "zones": shape.zones,
        "properties": {name: value for name, value in properties.items() if value is not None},
    }
    return {name: value for name, value in body.items() if value is not None}


def image_from_urn(text: str) -> Resource | None:
    """``publisher:offer:sku[:version]`` or a resource id as an ``imageReference``; ``None`` for a plain name."""
    if text.startswith("/"):
        return {"id": text}
    words = text.split(":")
    if len(words) == 1:
        return None
    if len(words) not in (3, 4) or not all(words):
        raise BadInput(f"--image: not publisher:offer:sku:version: {text}")
    return dict(zip(("publisher", "offer", "sku", "version"), [*words, "latest"], strict=False))


def _os_profile(guest: GuestFlags, keys: list[str]) -> Resource:
    path = f"/home/{guest.admin_username}/.ssh/authorized_keys"
    linux: Resource = {"disablePasswordAuthentication": True}
    if keys:
        linux["ssh"] = {"publicKeys": [{"path": path, "keyData": key} for key in keys]}
    profile: Resource = {"adminUsername": guest.admin_username, "linuxConfiguration": linux}
    if guest.computer_name_prefix:
        profile["computerNamePrefix"] = guest.computer_name_prefix
    if guest.custom_data is not None:
        profile["customData"] = file_or_text_base64(guest.custom_data, "--custom-data")
    return profile


def _os_disk(shape: ShapeFlags) -> Resource:
    size = {} if shape.os_disk_size_gb is None else {"diskSizeGB": shape.os_disk_size_gb}
    return {"createOption": "FromImage", **size}


def scale_in_policy(rule: str | None) -> Resource | None:
    """``scaleInPolicy`` for a rule's name in any letter case; ``None`` when not given."""
    if rule is None:
        return None
    if rule.lower() not in _RULES:
        raise BadInput(f"--scale-in-policy: one of {', '.join(_RULES.values())}, not {rule}")
    return {"rules": [_RULES[rule.lower()]]}


def script_extension(command: str | None) -> Resource | None:
    """The CustomScript extension that runs a command, or the script in ``@file``."""
    if command is None:
        return None
    is_file = command.startswith("@")
    settings = (
        {"script": file_or_text_base64(command, "--custom-script")} if is_file else {"commandToExecute": command}
    )
    return extension(SCRIPT_NAME, "Microsoft.Azure.Extensions", "CustomScript", "2.1", settings)


def health_extension(flags: HealthFlags) -> Resource | None:
    """The Application Health extension for ``--health-http`` and its like; ``None`` without any of them."""
    asked = {"http": flags.health_http, "https": flags.health_https, "tcp": flags.health_tcp}
    given = {protocol: value for protocol, value in asked.items() if value is not None}
    if not given:
        if flags.health_rich or flags.health_interval or flags.health_probes:
            raise BadInput(
                "--health-rich, --health-interval and --health-probes need --health-http, -https or -tcp"
            )
        return None
    if len(given) > 1:
        raise BadInput("one health check only: --health-http, --health-https or --health-tcp")
    [(protocol, value)] = given.items()
    settings: dict[str, Any] = {"protocol": protocol, **_port_and_path(protocol, str(value))}
    if flags.health_interval is not None:
        settings["intervalInSeconds"] = flags.health_interval
    if flags.health_probes is not None:
        settings["numberOfProbes"] = flags.health_probes
    version = "2.0" if flags.health_rich else "1.0"
    return extension(HEALTH_NAME, "Microsoft.ManagedServices", "ApplicationHealthLinux", version, settings)


def _port_and_path(protocol: str, value: str) -> dict[str, Any]:
    found = _HEALTH.match(value)
    if not found:
        raise BadInput(f"--health-{protocol}: write PORT/PATH, for example 80/healthz, not {value}")
    path = {} if protocol == "tcp" else {"requestPath": found["path"] or "/"}
    return {"port": int(found["port"]), **path}


def extension(name: str, publisher: str, kind: str, version: str, settings: dict[str, Any]) -> Resource:
    """One element of ``extensionProfile.extensions``."""
    return {
        "name": name,
        "properties": {
            "publisher": publisher,
            "type": kind,
            "typeHandlerVersion": version,
            "autoUpgradeMinorVersion": True,
            "settings": settings,
        },
    }


def repairs_policy(flags: HealthFlags) -> Resource | None:
    """``automaticRepairsPolicy`` with only the members that were given; ``None`` for none."""
    policy = {
        "enabled": as_bool(flags.enable_automatic_repairs),
        "gracePeriod": duration(flags.automatic_repairs_grace_period, "--automatic-repairs-grace-period"),
        "repairAction": flags.automatic_repairs_action,
    }
    return {name: value for name, value in policy.items() if value is not None} or None
