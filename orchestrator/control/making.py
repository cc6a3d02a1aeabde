"""Specs of real guests: the image from the catalogue, the seed from the instance."""

from __future__ import annotations

import asyncio
import secrets

from orchestrator.control.specs import AddressSpaces, domain_name
from orchestrator.guest.seed import SeedIdentity, build_seed, make_host_key
from orchestrator.images.catalogue import Catalogue
from orchestrator.images.versions import ImageVersion
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.arm.scale_set import ScaleSetResource
from orchestrator.model.arm.storage import ImageReference
from orchestrator.model.guest import GuestSpec, Nic
from orchestrator.model.instance import Instance
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
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._sizes = sizes
        self._spaces = spaces
        self._agent_public_key = agent_public_key

    def image_version(self, resource: ScaleSetResource) -> str:
        return find_image(self._catalogue, resource.profile.storage_profile.image_reference).version

    async def make(self, record: ScaleSet, resource: ScaleSetResource, row: Instance, network: str) -> GuestSpec:
        identity = self._identity(record, resource, row)
        storage = resource.profile.storage_profile
        image = find_image(self._catalogue, storage.image_reference, row.image_version)
        await asyncio.to_thread(self._catalogue.verify, image)
        seed = await asyncio.to_thread(build_seed, identity)
        size = self._sizes.get(resource.sku.name)
        return GuestSpec(
            row.owner(self._store.installation),
            domain_name(record, row),
            size.vcpus,
            size.memory_mib,
            self._catalogue.files(image),
            seed,
            (Nic(row.mac, network, (row.address,)),),
            storage.os_disk.disk_size_gib or size.os_disk_gib,
        )

    def _identity(self, record: ScaleSet, resource: ScaleSetResource, row: Instance) -> SeedIdentity:
        space = self._spaces.of(resource)
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
            address=row.address,
            prefix_length=space.prefix_length,
            gateway=space.gateway,
            dns_servers=space.dns,
            mac=row.mac,
            vm_uuid=row.owner(self._store.installation).vm_uuid,
            random_seed=secrets.token_bytes(64),
            custom_data=os_profile.custom_data_bytes,
        )

    def new_host_key(self) -> tuple[str, str]:
        return make_host_key()
