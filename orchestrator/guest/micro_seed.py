"""The seed as the ``micro`` image reads it: two tar archives that are unpacked over its root.

``micro`` has no YAML parser, so what cloud-init would do is worked out here: host name, users and keys, host key,
address, ``write_files``, ``runcmd`` and scripts. Other members of a ``#cloud-config`` are left out, and the guest
says so on its console. The identity is unpacked at every boot, the rest once per instance-id.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import ipaddress
import posixpath
import re
import shlex
import struct
import tarfile
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

from orchestrator.errors import BadInput
from orchestrator.guest.custom_data import CustomData

if TYPE_CHECKING:
    from orchestrator.guest.seed import SeedIdentity

_STATE = "var/lib/vmss"
_FIRST_USER_ID = 1000
_USER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_READ_MEMBERS = {"users", "write_files", "runcmd", "bootcmd", "ssh_authorized_keys"}


def identity_archive(identity: SeedIdentity, custom: CustomData) -> bytes:
    """Everything that makes this guest itself; unpacking it again changes nothing."""
    archive = _Archive()
    name = identity.host_name
    archive.add("etc/hostname", f"{name}\n".encode())
    archive.add("etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n".encode())
    archive.add("etc/resolv.conf", "".join(f"nameserver {server}\n" for server in identity.dns_servers).encode())
    archive.add("etc/machine-id", f"{uuid.UUID(identity.vm_uuid).hex}\n".encode(), 0o444)
    archive.add("etc/dropbear/dropbear_ed25519_host_key", dropbear_key(identity.host_key_private), 0o600)
    users = _users(identity, custom.cloud_config or {})
    for number, (user, keys) in enumerate(users.items()):
        _add_keys(archive, user, keys, 0 if user == "root" else _FIRST_USER_ID + number - 1)
    archive.add(f"{_STATE}/identity", _facts(identity, custom, users), 0o600)
    return archive.finish()


def first_boot_archive(host_name: str, custom: CustomData, custom_data_path: str) -> bytes:
    """The first page, and the user's files and commands. Raises ``BadInput`` for what cannot be followed."""
    archive = _Archive()
    archive.add("var/www/index.html", f"{host_name}\n".encode())
    if custom.raw is not None:
        archive.add(custom_data_path.lstrip("/"), custom.raw, 0o700 if custom.is_script else 0o600)
    config = custom.cloud_config or {}
    appended = [_add_file(archive, number, entry) for number, entry in enumerate(config.get("write_files") or [])]
    commands = [_command(line) for name in ("bootcmd", "runcmd") for line in config.get(name) or []]
    if custom.is_script:
        commands.append(shlex.quote(custom_data_path))
    lines = [line for line in (*appended, *commands) if line]
    if lines:
        script = "\n".join(("#!/bin/sh", *lines, ""))
        archive.add(f"{_STATE}/first-boot.sh", script.encode(), 0o700)
    return archive.finish()


def dropbear_key(private: str) -> bytes:
    """An OpenSSH ed25519 key in dropbear's file format: SSH strings of the type and of seed and public key."""
    key = load_ssh_private_key(private.encode(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise BadInput("A guest's host key is an ed25519 key.")
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return b"".join(struct.pack(">I", len(part)) + part for part in (b"ssh-ed25519", seed + public))


def _users(identity: SeedIdentity, config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Each user's keys: root first, then the administrator, then the users of the cloud-config."""
    users: dict[str, list[str]] = {"root": [identity.agent_public_key]}
    if identity.admin_username:
        check_user_name(identity.admin_username)
        users[identity.admin_username] = [*identity.admin_keys, *_texts(config.get("ssh_authorized_keys"))]
    for name, keys in named_users(config).items():
        users.setdefault(name, []).extend(keys)
    return users


def named_users(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """The users of a cloud-config with their keys; ``default`` and users from elsewhere are for cloud-init."""
    users: dict[str, list[str]] = {}
    for entry in config.get("users") or []:
        if isinstance(entry, Mapping) and "name" in entry:
            check_user_name(entry["name"])
            users.setdefault(entry["name"], []).extend(_texts(entry.get("ssh_authorized_keys")))
    return users


def check_user_name(name: object) -> None:
    """Raises ``BadInput`` for a name that would mean something in /etc/passwd or in a path."""
    if not isinstance(name, str) or not _USER_NAME.fullmatch(name):
        raise BadInput(f"'{name}' cannot be the name of a user in a guest.")


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, Sequence) else []


def _add_keys(archive: _Archive, user: str, keys: Sequence[str], owner: int) -> None:
    home = "root" if user == "root" else f"home/{user}"
    archive.add_folder(home, 0o700, owner)
    archive.add_folder(f"{home}/.ssh", 0o700, owner)
    text = "".join(f"{key.strip()}\n" for key in keys)
    archive.add(f"{home}/.ssh/authorized_keys", text.encode(), 0o600, owner)


def _facts(identity: SeedIdentity, custom: CustomData, users: Mapping[str, object]) -> bytes:
    """Shell assignments, every value quoted."""
    first = identity.cards[0]
    interface = ipaddress.IPv4Interface(first.addresses[0])
    config = custom.cloud_config or {}
    left_out = sorted(set(config) - _READ_MEMBERS)
    if any(isinstance(entry, Mapping) and "source" in entry for entry in config.get("write_files") or []):
        left_out.append("write_files.source")
    facts = {
        "INSTANCE_ID": identity.instance_id,
        "HOST_NAME": identity.host_name,
        "USERS": " ".join(user for user in users if user != "root"),
        "CARDS": " ".join(",".join((card.mac.lower(), *card.addresses)) for card in identity.cards),
        "GATEWAYS": " ".join(identity.gateways),
        # For images that were built before they read CARDS.
        "MAC": first.mac.lower(),
        "ADDRESS": str(interface.ip),
        "NETMASK": str(interface.netmask),
        "GATEWAY": next((each for each in identity.gateways if ":" not in each), ""),
        "RANDOM_SEED": identity.random_seed.hex(),
        "LEFT_OUT": " ".join(left_out),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in facts.items()).encode()


def _command(line: object) -> str:
    """One entry of runcmd: a list is a program with its arguments, a text is for the shell, null is nothing."""
    if line is None:
        return ""
    if isinstance(line, str):
        return line
    if isinstance(line, list) and all(isinstance(word, str | int | float) for word in line):
        return shlex.join(str(word) for word in line)
    raise BadInput("customData: an entry of runcmd is a text or a list of words.")


def _add_file(archive: _Archive, number: int, entry: object) -> str:
    """Add one entry of write_files; for ``append`` return the command that appends it."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("path"), str):
        raise BadInput(f"customData: entry {number} of write_files has no path.")
    if "source" in entry:
        return ""
    path = posixpath.normpath(entry["path"])
    if not path.startswith("/") or path == "/":
        raise BadInput(f"customData: the path '{entry['path']}' of write_files is not absolute.")
    content, mode = _content(entry, number), _mode(entry, number)
    user, _, group = str(entry.get("owner", "root:root")).partition(":")
    if entry.get("append"):
        piece = f"{_STATE}/append-{number}"
        archive.add(piece, content, 0o600)
        return f"cat /{piece} >>{shlex.quote(path)}"
    archive.add(path.lstrip("/"), content, mode, names=(user, group or user))
    return ""


def _content(entry: Mapping[str, Any], number: int) -> bytes:
    """Decode as cloud-init's write_files does: base64, gzip, or one in the other."""
    raw = entry.get("content", "")
    if not isinstance(raw, str | bytes):
        raise BadInput(f"customData: the content of entry {number} of write_files is not a text.")
    content = raw if isinstance(raw, bytes) else raw.encode()
    encoding = str(entry.get("encoding", "text/plain")).lower()
    kinds = {"text/plain": (0, 0), "b64": (1, 0), "base64": (1, 0), "gz": (0, 1), "gzip": (0, 1)}
    kinds |= {f"{zipped}+{coded}": (1, 1) for zipped in ("gz", "gzip") for coded in ("b64", "base64")}
    if encoding not in kinds:
        raise BadInput(f"customData: entry {number} of write_files has the unknown encoding '{encoding}'.")
    is_base64, is_zipped = kinds[encoding]
    try:
        content = base64.b64decode(b"".join(content.split()), validate=True) if is_base64 else content
        return gzip.decompress(content) if is_zipped else content
    except (binascii.Error, OSError, EOFError) as error:
        raise BadInput(f"customData: entry {number} of write_files is not {encoding}: {error}.") from error


def _mode(entry: Mapping[str, Any], number: int) -> int:
    """``permissions`` is octal digits in a text; YAML also makes a number of ``0644``."""
    value = entry.get("permissions", "0644")
    try:
        mode = value if isinstance(value, int) else int(str(value), 8)
    except ValueError as error:
        raise BadInput(f"customData: entry {number} of write_files has no octal permissions.") from error
    return mode & 0o7777


class _Archive:
    """A tar archive whose bytes depend on what is added, and on nothing else."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._bytes, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115

    def add(
        self, name: str, content: bytes, mode: int = 0o644, owner: int = 0, names: tuple[str, str] = ("", "")
    ) -> None:
        info = self._entry(name, mode, owner)
        info.size = len(content)
        info.uname, info.gname = names
        self._tar.addfile(info, io.BytesIO(content))

    def add_folder(self, name: str, mode: int, owner: int) -> None:
        info = self._entry(name, mode, owner)
        info.type = tarfile.DIRTYPE
        self._tar.addfile(info)

    def finish(self) -> bytes:
        self._tar.close()
        return self._bytes.getvalue()

    @staticmethod
    def _entry(name: str, mode: int, owner: int) -> tarfile.TarInfo:
        info = tarfile.TarInfo(name)
        info.mode, info.uid, info.gid, info.mtime = mode, owner, owner, 0
        return info
