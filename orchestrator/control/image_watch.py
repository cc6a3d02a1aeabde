"""Looks for newer versions of the images of sets that follow theirs, and begins their upgrades (reference 4.6)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from orchestrator.control.specs import SpecMaker
from orchestrator.control.wishes import Wishes
from orchestrator.errors import VmssError
from orchestrator.model.rolling_upgrade import RollingUpgrade, UpgradeReason
from orchestrator.model.scale_set import Event, EventPhase, ScaleSet
from orchestrator.plan.os_image import why_upgrade_image
from orchestrator.store import Store

log = structlog.get_logger()

LOOK_EVERY_S = 10.0  # images are also built and added without the daemon's knowing
_KEPT = 200


class ImageWatch:
    """One for all sets, whose loops ask it to look."""

    def __init__(self, store: Store, wishes: Wishes, maker: SpecMaker, now: Callable[[], float]) -> None:
        self._store = store
        self._wishes = wishes
        self._maker = maker
        self._now = now
        self._next_look_at: dict[str, float] = {}

    def look(self, set_uid: str) -> None:
        """Begin an upgrade of the image if one is due. What cannot be looked at holds up nothing else."""
        record = self._store.scale_set(set_uid)
        if record is None or record.is_deleting or not follows_its_image(record.model):
            self._next_look_at.pop(set_uid, None)
            return
        if self._now() < self._next_look_at.get(set_uid, 0.0):
            return
        self._next_look_at[set_uid] = self._now() + LOOK_EVERY_S
        try:
            self._begin_if_newer(record)
        except VmssError as error:
            log.warning("its image cannot be looked at", set=record.name, code=error.code, why=error.message)

    def longest_pause_s(self, set_uid: str, usual_s: float) -> float:
        """How long the loop of a set may rest."""
        return min(usual_s, LOOK_EVERY_S) if set_uid in self._next_look_at else usual_s

    def _begin_if_newer(self, record: ScaleSet) -> None:
        resource = self._wishes.resource(record)
        if not resource.profile.storage_profile.image_reference.is_latest:
            return
        newest = self._maker.image_version(resource)
        upgrades = self._store.rolling_upgrades(record.uid, _KEPT)
        rows = self._store.instances(record.uid)
        reason = why_upgrade_image(rows, record.model_version, newest, upgrades)
        if reason is not None:
            last = upgrades[0].started_at + 0.001 if upgrades else 0.0  # the latest is told by its start
            self._begin(record, newest, reason, max(self._now(), last))

    def _begin(self, record: ScaleSet, newest: str, reason: str, now: float) -> None:
        upgrade = RollingUpgrade(
            id=str(uuid.uuid4()),
            set_uid=record.uid,
            reason=UpgradeReason.OS_IMAGE,
            model_version=record.model_version,
            image_version=newest,
            started_at=now,
            started_by="Platform",
            last_action_at=now,
        )
        event = Event(now, "image", EventPhase.NOTE, f"a rolling upgrade begins: {reason}", record.uid, record.name)
        with self._store.write() as tx:
            tx.put_rolling_upgrade(upgrade)
            tx.add_events([event])


def follows_its_image(model: Mapping[str, Any]) -> bool:
    """``automaticOSUpgradePolicy.enableAutomaticOSUpgrade``."""
    policy = model["properties"].get("upgradePolicy") or {}
    return bool((policy.get("automaticOSUpgradePolicy") or {}).get("enableAutomaticOSUpgrade"))
