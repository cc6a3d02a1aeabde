"""``vmss ssh SET ID [-- COMMAND]``: OpenSSH with the host key that the daemon gave this instance.

The key is pinned: an unknown or changed key is never accepted, and the user's own known_hosts is not touched.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.client import Resource, SetRef
from orchestrator.cli.command import OnSet, command
from orchestrator.cli.faults import EXIT_INTERRUPTED
from orchestrator.cli.session import Session
from orchestrator.errors import BadInput, NotPossible


@dataclass(frozen=True, slots=True)
class Connection:
    """How an instance is reached; see GET VM/connection."""

    address: str
    port: int
    users: tuple[str, ...]
    host_key: str
    network_namespace: str | None

    @classmethod
    def from_json(cls, value: Resource) -> Connection:
        return cls(
            str(value["address"]),
            int(value.get("port") or 22),
            tuple(value.get("users") or ()),
            str(value["hostKey"]),
            value.get("networkNamespace"),
        )


def register(app: typer.Typer, panel: str) -> None:
    command(app, "ssh", on=OnSet.REQUIRED, rich_help_panel=panel)(ssh)


def ssh(
    session: Session,
    scale_set: SetRef,
    instance_id: Annotated[str, typer.Argument(metavar="ID", help="The instance.", show_default=False)],
    remote_command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND]", help="Instead of a shell.", show_default=False)
    ] = None,
    user: Annotated[str | None, typer.Option("--user", "-l", help="[default: the set's admin user]")] = None,
    identity: Annotated[str | None, typer.Option("--identity", "-i", metavar="FILE", help="Private key.")] = None,
) -> None:
    """Log in to an instance, or run a command in it. The exit code is ssh's."""
    path = session.client.path_of(scale_set, "virtualMachines", instance_id, "connection")
    connection = Connection.from_json(session.client.get(path))
    _check_can_run(connection)
    with tempfile.TemporaryDirectory(prefix="vmss-ssh-") as folder:
        known_hosts = Path(folder) / "known_hosts"
        alias = f"vmss-{scale_set.group}-{scale_set.name}-{instance_id}"
        known_hosts.write_text(f"{alias} {connection.host_key.strip()}\n", encoding="ascii")
        argv = ssh_argv(connection, known_hosts, alias, user, identity, remote_command or ())
        session.verbose(shlex.join(argv))
        try:
            code = subprocess.call(argv)
        except KeyboardInterrupt:
            code = EXIT_INTERRUPTED
    raise typer.Exit(code)


def ssh_argv(
    connection: Connection,
    known_hosts: Path,
    alias: str,
    user: str | None,
    identity: str | None,
    remote_command: Sequence[str],
) -> list[str]:
    """The words to run. Raises ``BadInput`` when nobody is known to log in as."""
    login = user or next(iter(connection.users), None)
    if login is None:
        raise BadInput("the instance has no user to log in as: name one with --user", target="user")
    options = {
        "UserKnownHostsFile": str(known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "HostKeyAlias": alias,
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "ConnectTimeout": "10",
        "Port": str(connection.port),
        "User": login,
    }
    namespace = connection.network_namespace
    inside = ["ip", "netns", "exec", namespace] if namespace else []
    flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    key = ["-i", str(Path(identity).expanduser()), "-o", "IdentitiesOnly=yes"] if identity else []
    return [*inside, "ssh", *flags, *key, connection.address, *remote_command]


def _check_can_run(connection: Connection) -> None:
    if shutil.which("ssh") is None:
        raise NotPossible("there is no ssh here: install the Debian package openssh-client")
    if connection.network_namespace is None:
        return
    if os.geteuid() != 0:
        raise NotPossible(
            f"this guest is in the network namespace {connection.network_namespace}, which only root may enter: "
            "try sudo vmss ssh …"
        )
    if shutil.which("ip") is None:
        raise NotPossible("there is no ip here to enter the network namespace: install the Debian package iproute2")
