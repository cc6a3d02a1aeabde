"""When a set's instances follow a newer version of their image by themselves (reference 4.6). Pure.

Azure begins within three hours; here it begins when the newer version is seen. One version is tried once for one
model: who is still behind after that failed on it, is protected, or asked to be left alone. The next version begins
the next upgrade, and so does ``osRollingUpgrade``.
"""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.model.instance import Instance
from orchestrator.model.rolling_upgrade import RollingUpgrade, UpgradeReason


def why_upgrade_image(
    rows: Iterable[Instance], model_version: int, newest: str, upgrades: Iterable[RollingUpgrade]
) -> str | None:
    """The reason to begin now, or ``None``. ``newest`` is the version that new disks of this model stand on;
    ``upgrades`` are those that the set has had. A version that was taken out of the catalogue leads nobody back."""
    behind = [row for row in rows if row.counts and row.image_version and _is_older(row.image_version, newest)]
    known = list(upgrades)
    if not behind or any(each.is_running or _is_to(each, model_version, newest) for each in known):
        return None
    older = ", ".join(sorted({row.image_version or "" for row in behind}, key=_number))
    many = "1 instance stands" if len(behind) == 1 else f"{len(behind)} instances stand"
    return f"image version {newest} is there, and {many} on {older}"


def _is_to(upgrade: RollingUpgrade, model_version: int, version: str) -> bool:
    is_of_image = upgrade.reason is UpgradeReason.OS_IMAGE and upgrade.image_version == version
    return is_of_image and upgrade.model_version == model_version


def _is_older(version: str, newest: str) -> bool:
    return _number(version) < _number(newest)


def _number(version: str) -> tuple[int, ...]:
    """Versions are numbers parted by dots; one that is not counts as the oldest."""
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdecimal() for part in parts) else ()
