"""Guests that ask to be left alone: nothing is done to one while it says that it is busy, up to a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from orchestrator.control.wishes import Wishes
from orchestrator.guest.port import GuestAddress, Guests
from orchestrator.model.instance import Instance
from orchestrator.model.scale_set import Event, EventPhase, ScaleSet
from orchestrator.store import Store

ASK_EVERY_S = 1.0


class BusyGuests:
    """Asks by the set's ``busyProbe``; sets without one are never asked."""

    def __init__(self, store: Store, guests: Guests, wishes: Wishes, now: Callable[[], float]) -> None:
        self._store = store
        self._guests = guests
        self._wishes = wishes
        self._now = now

    async def until_free(self, row: Instance) -> None:
        """Returns at the latest at the deadline, which an event tells of. One that does not answer is free."""
        record = self._store.scale_set(row.set_uid)
        probe = self._wishes.resource(record).properties.busy_probe if record else None
        if record is None or probe is None:
            return
        guest = GuestAddress(f"{row.set_uid}/{row.instance_id}", row.address, "", "", self._vm_uuid(row))
        until, was_told = self._now() + probe.deadline.total_seconds(), False
        while await self._guests.is_busy(guest, probe.settings):
            if self._now() >= until:
                self._tell(record, row, "it is still busy at its deadline, and is left alone no longer")
                return
            if not was_told:
                self._tell(record, row, "it is busy, and is left alone until it is free")
                was_told = True
            await asyncio.sleep(ASK_EVERY_S)

    def _vm_uuid(self, row: Instance) -> str:
        return row.owner(self._store.installation).vm_uuid

    def _tell(self, record: ScaleSet, row: Instance, words: str) -> None:
        about = (record.uid, record.name, row.instance_id, row.host)
        with self._store.write() as tx:
            tx.add_events([Event(self._now(), "busy", EventPhase.NOTE, words, *about)])
