"""A thousand instances on simulated hosts, through a real daemon: time, memory and idle CPU."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from orchestrator.cli.client import OWN, Client, SetRef
from orchestrator.cli.endpoint import Endpoint
from orchestrator.cli.faults import DaemonUnreachable
from tests.guests.system.bodies import micro_set
from tests.guests.system.system import PROGRAMS, wait_for

COUNT = 1000
HOSTS = 20
IDLE_S = 30.0


@dataclass(frozen=True)
class Thousand:
    scale_out_s: float
    pass_median_ms: float
    resident_mib: float
    idle_cpu_percent: float


def _config(folder: Path) -> Path:
    common = {"uri": "simulated:///", "address_space": "lan"}
    hosts = [{"name": f"s{n}", "fault_domain": n % 5, **common} for n in range(HOSTS)]
    network = {"name": "lan", "cidr": "10.0.0.0/16", "first": "10.0.1.0", "last": "10.0.255.0"}
    content = {
        "state_dir": str(folder / "state"),
        "socket": str(folder / "vmssd.sock"),
        "https_listen": None,
        "networks": [network],
        "hosts": hosts,
    }
    path = folder / "vmssd.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _ready(client: Client) -> bool:
    try:
        return bool(client.get(f"{OWN}/status")["instances"] is not None)
    except DaemonUnreachable:
        client.close()
        return False


def _counts(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{OWN}/status")["instances"]
    return found


def measure() -> Thousand:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        argv = [str(PROGRAMS / "vmssd"), "--config", str(_config(folder))]
        log = (folder / "log").open("wb")
        daemon = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        client = Client(Endpoint("http://vmssd", folder / "vmssd.sock", "the bench"))
        try:
            wait_for(lambda: _ready(client), "the daemon's answer", 30)
            return _measure(client, psutil.Process(daemon.pid))
        finally:
            daemon.terminate()
            daemon.wait(30)
            log.close()


def _measure(client: Client, process: psutil.Process) -> Thousand:
    probe = {"protocol": "http", "port": 80, "requestPath": "/", "intervalInSeconds": 60}
    body = micro_set(0, externalHealthProbe=probe, image=_image())
    body["properties"]["singlePlacementGroup"] = False
    path = client.path_of(SetRef("bench", "thousand"))
    client.ensure_group("bench")
    client.send("PUT", path, body=body)
    began = time.monotonic()
    client.send("PATCH", path, body={"sku": {"capacity": COUNT}})
    wait_for(lambda: _counts(client).get("succeeded", 0) >= COUNT, "a thousand running", 120, 0.05)
    scale_out_s = time.monotonic() - began
    passes = []
    for _ in range(9):
        asked = time.monotonic()
        client.get(f"{path}/plan")
        passes.append((time.monotonic() - asked) * 1000)
    time.sleep(5)
    before, at = process.cpu_times(), time.monotonic()
    time.sleep(IDLE_S)
    after = process.cpu_times()
    used = after.user + after.system - before.user - before.system
    return Thousand(
        scale_out_s,
        statistics.median(passes),
        process.memory_info().rss / 2**20,
        100 * used / (time.monotonic() - at),
    )


def _image() -> dict[str, str]:
    return {"publisher": "vmss", "offer": "micro", "sku": "1", "version": "latest"}


if __name__ == "__main__":
    print(measure(), file=sys.stderr)
