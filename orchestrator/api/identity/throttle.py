"""How many requests a principal may make: a bucket of tokens for reads and one for writes, each a minute's."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.errors import TooManyRequests


@dataclass(slots=True)
class Bucket:
    """Fills steadily up to ``capacity``; each request takes one out. Times are seconds of any steady clock."""

    capacity: float
    per_second: float
    level: float
    filled_at: float

    def take(self, now: float) -> float | None:
        """Take one. ``None`` when that worked, else in how many seconds there is one again."""
        self.level = min(self.capacity, self.level + max(0.0, now - self.filled_at) * self.per_second)
        self.filled_at = now
        if self.level < 1:
            return (1 - self.level) / self.per_second
        self.level -= 1
        return None


@dataclass
class Throttle:
    """Counts by principal. Limits are requests per minute; ``clock`` is steady."""

    reads_per_minute: int
    writes_per_minute: int
    clock: Callable[[], float]
    _buckets: dict[tuple[str, bool], Bucket] = field(default_factory=dict)

    def take(self, client_id: str, *, is_read: bool) -> int:
        """Count a request; how many more of its sort may follow at once. Raises ``TooManyRequests``."""
        now = self.clock()
        limit = self.reads_per_minute if is_read else self.writes_per_minute
        bucket = self._buckets.setdefault((client_id, is_read), Bucket(limit, limit / 60, limit, now))
        wait_s = bucket.take(now)
        if wait_s is not None:
            what = "read" if is_read else "write"
            seconds = max(1, math.ceil(wait_s))
            words = f"More than {limit} {what} requests in a minute: try again in {seconds} s."
            raise TooManyRequests(words, retry_after_s=seconds)
        return int(bucket.level)

    def forget(self, client_id: str) -> None:
        """A principal that is gone."""
        for is_read in (True, False):
            self._buckets.pop((client_id, is_read), None)
