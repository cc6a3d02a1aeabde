"""What a host needs to make one instance's guest: image, seed, size, network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from orchestrator.errors import NotFound
from orchestrator.model.addresses import AddressSpace
from orchestrator.model.arm.names import InstanceNames
from orchestrator.model.arm.scale_set import ScaleSetResource
from orchestrator.model.guest import Boot, GuestSpec, ImageFiles, Nic
from orchestrator.model.instance import Instance
from orchestrator.model.scale_set import ScaleSet
from orchestrator.model.sizes import SizeCatalogue


class SpecMaker(Protocol):
    """Makes guest specs; the daemon's reads the catalogue and builds seeds, the simulated one makes facts."""

    def image_version(self, resource: ScaleSetResource) -> str:
        """The exact version that a new disk of this model stands on now. Raises ``ImageError``."""

    async def make(self, record: ScaleSet, resource: ScaleSetResource, row: Instance, network: str) -> GuestSpec:
        """The spec of this row; ``network`` is the libvirt network of its host. Raises ``ImageError``."""

    def new_host_key(self) -> tuple[str, str]:
        """A fresh SSH host key: private (OpenSSH PEM) and public."""


class AddressSpaces:
    """The configured networks, by name; the first is the default."""

    def __init__(self, spaces: list[AddressSpace]) -> None:
        self._spaces = {space.name: space for space in spaces}
        self._default = spaces[0].name if spaces else ""

    @property
    def names(self) -> Mapping[str, AddressSpace]:
        return self._spaces

    def name_of(self, resource: ScaleSetResource) -> str:
        """The name of the space that the model's subnet is in, configured or not."""
        profile = resource.profile.network_profile
        return profile.address_space(tuple(self._spaces)) if profile else self._default

    def of(self, resource: ScaleSetResource) -> AddressSpace:
        """The space that the model's subnet names. Raises ``NotFound``."""
        name = self.name_of(resource)
        space = self._spaces.get(name)
        if space is None:
            raise NotFound(f"No network is named {name}.", target="networkProfile")
        return space


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
        return GuestSpec(
            owner, name, size.vcpus, size.memory_mib, image, b"", (Nic(row.mac, network, (row.address,)),)
        )

    def new_host_key(self) -> tuple[str, str]:
        self._keys += 1
        return f"private {self._keys}", f"ssh-ed25519 simulated{self._keys}"


def domain_name(record: ScaleSet, row: Instance) -> str:
    """The domain's name on its host: the instance's, and enough of the set's uid to be the only one."""
    return f"{InstanceNames.of(record).name(row.instance_id)}.{record.uid[:6]}"
