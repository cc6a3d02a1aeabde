"""The daemon's configuration file: YAML, every member checked, unknown ones refused."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from orchestrator.errors import BadInput, ErrorDetail
from orchestrator.model.addresses import AddressSpace
from orchestrator.model.host import Acceleration, HostConfig, HostLimits
from orchestrator.model.network.public_pool import PublicPool, PublicRange
from orchestrator.model.network.subnets import Carriers
from orchestrator.model.sizes import Size
from orchestrator.plan.inputs import Rules

SUBSCRIPTION_ID = "00000000-0000-0000-0000-000000000001"
TENANT_ID = "00000000-0000-0000-0000-000000000002"
_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
Name = Annotated[str, Field(pattern=_NAME)]
Guid = Annotated[str, Field(pattern=r"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$")]
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME_PATTERN = rf"^{_LABEL}(\.{_LABEL})*$"
_HOST_NAME = re.compile(_HOST_NAME_PATTERN, re.ASCII)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LimitsSection(_Section):
    memory_mib: int | None = Field(None, ge=64)
    vcpus: int | None = Field(None, ge=1)
    pool_gib: int | None = Field(None, ge=1)
    guests: int | None = Field(None, ge=1)


class HostSection(_Section):
    """One hypervisor. ``uri`` as libvirt takes it, or ``simulated:///``."""

    name: Name
    uri: Annotated[str, Field(pattern=r"^(qemu(\+(unix|ssh|tls|libssh2?))?|simulated)://")]
    zone: str = "1"
    fault_domain: int = Field(0, ge=0)
    pool: str = "default"
    network: str = "default"
    address_space: str = "default"
    host_group: Name | None = None
    acceleration: Acceleration = "auto"
    tb_cache_mib: int = Field(64, ge=16)
    limits: LimitsSection = LimitsSection()

    def to_host(self) -> HostConfig:
        values = {name: getattr(self, name) for name in type(self).model_fields if name != "limits"}
        return HostConfig(**values, limits=HostLimits(**self.limits.model_dump()))


class NetworkSection(_Section):
    """An address space. Addresses from ``first`` to ``last`` are given to guests; nobody else may give them.

    Subnets of virtual networks whose prefixes lie in ``carries`` are made real on the same segment: nobody else may
    use these prefixes there. The daemon holds the subnets' gateways on ``interface``."""

    name: Name = "default"
    cidr: str
    first: str
    last: str
    gateway: str | None = None
    dns: tuple[str, ...] = ()
    carries: tuple[str, ...] = ()
    interface: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,15}$")] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        network = ipaddress.IPv4Network(self.cidr)
        first, last = ipaddress.IPv4Address(self.first), ipaddress.IPv4Address(self.last)
        if first not in network or last not in network or first > last:
            raise ValueError(f"first and last must lie in {self.cidr}, in that order")
        if self.gateway and first <= ipaddress.IPv4Address(self.gateway) <= last:
            raise ValueError("gateway must lie outside first to last")
        for each in self.carries:
            ipaddress.ip_network(each)
        if self.carries and self.interface is None:
            raise ValueError("carries needs interface: the gateways of subnets are held there")
        return self

    def to_space(self) -> AddressSpace:
        return AddressSpace(
            self.name, self.cidr, self.first, self.last, self.gateway, self.dns, self.carries, self.interface
        )


class PublicAddressesSection(_Section):
    """Addresses for frontends and instances, ours alone and in none of the networks. ``publish_on`` (IPv4) is a
    loopback prefix of the same length by which the machine itself reaches them."""

    cidr: str
    publish_on: str | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        network = ipaddress.ip_network(self.cidr)
        if self.publish_on is None:
            return self
        own = ipaddress.IPv4Network(self.publish_on)
        if network.version != 4 or own.prefixlen != network.prefixlen:
            raise ValueError("publish_on is for IPv4, and of the same length as cidr")
        if not own.is_loopback or ipaddress.IPv4Address("127.0.0.1") in own:
            raise ValueError("publish_on must be a loopback prefix (127.…) without 127.0.0.1")
        return self

    def to_range(self) -> PublicRange:
        return PublicRange(self.cidr, self.publish_on)


class SizeSection(_Section):
    name: str
    vcpus: int
    memory_mib: int
    os_disk_gib: int | None = None


class Config(_Section):
    """The whole file. Paths are made by the daemon where they are missing.

    ``https_listen`` is where Azure's clients come; ``https_names`` are names and addresses they may call it by,
    beside loopback's. ``listen`` (``127.0.0.1:PORT``) adds plain HTTP; anything but loopback is refused.
    ``network_namespace`` is where the daemon reaches guests from (the lab's controller); ``dns_listen`` are
    addresses there, at which names are asked for.
    """

    state_dir: Path = Path("/var/lib/vmss")
    socket: Path = Path("/run/vmss/vmssd.sock")
    images_dir: Path = Path("/var/lib/vmss/images")
    store_url: str | None = None
    network_namespace: str | None = None
    location: Name = "local"
    subscription_id: str = SUBSCRIPTION_ID
    listen: str | None = None
    https_listen: str | None = "127.0.0.1:8443"
    https_names: tuple[str, ...] = ()
    tenant_id: Guid = TENANT_ID
    token_lifetime_s: int = Field(3600, ge=60, le=86_400)
    metadata_identity: str | None = None
    reads_per_minute: int = Field(12_000, ge=60)
    writes_per_minute: int = Field(1_200, ge=6)
    host_lease_s: float = Field(60.0, gt=0)
    brake_hold_s: float = Field(300.0, ge=0)
    quarantine_after: int = Field(3, ge=0)
    quarantine_most: int = Field(2, ge=0)
    suspend_repairs_after: int = Field(6, ge=0)
    upgrade_settle_s: float = Field(300.0, gt=0)
    rebalance_every_s: float = Field(43200.0, ge=0)
    rebalance_quiet_s: float = Field(3600.0, ge=0)
    keep_events_days: int = Field(90, ge=1)
    networks: tuple[NetworkSection, ...] = ()
    public_addresses: tuple[PublicAddressesSection, ...] = ()
    dns_listen: tuple[str, ...] = ()
    dns_zone: Annotated[str, Field(pattern=_HOST_NAME_PATTERN, max_length=100)] = "vmss.internal"
    hosts: tuple[HostSection, ...] = ()
    sizes: tuple[SizeSection, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for what, names in (("host", [h.name for h in self.hosts]), ("network", [n.name for n in self.networks])):
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"{what} named twice: {', '.join(sorted(twice))}")
        kinds = {host.uri.startswith("simulated:") for host in self.hosts}
        if len(kinds) > 1:
            raise ValueError("hosts are either all simulated or all real")
        if self.listen:
            listen_address(self.listen)
        if self.https_listen:
            address_and_port(self.https_listen, "https_listen")
        for name in self.https_names:
            _check_host_name(name)
        for each in self.dns_listen:
            ipaddress.ip_address(each)
        _check_overlaps(self.networks, self.public_addresses)
        return self

    @property
    def is_simulated(self) -> bool:
        return bool(self.hosts) and all(host.uri.startswith("simulated:") for host in self.hosts)

    @property
    def https_url(self) -> str | None:
        """By what name the HTTPS port is called here; ``None`` where there is none."""
        if not self.https_listen:
            return None
        host, port = address_and_port(self.https_listen, "https_listen")
        address = ipaddress.ip_address(host)
        name = "localhost" if address.is_loopback or address.is_unspecified else host
        return f"https://[{name}]:{port}" if ":" in name else f"https://{name}:{port}"

    @property
    def names_served(self) -> frozenset[str]:
        """Host names and addresses beside loopback's by which the HTTPS port is called."""
        names = {name.lower() for name in self.https_names}
        if self.https_listen:
            host, _ = address_and_port(self.https_listen, "https_listen")
            address = ipaddress.ip_address(host)
            names |= set() if address.is_loopback or address.is_unspecified else {host}
        return frozenset(names)

    @property
    def database_url(self) -> str:
        return self.store_url or f"sqlite:///{self.state_dir / 'vmss.db'}"

    def rules(self) -> Rules:
        return Rules(
            host_lease_s=self.host_lease_s,
            brake_hold_s=self.brake_hold_s,
            quarantine_after=self.quarantine_after,
            quarantine_most=self.quarantine_most,
            suspend_after=self.suspend_repairs_after,
            upgrade_settle_s=self.upgrade_settle_s,
            rebalance_every_s=self.rebalance_every_s,
            rebalance_quiet_s=self.rebalance_quiet_s,
        )

    def carriers(self) -> Carriers:
        """The networks on which subnets are real, and the prefixes that are somebody's already."""
        spaces = tuple(each.to_space() for each in self.networks if each.carries)
        public = (text for each in self.public_addresses for text in (each.cidr, each.publish_on) if text)
        return Carriers(spaces, (*(each.cidr for each in self.networks), *public))

    def public_pool(self) -> PublicPool:
        return PublicPool(tuple(each.to_range() for each in self.public_addresses))

    def own_sizes(self) -> list[Size]:
        return [Size(**size.model_dump()) for size in self.sizes]


def listen_address(text: str) -> tuple[str, int]:
    """``127.0.0.1:8080`` as a pair. Only loopback: tokens must not cross a network without TLS."""
    host, port = address_and_port(text, "listen")
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError("listen must be a loopback address; for others there is https_listen")
    return host, port


def address_and_port(text: str, setting: str) -> tuple[str, int]:
    """``127.0.0.1:8443`` or ``[::1]:8443`` as a pair. Raises ``ValueError``."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit()) or not 1 <= int(port) <= 65535:
        raise ValueError(f"{setting} must be ADDRESS:PORT")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except ValueError:
        raise ValueError(f"{setting} must be ADDRESS:PORT, with an IP address") from None


def _check_overlaps(networks: tuple[NetworkSection, ...], ranges: tuple[PublicAddressesSection, ...]) -> None:
    """Public addresses are in no network, and in one range only; so are those that stand for them."""
    seen = [ipaddress.ip_network(each.cidr) for each in networks]
    for text in (text for each in ranges for text in (each.cidr, each.publish_on) if text):
        own = ipaddress.ip_network(text)
        other = next((each for each in seen if each.version == own.version and each.overlaps(own)), None)
        if other is not None:
            raise ValueError(f"public_addresses: {text} overlaps {other}")
        seen.append(own)


def _check_host_name(name: str) -> None:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        if not _HOST_NAME.match(name) or len(name) > 253:
            raise ValueError(f"https_names: '{name}' is neither a host name nor an address") from None


def load_config(path: Path) -> Config:
    """Read a file. Raises ``BadInput`` that names every offence."""
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"The configuration {path} cannot be read: {error}", target=str(path)) from error
    try:
        return Config.model_validate(content or {})
    except ValidationError as error:
        details = [_detail(each["loc"], each["msg"]) for each in error.errors()]
        lines = "; ".join(f"{detail.target}: {detail.message}" for detail in details)
        raise BadInput(f"The configuration {path} is wrong: {lines}", target=str(path), details=details) from None


def _detail(location: tuple[int | str, ...], message: str) -> ErrorDetail:
    return ErrorDetail("InvalidParameter", message, ".".join(str(part) for part in location) or "file")
