"""When a set's instances follow a newer version of their image by themselves (reference 4.6). Pure.

Azure begins within three hours; here it begins when the newer version is seen. A version that an upgrade has failed
with, or that somebody cancelled, is not tried again by itself: the next version is, or ``osRollingUpgrade``.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.model.instance import Instance
from orchestrator.model.rolling_upgrade import RollingStatus, RollingUpgrade, UpgradeReason

_GIVEN_UP = {RollingStatus.FAULTED, RollingStatus.CANCELLED}


def why_upgrade_image(rows: Iterable[Instance], newest: str, upgrades: Iterable[RollingUpgrade]) -> str | None:
    """The reason to begin now, or ``None``. ``newest`` is the version that new disks stand on; ``upgrades`` are
    those that the set has had. A version that was taken out of the catalogue leads nobody back."""
    behind = [row for row in rows if row.counts and row.image_version and _is_older(row.image_version, newest)]
    known = list(upgrades)
    if not behind or any(each.is_running for each in known) or any(_gave_up(each, newest) for each in known):
        return None
    older = ", ".join(sorted({row.image_version or "" for row in behind}, key=_number))
    many = "1 instance stands" if len(behind) == 1 else f"{len(behind)} instances stand"
    return f"image version {newest} is there, and {many} on {older}"


def _gave_up(upgrade: RollingUpgrade, newest: str) -> bool:
    is_of_image = upgrade.reason is UpgradeReason.OS_IMAGE and upgrade.image_version == newest
    return is_of_image and upgrade.status in _GIVEN_UP


def _is_older(version: str, newest: str) -> bool:
    return _number(version) < _number(newest)


def _number(version: str) -> tuple[int, ...]:
    """Versions are numbers parted by dots; one that is not counts as the oldest."""
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
