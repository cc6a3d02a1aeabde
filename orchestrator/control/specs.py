"""What a host needs to make one instance's guest: image, seed, size, network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from orchestrator.errors import NotFound
from orchestrator.model.addresses import AddressSpace
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.arm.network import address_space_of
from orchestrator.model.arm.scale_set import ScaleSetResource
from orchestrator.model.guest import Boot, GuestFilter, GuestSpec, ImageFiles, Nic
from orchestrator.model.instance import Instance
from orchestrator.model.network.cards import Card, Configuration, by_rank, key_of, only_card, queues_of
from orchestrator.model.network.subnets import CarriedSubnet, network_of
from orchestrator.model.scale_set import ScaleSet
from orchestrator.model.sizes import SizeCatalogue

Subnets = Callable[[], Mapping[str, CarriedSubnet]]
"""The subnets that are real now, by their ids in small letters."""


class SpecMaker(Protocol):
    """Makes guest specs; the daemon's reads the catalogue and builds seeds, the simulated one makes facts."""

    def image_version(self, resource: ScaleSetResource) -> str:
        """The exact version that a new disk of this model stands on now. Raises ``ImageError``."""

    async def make(self, record: ScaleSet, resource: ScaleSetResource, row: Instance, network: str) -> GuestSpec:
        """The spec of this row; ``network`` is the libvirt network of its host. Raises ``ImageError``."""

    def new_host_key(self) -> tuple[str, str]:
        """A fresh SSH host key: private (OpenSSH PEM) and public."""


class AddressSpaces:
    """The configured networks, by name, of which the first is the default; and the subnets that they carry."""

    def __init__(self, spaces: list[AddressSpace], subnets: Subnets = dict) -> None:
        self._spaces = {space.name: space for space in spaces}
        self._default = spaces[0].name if spaces else ""
        self._subnets = subnets

    @property
    def names(self) -> Mapping[str, AddressSpace]:
        return self._spaces

    def name_of(self, resource: ScaleSetResource) -> str:
        """The name of the network that the model's primary subnet is on, configured or not."""
        profile = resource.profile.network_profile
        return network_of(profile.subnet_id, self._subnets(), tuple(self._spaces)) if profile else self._default

    def cards(self, resource: ScaleSetResource) -> tuple[Card, ...]:
        """The cards of the model's instances, the primary one first. Raises ``NotFound`` for a network that is not
        configured."""
        profile = resource.profile.network_profile
        if profile is None:
            return only_card(self._space("", "IPv4"))
        found: dict[str, Card] = {}
        for card, each, is_first in by_rank(profile):
            own = each.properties
            space = self._space(own.subnet.id, own.private_ip_address_version.value)
            configuration = Configuration(key_of(card.name, each.name), is_first, space)
            if card.name in found:
                before = found[card.name]
                found[card.name] = replace(before, configurations=(*before.configurations, configuration))
                continue
            servers = card.properties.dns_settings.dns_servers if card.properties.dns_settings else ()
            is_accelerated = bool(card.properties.enable_accelerated_networking)
            found[card.name] = Card(card.name, is_first, (configuration,), servers, is_accelerated)
        return tuple(found.values())

    def _space(self, subnet_id: str, version: str) -> AddressSpace:
        carried = self._subnets().get(subnet_id.lower())
        if carried is not None and version in carried.spaces:
            return carried.spaces[version]
        name = address_space_of(subnet_id, tuple(self._spaces)) if subnet_id else self._default
        space = self._spaces.get(name)
        if space is None:
            raise NotFound(f"No network is named {name}.", target="networkProfile")
        return space

    def holding(self, address: str, wanted: AddressSpace) -> AddressSpace:
        """The space that an address is of: not ``wanted`` where it was given before that was there."""
        others = (space for space in self._spaces.values() if space.has(address))
        return wanted if wanted.has(address) else next(others, wanted)

    def held(self) -> frozenset[tuple[str, str, int]]:
        """What the daemon holds for subnets: interface, address and length of its prefix, of their gateways and of
        the frontends in them."""
        return frozenset(
            (subnet.carrier.interface, address, length)
            for subnet in self._subnets().values()
            for address, length in subnet.held
            if subnet.carrier.interface is not None
        )

    def of_each(self, resource: ScaleSetResource) -> list[AddressSpace]:
        """That of each address of the model's instances."""
        return [each.space for card in self.cards(resource) for each in card.configurations]

    def prefixes(self) -> tuple[str, ...]:
        """Of all networks and subnets that instances are on, IPv4."""
        carried = (each.spaces["IPv4"] for each in self._subnets().values() if "IPv4" in each.spaces)
        return tuple(sorted({space.cidr for space in (*self._spaces.values(), *carried)}))

    def prefixes_with(self, spaces: Sequence[AddressSpace]) -> tuple[str, ...]:
        """Of the configured networks that these spaces are on: what else is there is of the same network."""
        carriers = {
            each.carrier.cidr for each in self._subnets().values() if set(each.spaces.values()) & set(spaces)
        }
        return tuple(sorted(carriers))

    @property
    def kept_back(self) -> frozenset[str]:
        """Addresses that no instance is given: what the daemon holds of any subnet, since all share a segment."""
        return frozenset(address for _, address, _ in self.held())


def nics_of(
    cards: Sequence[Card],
    row: Instance,
    installation: str,
    network: str,
    vcpus: int,
    filters: Mapping[str, GuestFilter] = MappingProxyType({}),
) -> tuple[Nic, ...]:
    """The cards of one instance's guest, all on its host's libvirt ``network``, each through one of ``filters``.
    An accelerated one has a queue for each processor, eight at most (https://libvirt.org/formatdomain.html, "driver
    queues")."""
    owner = row.owner(installation)
    return tuple(
        Nic(
            card.mac_of(row, owner),
            network,
            tuple(address for each in card.configurations if (address := each.address_of(row))),
            queues_of(card.is_accelerated, vcpus),
            filters.get(card.name),
        )
        for card in cards
    )


class SimulatedSpecMaker:
    """Specs without a seed or an image file, for simulated hosts."""

    def __init__(self, installation: str, sizes: SizeCatalogue) -> None:
        self._installation = installation
        self._sizes = sizes
        self._keys = 0
        self.newest_image = "1.0.0"

    def image_version(self, resource: ScaleSetResource) -> str:
        reference = resource.profile.storage_profile.image_reference
        return self.newest_image if reference.is_latest else reference.catalogue_name.rpartition(":")[2]

    async def make(self, record: ScaleSet, resource: ScaleSetResource, row: Instance, network: str) -> GuestSpec:
        owner = row.owner(self._installation)
        size = self._sizes.get(resource.sku.name)
        image = ImageFiles("simulated", f"{row.image_version or 'none':>064}", 64 << 20, Boot.DIRECT_KERNEL)
        name = domain_name(record, row)
        nics = (Nic(row.mac, network, (row.address,)),)
        return GuestSpec(owner, name, size.vcpus, size.memory_mib, image, b"", nics)

    def new_host_key(self) -> tuple[str, str]:
        self._keys += 1
        return f"private {self._keys}", f"ssh-ed25519 simulated{self._keys}"


def domain_name(record: ScaleSet, row: Instance) -> str:
    """The domain's name on its host: the instance's, and enough of the set's uid to be the only one."""
    return f"{InstanceNames.of(record).name(row.instance_id)}.{record.uid[:6]}"
