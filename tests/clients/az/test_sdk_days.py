"""The SDKs of Python and of JavaScript do the same day's work with their own pollers, and the guests follow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import pytest
from az_client import CLIENTS, Az
from bodies import micro_set
from system import Daemon, TestedSet

from tests.clients.az.conftest import ROOT

GROUP = "sdk"
JS = ROOT / "tests/clients/js"
PAGE = {
    "location": "local",
    "properties": {
        "publisher": "Microsoft.Azure.Extensions",
        "type": "CustomScript",
        "typeHandlerVersion": "2.1",
        "settings": {"commandToExecute": "echo by the sdk >/var/www/index.html"},
    },
}


def _node() -> str:
    """The system's, or the one that the set-up brought where that is too old."""
    own = JS / "node_modules/.bin/node"
    return str(own) if own.exists() else (shutil.which("node") or "node")


PROGRAMS = {
    "python": [str(CLIENTS / "python"), str(ROOT / "tests/clients/sdk/day.py")],
    "javascript": [_node(), str(JS / "day.mjs")],
}


@dataclass
class Day:
    """A program that stops after each step until it may go on."""

    process: subprocess.Popen[str]

    def saw(self, what: str) -> dict[str, Any]:
        """Wait for the next step, which has to be this one."""
        out: IO[str] | None = self.process.stdout
        assert out is not None
        line = out.readline()
        assert line, "the program ended"
        found: dict[str, Any] = json.loads(line)
        assert found["step"] == what
        return found

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()


@pytest.fixture(params=PROGRAMS)
def day(request: pytest.FixtureRequest, az: Az, daemon: Daemon) -> Iterator[tuple[Day, TestedSet]]:
    name = f"of{request.param}"
    az.line(f"az group create -n {GROUP} -l local")
    environment = {
        **os.environ,
        "REQUESTS_CA_BUNDLE": str(az.ca_file),
        "NODE_EXTRA_CA_CERTS": str(az.ca_file),
        "VMSS_OWNER": json.dumps(az.owner),
        "VMSS_BODY": json.dumps(micro_set(2, upgradePolicy={"mode": "Manual"})),
        "VMSS_PAGE": json.dumps(PAGE),
        "VMSS_GROUP": GROUP,
        "VMSS_NAME": name,
    }
    process = subprocess.Popen(
        PROGRAMS[request.param],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=JS if request.param == "javascript" else None,
    )
    with process:
        yield Day(process), TestedSet(daemon, name, GROUP)
        process.kill()


def codes(scale_set: TestedSet, number: int) -> set[str]:
    return {each["code"] for each in scale_set.view(number)["statuses"]}


def test_an_sdk_does_a_days_work(day: tuple[Day, TestedSet], daemon: Daemon) -> None:
    program, scale_set = day
    assert program.saw("created")["ids"] == ["0", "1"]
    boot = scale_set.boot_id(0)
    program.go()
    scaled = program.saw("scaled")
    assert (scaled["ids"], scaled["tags"]) == (["0", "1", "2"], {"by": "sdk"})
    program.go()
    program.saw("restarted")
    assert scale_set.boot_id(0) != boot
    scale_set.run(0, "echo mine >/etc/mine")
    program.go()
    assert "PowerState/stopped" in program.saw("stopped")["codes"]
    program.go()
    program.saw("deallocated")
    assert "PowerState/deallocated" in codes(scale_set, 1)
    assert "PowerState/running" in codes(scale_set, 0)
    program.go()
    program.saw("reimaged")
    assert scale_set.run(0, "ls /etc/mine 2>/dev/null || echo fresh").strip() == "fresh"
    program.go()
    assert f"said by {scale_set.run(0, 'hostname').strip()}" in program.saw("ran")["message"]
    program.go()
    program.saw("extended")
    assert [scale_set.fetch(number).strip() for number in (0, 1, 2)] == ["by the sdk"] * 3
    program.go()
    assert program.saw("upgraded")["code"].endswith("ompleted")
    program.go()
    assert "PowerState/running" in program.saw("viewed")["codes"]
    program.go()
    assert program.saw("one is deleted")["ids"] == ["0", "1"]
    program.go()
    assert program.saw("deleted")["left"] == []
    assert daemon.owned() == []
    program.go()
    assert program.process.wait(30) == 0
