"""The seed of a guest: the NoCloud disk from which it takes its identity at first boot.

It holds what cloud-init reads (``user-data``, ``meta-data``, ``network-config``; rendered from the templates in
``cloud-init/``) and the same facts as two archives for the ``micro`` image (see ``guest.micro_seed``). Building one
touches nothing and takes no clock: the same identity gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from email.mime.multipart import MIMEMultipart
from functools import lru_cache, partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from orchestrator.errors import BadInput
from orchestrator.guest.custom_data import CustomData, dump_yaml, load_yaml, merge_cloud_config, read_custom_data
from orchestrator.guest.iso import make_iso
from orchestrator.guest.micro_seed import first_boot_archive, identity_archive, named_users
from orchestrator.images.recipes import data_folder

#: Where a guest finds its customData as it was given, whatever it is.
CUSTOM_DATA_PATH = "/var/lib/vmss/custom-data"


@dataclass(frozen=True, slots=True)
class SeedCard:
    """A network card as its guest sets it up: addresses, IPv4 and IPv6, with the lengths of their prefixes."""

    mac: str
    addresses: tuple[str, ...]
    dns_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SeedIdentity:
    """Who a guest is. Keys are in OpenSSH's formats; ``custom_data`` is decoded. The first of ``cards`` is the
    primary one, whose first address is IPv4; ``gateways`` are the ways out by it, one of each version.

    ``generation`` counts the disks of the instance: with it the instance-id changes, so that what runs once
    runs again after a reimage.
    """

    instance_uid: str
    generation: int
    host_name: str
    admin_username: str | None
    admin_keys: tuple[str, ...]
    agent_public_key: str
    host_key_private: str
    host_key_public: str
    cards: tuple[SeedCard, ...]
    gateways: tuple[str, ...]
    vm_uuid: str
    random_seed: bytes
    custom_data: bytes | None = None

    @property
    def dns_servers(self) -> tuple[str, ...]:
        """All that any card asks."""
        return tuple(dict.fromkeys(server for card in self.cards for server in card.dns_servers))

    @property
    def instance_id(self) -> str:
        return f"{self.instance_uid}-g{self.generation}"


def make_host_key() -> tuple[str, str]:
    """A new ed25519 key for one guest: (private, in OpenSSH's PEM; public, as in authorized_keys)."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return private, public


def build_seed(identity: SeedIdentity) -> bytes:
    """The ISO 9660 image, volume id ``cidata``. Raises ``BadInput`` for customData that says it is
    ``#cloud-config`` and is not, and for an address that is none."""
    _check_addresses(identity)
    custom = read_custom_data(identity.custom_data)
    return make_iso(
        "cidata",
        {
            "user-data": _user_data(identity, custom),
            "meta-data": _render("meta-data.j2", identity).encode(),
            "network-config": _render("network-config.j2", identity).encode(),
            "micro-identity.tar": identity_archive(identity, custom),
            "micro-first-boot.tar": first_boot_archive(identity.host_name, custom, CUSTOM_DATA_PATH),
        },
    )


def check_custom_data(raw: bytes | None) -> None:
    """Raises ``BadInput`` for customData of which no seed could be made; for when a model is written."""
    custom = read_custom_data(raw)
    named_users(custom.cloud_config or {})
    first_boot_archive("", custom, CUSTOM_DATA_PATH)


def _check_addresses(identity: SeedIdentity) -> None:
    try:
        ipaddress.IPv4Interface(identity.cards[0].addresses[0])
        for card in identity.cards:
            for address in card.addresses:
                ipaddress.ip_interface(address)
        for address in (*identity.gateways, *identity.dns_servers):
            ipaddress.ip_address(address)
    except ValueError as error:
        raise BadInput(f"A guest's seed needs IP addresses, its first an IPv4 one: {error}.") from error


def _user_data(identity: SeedIdentity, custom: CustomData) -> bytes:
    """Ours alone, merged with the user's ``#cloud-config``, or beside any other kind of customData."""
    ours = _render("user-data.j2", identity)
    if custom.raw is None:
        return ours.encode()
    if custom.cloud_config is not None:
        merged = merge_cloud_config(load_yaml(ours), custom.cloud_config)
        return b"#cloud-config\n" + dump_yaml(merged).encode()
    return _multipart(ours.encode(), custom.raw, identity.instance_id)


def _multipart(ours: bytes, theirs: bytes, instance_id: str) -> bytes:
    """Both in one MIME message. Theirs is ``text/plain``: cloud-init then looks at its first line."""
    boundary = "vmss-" + hashlib.sha256(instance_id.encode() + ours + theirs).hexdigest()
    whole = MIMEMultipart(boundary=boundary)
    for content_type, name, body in (("text/cloud-config", "vmss", ours), ("text/plain", "custom-data", theirs)):
        part = Message()
        part["Content-Type"] = content_type
        part["MIME-Version"] = "1.0"
        part["Content-Transfer-Encoding"] = "base64"
        part["Content-Disposition"] = f'attachment; filename="{name}"'
        part.set_payload(base64.encodebytes(body).decode())
        whole.attach(part)
    return whole.as_bytes()


def _render(name: str, identity: SeedIdentity) -> str:
    template = _environment().get_template(name)
    values: Mapping[str, Any] = {
        "identity": identity,
        "instance_id": identity.instance_id,
        "custom_data_path": CUSTOM_DATA_PATH,
        "ways": [("::/0" if ":" in each else "0.0.0.0/0", each) for each in identity.gateways],
    }
    return template.render(values)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(data_folder("cloud-init")),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  # this is YAML: every value goes through `dump`, which a test holds
        keep_trailing_newline=True,
    )
    environment.filters["dump"] = partial(dump_yaml, is_inline=True)
    environment.filters["base64"] = lambda value: base64.b64encode(value).decode()
    return environment
