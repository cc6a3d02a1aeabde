"""``virtualMachineProfile.storageProfile`` (reference 1.3)."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from orchestrator.model.arm.base import ArmEnum, ArmModel, Whole, bad_value

_Word = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]

_IMAGE_ID = re.compile(
    r"^/providers/Vmss\.Local/images/(?P<name>[a-z0-9][a-z0-9._-]{0,79})"
    r"(?:/versions/(?P<version>[0-9.]{1,40}|latest))?$",
    re.IGNORECASE | re.ASCII,
)


def _check_id(value: str) -> str:
    if not _IMAGE_ID.match(value):
        raise bad_value("must be /providers/Vmss.Local/images/NAME or …/images/NAME/versions/VERSION")
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

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Self:
        words = (self.publisher, self.offer, self.sku)
        if self.id and (any(words) or self.version):
            raise bad_value("must have either an id or publisher, offer, sku and version, not both")
        if not self.id and not all(words):
            raise bad_value("must have either an id or publisher, offer and sku")
        return self if self.id or self.version else self.model_copy(update={"version": "latest"})

    @property
    def is_latest(self) -> bool:
        """Whether a newer version of the image is to be taken when there is one."""
        return self.catalogue_name.rpartition(":")[2].lower() == "latest"

    @property
    def catalogue_name(self) -> str:
        """As the catalogue is asked: ``publisher:offer:sku:version``, or ``name:version`` for an id."""
        if self.id and (found := _IMAGE_ID.match(self.id)):
            return f"{found['name']}:{found['version'] or 'latest'}"
        return f"{self.publisher}:{self.offer}:{self.sku}:{self.version or 'latest'}"


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


class ManagedDisk(ArmModel):
    storage_account_type: StorageAccountType | None = None


class OsDisk(ArmModel):
    """``caching``, ``os_type`` and ``managed_disk`` are kept and shown only (docs/azure-differences.md)."""

    create_option: CreateOption = CreateOption.FROM_IMAGE
    disk_size_gib: Annotated[Whole, Field(ge=1, le=4095)] | None = Field(default=None, alias="diskSizeGB")
    caching: Caching | None = None
    os_type: OsType = OsType.LINUX
    managed_disk: ManagedDisk | None = None


class StorageProfile(ArmModel):
    image_reference: ImageReference
    os_disk: OsDisk = OsDisk()
