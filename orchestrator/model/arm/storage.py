"""``virtualMachineProfile.storageProfile`` (reference 1.3)."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Only, Refused, Whole, bad_value, not_possible

_Word = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]

_NO_GALLERY = "there are no galleries; name an image of the catalogue by its id or by publisher, offer and sku"
_NO_ENCRYPTION = "disks are as encrypted as the host's storage pool, which vmss does not rule"

_IMAGE_ID = re.compile(
    r"^(?:/providers/Vmss\.Local|/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Compute)"
    r"/images/(?P<name>[a-z0-9][a-z0-9._-]{0,79})"
    r"(?:/versions/(?P<version>[0-9.]{1,40}|latest))?$",
    re.IGNORECASE | re.ASCII,
)


def _check_id(value: str) -> str:
    if not _IMAGE_ID.match(value):
        raise bad_value(
            "must be …/providers/Vmss.Local/images/NAME[/versions/VERSION] or …/Microsoft.Compute/images/NAME"
        )
    return value


class ImageReference(ArmModel):
    """Which image of the catalogue: publisher, offer, sku and version, or its id. ``latest`` is resolved when
    a guest is made (create, scale-out, reimage), never silently applied to guests that exist."""

    read_only: ClassVar[frozenset[str]] = frozenset({"exactversion"})
    publisher: _Word | None = None
    offer: _Word | None = None
    sku: _Word | None = None
    version: _Word | None = None
    id: Annotated[str, AfterValidator(_check_id)] | None = None
    shared_gallery_image_id: Annotated[Any, Refused(_NO_GALLERY)] = None
    community_gallery_image_id: Annotated[Any, Refused(_NO_GALLERY)] = None

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        words = (self.publisher, self.offer, self.sku)
        if self.id and (any(words) or self.version):
            raise bad_value("must have either an id or publisher, offer, sku and version, not both")
        if not self.id and not all(words):
            raise bad_value("must have either an id or publisher, offer and sku")
        return self if self.id or self.version else self.model_copy(update={"version": "latest"})

    @property
    def offer_key(self) -> str:
        """Which image it is, whatever its version."""
        return self.catalogue_name.rpartition(":")[0].lower()

    @property
    def is_latest(self) -> bool:
        """Whether a newer version of the image is to be taken when there is one."""
        return self.catalogue_name.rpartition(":")[2].lower() == "latest"

    def of_version(self, version: str) -> ImageReference:
        """The same image in another version."""
        if self.id and (found := _IMAGE_ID.match(self.id)):
            identity = f"/providers/Vmss.Local/images/{found['name']}/versions/{version}"
            return self.model_copy(update={"id": identity})
        return self.model_copy(update={"version": version})

    @property
    def catalogue_name(self) -> str:
        """As the catalogue is asked: ``publisher:offer:sku:version``, or ``name:version`` for an id."""
        if self.id and (found := _IMAGE_ID.match(self.id)):
            return f"{found['name']}:{found['version'] or 'latest'}"
        return f"{self.publisher}:{self.offer}:{self.sku}:{self.version or 'latest'}"


class DeleteOption(ArmEnum):
    DELETE = "Delete"
    DETACH = "Detach"


class DiskControllerType(ArmEnum):
    SCSI = "SCSI"
    NVME = "NVMe"


class CreateOption(ArmEnum):
    FROM_IMAGE = "FromImage"


class Caching(ArmEnum):
    NONE = "None"
    READ_ONLY = "ReadOnly"
    READ_WRITE = "ReadWrite"


class OsType(ArmEnum):
    LINUX = "Linux"


class StorageAccountType(ArmEnum):
    STANDARD_LRS = "Standard_LRS"
    STANDARD_SSD_LRS = "StandardSSD_LRS"
    PREMIUM_LRS = "Premium_LRS"
    PREMIUM_ZRS = "Premium_ZRS"
    STANDARD_SSD_ZRS = "StandardSSD_ZRS"
    ULTRA_SSD_LRS = "UltraSSD_LRS"
    PREMIUM_V2_LRS = "PremiumV2_LRS"


_LOCAL = (StorageAccountType.STANDARD_LRS, StorageAccountType.STANDARD_SSD_LRS, StorageAccountType.PREMIUM_LRS)


def _check_storage_type(value: StorageAccountType) -> StorageAccountType:
    if value in (StorageAccountType.ULTRA_SSD_LRS, StorageAccountType.PREMIUM_V2_LRS):
        raise bad_value(f"cannot be {value}: that is for data disks only")
    if value not in _LOCAL:
        raise not_possible(f"cannot be {value}: a disk is on one host, so no disk outlives its zone")
    return value


class ManagedDisk(ArmModel):
    storage_account_type: Annotated[StorageAccountType, AfterValidator(_check_storage_type)] | None = None
    disk_encryption_set: Annotated[Any, Refused(_NO_ENCRYPTION)] = None
    security_profile: Annotated[Any, Refused(_NO_ENCRYPTION)] = None


class OsDisk(ArmModel):
    """``caching``, ``os_type``, ``delete_option`` and the kind of disk are kept and shown only
    (docs/azure-differences.md)."""

    create_option: CreateOption = CreateOption.FROM_IMAGE
    disk_size_gib: Annotated[Whole, Field(ge=1, le=4095)] | None = Field(default=None, alias="diskSizeGB")
    caching: Caching | None = None
    os_type: OsType = OsType.LINUX
    managed_disk: ManagedDisk | None = None
    name: Annotated[Any, Refused("each disk is named after its instance")] = None
    write_accelerator_enabled: Annotated[Flag | None, Only((False,), "there is no write accelerator")] = None
    diff_disk_settings: Annotated[Any, Refused("no disk is ephemeral: it is kept while its instance is")] = None
    image: Annotated[Any, Refused("name an image of the catalogue in imageReference")] = None
    vhd_containers: Annotated[Any, Refused("there are no storage accounts")] = None
    delete_option: Annotated[
        DeleteOption | None, Only((DeleteOption.DELETE,), "an instance's disk goes with the instance")
    ] = None


class StorageProfile(ArmModel):
    image_reference: ImageReference
    os_disk: OsDisk = OsDisk()
    data_disks: Annotated[Any, Refused("instances have no disk but the one of the image")] = None
    disk_controller_type: DiskControllerType | None = None
