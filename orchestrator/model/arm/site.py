"""Whether this site can run a scale set: what the hosts, the networks and the catalogue offer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from orchestrator.errors import BadInput, ErrorDetail, ImageError, NotFound, VmssError
from orchestrator.model.arm.problems import raise_problems
from orchestrator.model.arm.scale_set import ScaleSetResource
from orchestrator.model.arm.storage import ImageReference
from orchestrator.model.network.public_pool import PublicPool
from orchestrator.model.network.subnets import Carriers
from orchestrator.model.sizes import SizeCatalogue

_IMAGE_PATH = "properties.virtualMachineProfile.storageProfile.imageReference"


@dataclass(frozen=True, slots=True)
class Site:
    """One installation as requests see it.

    ``fault_domains`` maps each zone that has hosts to its fault domains. ``find_image`` raises ``ImageError``
    or ``NotFound`` for an image that the catalogue does not have, or has damaged. ``host_groups`` are the names
    of dedicated hosts, in small letters. ``public_pool`` has the addresses that the public ones are of.
    ``carriers`` are the networks on which subnets are real."""

    subscription_id: str
    location: str
    fault_domains: dict[str, frozenset[int]]
    address_spaces: tuple[str, ...]
    find_image: Callable[[ImageReference], object]
    sizes: SizeCatalogue = field(default_factory=SizeCatalogue)
    subscription_name: str = "vmss"
    host_groups: frozenset[str] = frozenset()
    public_pool: PublicPool = field(default_factory=PublicPool)
    carriers: Carriers = field(default_factory=Carriers)
    dns_zone: str = "vmss.internal"


def check_site(resource: ScaleSetResource, site: Site) -> None:
    """Raises ``BadInput`` that names everything this site does not have."""
    raise_problems([*_place_problems(resource, site), *_make_problems(resource, site)])


def _place_problems(resource: ScaleSetResource, site: Site) -> Iterator[ErrorDetail]:
    if resource.location != site.location:
        words = f"location '{resource.location}' is not this site's; it is '{site.location}'."
        yield ErrorDetail("LocationNotAvailableForResourceType", words, "location")
    if missing := [zone for zone in resource.zones if zone not in site.fault_domains]:
        known = ", ".join(sorted(site.fault_domains)) or "none"
        yield ErrorDetail(
            BadInput.code, f"zones: no host stands in {', '.join(missing)} (there is {known}).", "zones"
        )
    wanted = resource.properties.platform_fault_domain_count
    there = _fault_domain_count(resource, site)
    if wanted is not None and wanted > max(there, 1):
        path = "properties.platformFaultDomainCount"
        yield ErrorDetail(BadInput.code, f"{path} is {wanted}, and the hosts make {there} fault domains.", path)
    group = resource.properties.host_group
    if group and group.name.lower() not in site.host_groups:
        known = ", ".join(sorted(site.host_groups)) or "none"
        words = f"properties.hostGroup: no host is in a group '{group.name}' (there is {known})."
        yield ErrorDetail(BadInput.code, words, "properties.hostGroup")
    network = resource.profile.network_profile
    if network and network.address_space(site.address_spaces) not in site.address_spaces:
        path = "properties.virtualMachineProfile.networkProfile"
        known = ", ".join(site.address_spaces) or "none"
        space = network.address_space(site.address_spaces)
        words = f"{path}: there is no address space '{space}' (there is {known})."
        yield ErrorDetail(BadInput.code, words, path)


def _fault_domain_count(resource: ScaleSetResource, site: Site) -> int:
    """Domains are counted within a zone; a set is held to the zone of its zones that has the fewest."""
    zones = [zone for zone in resource.zones if zone in site.fault_domains]
    if zones:
        return min(len(site.fault_domains[zone]) for zone in zones)
    return len({(zone, domain) for zone, domains in site.fault_domains.items() for domain in domains})


def _make_problems(resource: ScaleSetResource, site: Site) -> Iterator[ErrorDetail]:
    try:
        site.sizes.get(resource.sku.name)
    except BadInput as error:
        yield ErrorDetail(error.code, error.message, error.target)
    try:
        site.find_image(resource.profile.storage_profile.image_reference)
    except (BadInput, ImageError, NotFound) as error:
        yield ErrorDetail(_image_code(error), error.message, _IMAGE_PATH)


def _image_code(error: VmssError) -> str:
    return ImageError.code if isinstance(error, NotFound) else error.code
