"""One version of one image, and how it is written down (``image.json``)."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from orchestrator.errors import ImageError
from orchestrator.model.guest import Boot

NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?")
VERSION = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}")
_URN_PART = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Urn:
    """An image as Azure names it; upper and lower case do not differ."""

    publisher: str
    offer: str
    sku: str
    version: str = "latest"

    def __post_init__(self) -> None:
        for part in (self.publisher, self.offer, self.sku):
            if not _URN_PART.fullmatch(part):
                raise ImageError(f"'{part}' cannot be part of an image's URN.", code="ImageNotAllowed")
        if self.version.lower() != "latest" and not VERSION.fullmatch(self.version):
            raise ImageError(
                f"An image version is 'latest' or three numbers such as 1.0.0; '{self.version}' is neither.",
                code="ImageNotAllowed",
            )

    @classmethod
    def parse(cls, text: str) -> Urn:
        """Read ``publisher:offer:sku[:version]``."""
        parts = text.split(":")
        if len(parts) not in (3, 4):
            raise ImageError(f"'{text}' is not publisher:offer:sku:version.", code="ImageNotAllowed")
        return cls(*parts)

    @property
    def key(self) -> tuple[str, str, str]:
        """Publisher, offer and sku for comparing."""
        return self.publisher.lower(), self.offer.lower(), self.sku.lower()

    def __str__(self) -> str:
        return ":".join((self.publisher, self.offer, self.sku, self.version))


@dataclass(frozen=True, slots=True)
class ImageVersion:
    """What the catalogue knows of one version. ``name`` is the short alias; sizes are bytes.

    ``recipe_fingerprint`` is set for images built here and tells whether the recipe has changed since.
    """

    name: str
    publisher: str
    offer: str
    sku: str
    version: str
    os_name: str
    architecture: str
    login_user: str
    size_bytes: int
    virtual_size_bytes: int
    sha256: str
    boot: Boot
    created_at: datetime
    kernel_sha256: str | None = None
    initrd_sha256: str | None = None
    kernel_cmdline: str = ""
    recipe_fingerprint: str | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ImageError(
                f"An image's name is up to 64 small letters, digits, dots and dashes; '{self.name}' is not.",
                code="ImageNotAllowed",
            )
        if not VERSION.fullmatch(self.version):
            raise ImageError(f"'{self.version}' is not a version of three numbers.", code="ImageNotAllowed")
        Urn(self.publisher, self.offer, self.sku)
        for digest in (self.sha256, self.kernel_sha256, self.initrd_sha256):
            if digest is not None and not _SHA256.fullmatch(digest):
                raise ImageError(f"'{digest}' is not a sha256 in hexadecimal digits.", code="ImageNotAllowed")

    @property
    def urn(self) -> str:
        return str(Urn(self.publisher, self.offer, self.sku, self.version))

    @property
    def key(self) -> tuple[str, str, str]:
        """Publisher, offer and sku for comparing."""
        return Urn(self.publisher, self.offer, self.sku).key

    @property
    def number(self) -> tuple[int, ...]:
        """The version as numbers: 1.10.0 comes after 1.9.0."""
        return tuple(int(part) for part in self.version.split("."))

    def to_json(self) -> str:
        raw = asdict(self) | {"created_at": self.created_at.isoformat()}
        return json.dumps(raw, indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> ImageVersion:
        """Read ``image.json``; anything amiss raises ``ImageError`` (code ImageDamaged)."""
        try:
            raw: dict[str, Any] = json.loads(text)
            if set(raw) - {field.name for field in fields(cls)}:
                raise ValueError("unknown members")
            raw["boot"] = Boot(raw["boot"])
            raw["created_at"] = datetime.fromisoformat(raw["created_at"])
            return cls(**raw)
        except (ValueError, TypeError, KeyError) as error:
            raise ImageError(f"An image's description cannot be read: {error}.", code="ImageDamaged") from error
