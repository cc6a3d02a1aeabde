"""``vmss host list|show|add|drain|undrain|remove``: the hypervisors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from orchestrator.cli.client import OWN, Resource
from orchestrator.cli.command import command
from orchestrator.cli.session import Session
from orchestrator.cli.tables import HOSTS

host_app = typer.Typer(help="Hypervisor hosts.", no_args_is_help=True)

HostName = Annotated[str, typer.Argument(metavar="NAME", help="The host.", show_default=False)]


@dataclass(frozen=True, slots=True)
class HostFlags:
    """How to reach a host and where it stands. What is not given keeps the daemon's default."""

    uri: Annotated[str, typer.Option(metavar="URI", help="libvirt's: qemu:///system, qemu+ssh://root@h/system, …")]
    zone: Annotated[str | None, typer.Option()] = None
    fault_domain: Annotated[int | None, typer.Option(min=0)] = None
    pool: Annotated[str | None, typer.Option(help="libvirt storage pool.")] = None
    network: Annotated[str | None, typer.Option(help="libvirt network for guests.")] = None
    address_space: Annotated[str | None, typer.Option(help="Configured network that gives addresses.")] = None
    host_group: Annotated[str | None, typer.Option(help="Dedicated to sets that name this host group.")] = None
    acceleration: Annotated[str | None, typer.Option(metavar="auto|kvm|tcg")] = None
    limit_memory_mib: Annotated[int | None, typer.Option(min=1)] = None
    limit_vcpus: Annotated[int | None, typer.Option(min=1)] = None
    limit_pool_gib: Annotated[int | None, typer.Option(min=1)] = None
    limit_guests: Annotated[int | None, typer.Option(min=0)] = None

    def body(self) -> Resource:
        limits = {
            "memoryMib": self.limit_memory_mib,
            "vcpus": self.limit_vcpus,
            "poolGib": self.limit_pool_gib,
            "guests": self.limit_guests,
        }
        members = {
            "uri": self.uri,
            "zone": self.zone,
            "faultDomain": self.fault_domain,
            "pool": self.pool,
            "network": self.network,
            "addressSpace": self.address_space,
            "hostGroup": self.host_group,
            "acceleration": self.acceleration,
            "limits": {name: value for name, value in limits.items() if value is not None} or None,
        }
        return {name: value for name, value in members.items() if value is not None}


def path_of_host(name: str, *more: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415

    return "/".join([f"{OWN}/hosts", *(quote(part, safe="") for part in (name, *more))])


@command(host_app, "list")
def list_hosts(session: Session) -> None:
    """List the hosts: state, room left, instances."""
    session.show(list(session.client.pages(f"{OWN}/hosts")), HOSTS)


@command(host_app, "show")
def show_host(session: Session, name: HostName) -> None:
    """Show one host."""
    session.show(session.client.get(path_of_host(name)), HOSTS)


@command(host_app, "add")
def add_host(session: Session, name: HostName, flags: HostFlags) -> None:
    """Add a host, or change how it is reached."""
    reply = session.client.send("PUT", path_of_host(name), body=flags.body())
    session.finish(reply, f"adding host {name}")
    session.show(session.client.get(path_of_host(name)), HOSTS)


@command(host_app, "drain")
def drain_host(session: Session, name: HostName) -> None:
    """Put no new instances on a host and move those it has to others."""
    reply = session.client.send("POST", path_of_host(name, "drain"))
    session.finish(reply, f"draining host {name}")
    session.answer(f"host {name} is being drained")


@command(host_app, "undrain")
def undrain_host(session: Session, name: HostName) -> None:
    """Let a host take new instances again."""
    session.finish(session.client.send("POST", path_of_host(name, "undrain")), f"undraining host {name}")
    session.answer(f"host {name} takes instances again")


@command(host_app, "remove")
def remove_host(
    session: Session,
    name: HostName,
    force: Annotated[
        bool, typer.Option("--force", help="Even if instances are on it or it does not answer.")
    ] = False,
) -> None:
    """Remove a host from the daemon's list."""
    reply = session.client.send("DELETE", path_of_host(name), query={"force": "true"} if force else {})
    session.finish(reply, f"removing host {name}")
    session.answer(f"removed host {name}")
