"""Specs of real guests: the image from the catalogue, the seed from the instance."""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
from collections.abc import Callable, Iterator, Mapping

from orchestrator.control.specs import AddressSpaces, domain_name, nics_of
from orchestrator.errors import BadInput, HostRefused
from orchestrator.guest.seed import SeedCard, SeedIdentity, build_seed, make_host_key
from orchestrator.images.catalogue import Catalogue
from orchestrator.images.versions import ImageVersion
from orchestrator.model.addresses import AddressSpace
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.arm.scale_set import ScaleSetResource
from orchestrator.model.arm.storage import ImageReference
from orchestrator.model.guest import GuestFilter, GuestSpec
from orchestrator.model.instance import Instance
from orchestrator.model.network.cards import Card
from orchestrator.model.scale_set import ScaleSet
from orchestrator.model.sizes import SizeCatalogue
from orchestrator.store import Store


def find_image(catalogue: Catalogue, reference: ImageReference, version: str | None = None) -> ImageVersion:
    """The image that a model refers to: the exact ``version`` of it, or the one the reference stands for now.
    Raises ``ImageError``."""
    image = catalogue.show(reference.catalogue_name)
    return image if version in {None, image.version} else catalogue.resolve_alias(image.name, version)


class CatalogueSpecMaker:
    """The daemon's ``SpecMaker``. Hashing and seed building run in a thread."""

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        sizes: SizeCatalogue,
        spaces: AddressSpaces,
        agent_public_key: str,
        filters: Callable[[str], Mapping[str, GuestFilter]],
    ) -> None:
        """``filters`` are those of a set's cards, by the cards' names."""
        self._store = store
        self._catalogue = catalogue
        self._sizes = sizes
        self._spaces = spaces
        self._agent_public_key = agent_public_key
        self._filters = filters

    def image_version(self, resource: ScaleSetResource) -> str:
        return find_image(self._catalogue, resource.profile.storage_profile.image_reference).version

    async def make(self, record: ScaleSet, resource: ScaleSetResource, row: Instance, network: str) -> GuestSpec:
        identity = self._identity(record, resource, row)
        storage = resource.profile.storage_profile
        image = find_image(self._catalogue, storage.image_reference, row.image_version)
        await asyncio.to_thread(self._catalogue.verify, image)
        seed = await asyncio.to_thread(build_seed, identity)
        size = self._sizes.get(resource.sku.name)
        filters = self._filters_of(row)
        return GuestSpec(
            row.owner(self._store.installation),
            domain_name(record, row),
            size.vcpus,
            size.memory_mib,
            self._catalogue.files(image),
            seed,
            nics_of(self._spaces.cards(resource), row, self._store.installation, network, size.vcpus, filters),
            storage.os_disk.disk_size_gib or size.os_disk_gib,
        )

    def _filters_of(self, row: Instance) -> Mapping[str, GuestFilter]:
        try:
            return self._filters(row.set_uid)
        except BadInput as error:  # groups that fit one by one, and not together: trying again does not help
            raise HostRefused(error.message, code=error.code, target=error.target) from error

    def _identity(self, record: ScaleSet, resource: ScaleSetResource, row: Instance) -> SeedIdentity:
        cards = self._spaces.cards(resource)
        os_profile = resource.profile.os_profile
        return SeedIdentity(
            instance_uid=f"{record.uid}-{row.instance_id}",
            generation=row.generation,
            host_name=InstanceNames.of(record).computer_name(
                os_profile.computer_name_prefix or record.name, row.instance_id
            ),
            admin_username=os_profile.admin_username,
            admin_keys=os_profile.public_keys,
            agent_public_key=self._agent_public_key,
            host_key_private=self._store.host_key(row.set_uid, row.instance_id),
            host_key_public=row.host_key_public,
            cards=tuple(self._seed_card(card, row) for card in cards),
            gateways=tuple(self._gateways(cards[0], row)),
            vm_uuid=row.owner(self._store.installation).vm_uuid,
            random_seed=secrets.token_bytes(64),
            custom_data=os_profile.custom_data_bytes,
        )

    def _seed_card(self, card: Card, row: Instance) -> SeedCard:
        held = list(self._held(card, row))
        servers = card.dns_servers or tuple(dict.fromkeys(each for _, space in held for each in space.dns))
        mac = card.mac_of(row, row.owner(self._store.installation))
        return SeedCard(mac, tuple(f"{address}/{space.prefix_length}" for address, space in held), servers)

    def _gateways(self, card: Card, row: Instance) -> Iterator[str]:
        """The ways out, one of each version: those of the primary card's first addresses."""
        seen: set[int] = set()
        for _, space in self._held(card, row):
            if space.gateway and (version := ipaddress.ip_address(space.gateway).version) not in seen:
                seen.add(version)
                yield space.gateway

    def _held(self, card: Card, row: Instance) -> Iterator[tuple[str, AddressSpace]]:
        for each in card.configurations:
            if address := each.address_of(row):
                yield address, self._spaces.holding(address, each.space)

    def new_host_key(self) -> tuple[str, str]:
        return make_host_key()
