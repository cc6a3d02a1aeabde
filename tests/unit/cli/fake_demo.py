"""What the demo's chapters stand on, faked: a daemon of facts, commands that run nothing, a lab of facts."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from fake_cli_daemon import FakeClock, FakeDaemon, Seen, instance

from orchestrator.cli.client import Client
from orchestrator.cli.demo.commands import Commands
from orchestrator.cli.demo.scene import SET, TAG, TAG_VALUE, Scene
from orchestrator.cli.demo.stage import Stage
from orchestrator.cli.demo.watch import EventLog
from orchestrator.cli.endpoint import Endpoint
from orchestrator.lab import Lab

KILLED_AT = 1_800_000_000.0  # 2027-01-15T08:00:00Z
LEASE_S = 15.0


@dataclass
class FakeGuest:
    domain: str


@dataclass
class FakeHost:
    name: str
    guests: tuple[FakeGuest, ...]


@dataclass
class FakeStatus:
    hosts: list[FakeHost]


@dataclass
class FakeLab:
    """``domains`` is what runs on each host."""

    name: str = "lab"
    domains: dict[str, list[str]] = field(default_factory=lambda: {"h1": [], "h2": [], "h3": []})

    def hosts(self) -> list[str]:
        return list(self.domains)

    def status(self) -> FakeStatus:
        return FakeStatus([FakeHost(name, tuple(map(FakeGuest, found))) for name, found in self.domains.items()])


@dataclass(frozen=True, slots=True)
class FakeCommands(Commands):
    """Shows commands as the real one, runs none: ``answers`` by a word of theirs, given what they print."""

    ran: list[list[str]] = field(default_factory=list)
    answers: dict[str, Callable[[], str]] = field(default_factory=dict)

    def _run(self, words: Any, stdout: int | None) -> str | None:
        self.stage.command(["vmss", *words])
        self.ran.append(list(words))
        return next((answer() for word, answer in self.answers.items() if word in words), "")


class FakeDemo:
    """A scene and its parts, ready for one chapter."""

    def __init__(self) -> None:
        self.daemon = FakeDaemon()
        self.daemon.add_set(SET.name, tags={TAG: TAG_VALUE})
        self.daemon.answers["GET", "/events"] = self._events
        self.daemon.own["census"] = {"value": []}
        self.clock = FakeClock()
        self.events: list[dict[str, Any]] = []
        self.pending: list[dict[str, Any]] = []
        self.lab = FakeLab()
        self.out = io.StringIO()
        self.stage = Stage(self.out, self.clock.now)
        self.commands = FakeCommands(self.stage)
        self.commands.answers["kill-guest"] = self.happens("1800000000.000000\n")
        client = Client(Endpoint("http://vmssd", None, "a test"), transport=self.daemon.transport)
        log = EventLog(client, self.clock.now)
        self.scene = Scene(cast(Lab, self.lab), client, self.stage, self.commands, log, LEASE_S)

    def happens(self, printed: str = "") -> Callable[[], str]:
        """What a command's answer does: all that is pending happens now."""

        def answer() -> str:
            self.events += self.pending
            self.pending = []
            return printed

        return answer

    def will_happen(self, at_s: float, kind: str, phase: str, reason: str = "", **members: Any) -> None:
        """An event so many seconds after KILLED_AT, told when the next command runs."""
        seq = len(self.events) + len(self.pending) + 1
        seconds = f"{at_s:09.6f}"
        event = {"seq": seq, "time": f"2027-01-15T08:00:{seconds}Z", "kind": kind, "phase": phase, "reason": reason}
        self.pending.append({**event, "set": "web", "instanceId": None, "host": None, **members})

    def place(self, **hosts: str) -> None:
        """Healthy instances by id, as ``i0="h1"``; their domains run there."""
        self.daemon.instances["web"] = [
            instance(
                int(name[1:]),
                health="healthy",
                assignedHost=host,
                privateIPAddress=f"10.90.1.{name[1:]}",
                computerName=f"web00000{name[1:]}",
            )
            for name, host in hosts.items()
        ]
        for host in self.lab.domains:
            self.lab.domains[host] = [f"web_{name[1:]}.5c70c9" for name, at in hosts.items() if at == host]

    def _events(self, seen: Seen) -> httpx.Response:
        after = int(seen.query["after"])
        found = [each for each in self.events if each["seq"] > after]
        if not found:
            self.clock.time_s += int(seen.query.get("waitSeconds", "0"))
        return httpx.Response(200, json={"value": found, "next": found[-1]["seq"] if found else after})
