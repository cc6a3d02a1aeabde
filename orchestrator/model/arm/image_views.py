"""The catalogue's images as clients of Azure look for them: aliases, publishers, offers, skus, versions. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
_GIB = 1 << 30
_ALIASES_SCHEMA = "http://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json"


@dataclass(frozen=True, slots=True)
class Offered:
    """One version of one image, as far as it is shown here. ``disk_bytes`` is the size that guests see."""

    name: str
    publisher: str
    offer: str
    sku: str
    version: str
    architecture: str
    is_uefi: bool
    disk_bytes: int

    @property
    def urn(self) -> tuple[str, str, str]:
        """Publisher, offer and sku, for comparing."""
        return self.publisher.lower(), self.offer.lower(), self.sku.lower()

    @property
    def order(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("."))


def alias_of(name: str) -> str:
    """``debian-12`` is ``Debian12``, ``micro`` is ``Micro``."""
    return "".join(part[:1].upper() + part[1:] for part in name.replace(".", "-").split("-"))


def alias_document(images: Iterable[Offered]) -> Json:
    """What ``az vmss create --image ALIAS`` reads: the outputs of a template that nobody deploys."""
    linux = {
        alias_of(image.name): {
            "publisher": image.publisher,
            "offer": image.offer,
            "sku": image.sku,
            "version": "latest",
            "architecture": azure_architecture(image.architecture),
        }
        for image in sorted(images, key=lambda each: (each.name, each.order))
    }
    value = {"Linux": linux, "Windows": {}}
    return {
        "$schema": f"{_ALIASES_SCHEMA}#",
        "contentVersion": "1.0.0.0",
        "parameters": {},
        "variables": {},
        "resources": [],
        "outputs": {"aliases": {"type": "object", "value": value}},
    }


def azure_architecture(name: str) -> str:
    """``x86_64`` is ``x64``, ``aarch64`` is ``Arm64``."""
    return {"x86_64": "x64", "amd64": "x64", "aarch64": "Arm64", "arm64": "Arm64"}.get(name.lower(), name)


def listed(base: str, name: str, location: str) -> Json:
    """One item of a list of publishers, offers, skus or versions."""
    return {"id": f"{base}/{name}", "name": name, "location": location}


def image_version(base: str, image: Offered, location: str) -> Json:
    """One version with its properties."""
    properties = {
        "hyperVGeneration": generation(image),
        "architecture": azure_architecture(image.architecture),
        "osDiskImage": {"operatingSystem": "Linux", "sizeInGb": -(-image.disk_bytes // _GIB)},
        "dataDiskImages": [],
        "automaticOSUpgradeProperties": {"automaticOSUpgradeSupported": True},
        "features": [],
        "imageDeprecationStatus": {"imageState": "Active"},
    }
    return {**listed(base, image.version, location), "properties": properties}


def generation(image: Offered) -> str:
    return "V2" if image.is_uefi else "V1"


def managed_image(group_id: str, image: Offered, location: str) -> Json:
    """The newest version of an image as ``Microsoft.Compute/images``: it can be named so from any group."""
    disk = {
        "osType": "Linux",
        "osState": "Generalized",
        "diskSizeGB": -(-image.disk_bytes // _GIB),
        "caching": "None",
    }
    return {
        "id": f"{group_id}/providers/Microsoft.Compute/images/{image.name}",
        "name": image.name,
        "type": "Microsoft.Compute/images",
        "location": location,
        "tags": {},
        "properties": {
            "storageProfile": {"osDisk": disk, "dataDisks": [], "zoneResilient": False},
            "hyperVGeneration": generation(image),
            "provisioningState": "Succeeded",
        },
    }
