"""What happens by the calendar: old events and operations are dropped. APScheduler keeps the times."""

from __future__ import annotations

from collections.abc import Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from orchestrator.store import Store

PURGE_EVERY_HOURS = 6
DAY_S = 86_400.0


class Timers:
    """Started and stopped with the daemon, on its event loop."""

    def __init__(self, store: Store, now: Callable[[], float], keep_events_days: int) -> None:
        self._store = store
        self._now = now
        self._keep_s = keep_events_days * DAY_S
        self._scheduler = AsyncIOScheduler()

    def start(self) -> None:
        self._scheduler.add_job(self.purge, "interval", hours=PURGE_EVERY_HOURS, coalesce=True)
        self._scheduler.start()

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)

    async def purge(self) -> None:
        """Drop what is older than is kept."""
        with self._store.write() as tx:
            tx.purge(before=self._now() - self._keep_s)
