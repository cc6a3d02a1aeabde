"""What exists on a host and should not: ours by its tag, and wanted by no row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from orchestrator.model.guest import HostView, Owner
from orchestrator.model.instance import Instance, Stage

Standing = Literal["owned", "stray", "foreign"]


@dataclass(frozen=True, slots=True)
class Found:
    """One thing on a host, and whose it is."""

    host: str
    kind: Literal["domain", "volume", "image"]
    name: str
    standing: Standing
    owner: Owner | None = None
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Census:
    """Which owners (by installation, set, instance and generation) have a row on this host."""

    installation: str
    host: str
    current: frozenset[Owner]

    @classmethod
    def of(cls, rows: Iterable[Instance], installation: str, host: str) -> Census:
        """Rows that are gone still own what they have: their own removal takes it away, once. One that moves owns
        what it has on both hosts; one that waits has nothing but the disk it left behind."""
        here = [row for row in rows if host in (row.moving_from, None if row.stage is Stage.WAITING else row.host)]
        return cls(installation, host, frozenset(row.owner(installation) for row in here))

    def standing(self, owner: Owner | None) -> Standing:
        if owner is None or owner.installation != self.installation:
            return "foreign"
        return "owned" if owner in self.current else "stray"


def find_all(view: HostView, census: Census) -> list[Found]:
    """Everything on the host, each with its standing. Base images are shared: ours by name, never strays."""
    found = [
        Found(census.host, "domain", guest.name, census.standing(guest.owner), guest.owner) for guest in view.guests
    ]
    for volume in view.volumes:
        is_image = volume.owner is None and volume.name.startswith("vmss-image-")
        standing = "owned" if is_image else census.standing(volume.owner)
        kind: Literal["image", "volume"] = "image" if is_image else "volume"
        found.append(Found(census.host, kind, volume.name, standing, volume.owner, volume.size_bytes))
    return found


def stray_owners(view: HostView, census: Census) -> list[Owner]:
    """Owners whose domain or volumes on this host are to be removed."""
    owners = {each.owner for each in find_all(view, census) if each.standing == "stray" and each.owner}
    return sorted(owners)
