"""From the request to N healthy guests through vmssd, beside the bare floor, in turns in one run."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.lab import Lab
from tests.guests.system.bodies import micro_set
from tests.guests.system.system import Daemon, TestedSet, epoch, wait_for

ROUNDS = 3
PROBE = {"protocol": "http", "port": 80, "requestPath": "/", "intervalInSeconds": 5}
NO_AGENT = {"linuxConfiguration": {"provisionVMAgent": False}}


@dataclass(frozen=True)
class Pair:
    """One measurement of each, taken one after the other. Seconds."""

    floor_s: float
    vmssd_s: float

    @property
    def ratio(self) -> float:
        return self.vmssd_s / self.floor_s


@contextmanager
def bench_lab() -> Iterator[Daemon]:
    lab = Lab("bench")
    lab.up(3)
    with tempfile.TemporaryDirectory() as folder:
        daemon = Daemon(lab, Path(folder), 1)
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.stop()
            lab.down()


def through_vmssd(daemon: Daemon, count: int) -> float:
    """From sending the PUT until the last instance was seen healthy, by the daemon's own event times."""
    tested = TestedSet(daemon, f"bench{count}")
    after = daemon.last_event()
    body = micro_set(count, externalHealthProbe=PROBE, os_profile=NO_AGENT)
    asked_at = time.time()
    tested.create(body)

    def healthy() -> dict[int, float]:
        events = [each for each in tested.events(after) if each["kind"] == "health"]
        return {each["instanceId"]: epoch(each["time"]) for each in events if "is Healthy" in each["reason"]}

    wait_for(lambda: len(healthy()) == count, f"{count} healthy", 180, 0.25)
    took_s = max(healthy().values()) - asked_at
    tested.delete()
    return took_s


def at_the_floor(daemon: Daemon, count: int) -> float:
    argv = [sys.executable, "-m", "tests.bench.floor", str(daemon.config_path), str(count)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=300)
    return float(done.stdout)


def measure(count: int, daemon: Daemon, say: Callable[[str], None]) -> list[Pair]:
    """Pairs, the order within a pair changing from one to the next: whoever comes second gains nothing."""
    pairs = []
    for turn in range(ROUNDS):
        if turn % 2:
            vmssd_s, floor_s = through_vmssd(daemon, count), at_the_floor(daemon, count)
        else:
            floor_s, vmssd_s = at_the_floor(daemon, count), through_vmssd(daemon, count)
        pairs.append(Pair(floor_s, vmssd_s))
        say(f"  N={count}: floor {floor_s:.2f} s, vmssd {vmssd_s:.2f} s, ratio {pairs[-1].ratio:.3f}")
    return pairs


def warm(daemon: Daemon) -> None:
    """Put the image into every host's pool, as after the first instance ever."""
    through_vmssd(daemon, 3)


def median_ratio(pairs: list[Pair]) -> float:
    return statistics.median(pair.ratio for pair in pairs)
