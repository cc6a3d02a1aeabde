"""`make bench`: measures, prints a table of what was promised and what was seen, and fails where it was missed."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass

from tests.bench import front, real, thousand


@dataclass(frozen=True)
class Promise:
    """``seen`` must not be above ``most``, nor below ``least``; without either it is only reported."""

    what: str
    seen: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def is_kept(self) -> bool:
        is_low_enough = self.most is None or self.seen <= self.most
        return is_low_enough and (self.least is None or self.seen >= self.least)

    def line(self) -> str:
        bound = (
            f"<= {self.most:g}" if self.most is not None else f">= {self.least:g}" if self.least is not None else ""
        )
        verdict = "" if not bound else "ok" if self.is_kept else "MISSED"
        return f"| {self.what:<58} | {self.seen:>8.3f} {self.unit:<8} | {bound:<8} | {verdict:<6} |"


def _real() -> list[Promise]:
    found = []
    with real.bench_lab() as daemon:
        real.warm(daemon)
        for count in (1, 6):
            pairs = real.measure(count, daemon, _say)
            floor = statistics.median(pair.floor_s for pair in pairs)
            vmssd = statistics.median(pair.vmssd_s for pair in pairs)
            found += [
                Promise(f"bare floor: {count} made and answering HTTP", floor, "s", 6.0 if count == 1 else None),
                Promise(f"vmssd: from the request to {count} healthy", vmssd, "s"),
                Promise(f"ratio at N={count}", real.median_ratio(pairs), "", 1.10 if count == 6 else None),
            ]
    return found


def _thousand() -> list[Promise]:
    seen = thousand.measure()
    return [
        Promise("0 to 1,000 simulated instances", seen.scale_out_s, "s", 10.0),
        Promise("a pass over 1,000 with nothing to do", seen.pass_median_ms, "ms", 50.0),
        Promise("resident memory of the daemon with 1,000", seen.resident_mib, "MiB", 250.0),
        Promise("idle CPU of the daemon with 1,000", seen.idle_cpu_percent, "% core", 3.0),
    ]


def _front() -> list[Promise]:
    seen = front.measure()
    return [
        Promise("through our balancer", seen.requests_per_s, "/s"),
        Promise("requests: ours to the same HAProxy by hand", seen.requests_ratio, "", least=0.98),
        Promise("CPU for a request: ours to the one by hand", seen.cpu_ratio, ""),
    ]


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    _say("A thousand instances on simulated hosts ...")
    promises = _thousand()
    _say("The balancer, beside one by hand ...")
    promises += _front()
    _say("Real guests, beside the bare floor ...")
    promises += _real()
    _say("")
    _say(f"| {'what':<58} | {'seen':>8}          | {'bound':<8} | {'':<6} |")
    _say(f"|{'-' * 60}|{'-' * 19}|{'-' * 10}|{'-' * 8}|")
    for promise in promises:
        _say(promise.line())
    return 0 if all(promise.is_kept for promise in promises) else 1


if __name__ == "__main__":
    sys.exit(main())
