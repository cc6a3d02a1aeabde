"""What all chapters of the demo share: the lab, its daemon, the set, and ways to wait for them."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.cli.client import OWN, Client, SetRef
from orchestrator.cli.demo.commands import Commands, DemoFailed
from orchestrator.cli.demo.stage import Stage
from orchestrator.cli.demo.watch import Event, EventLog, Guest, guests_of, wait_until
from orchestrator.errors import NotFound
from orchestrator.lab import Lab

SET = SetRef("default", "web")
BALANCER = "front"
_PAGE_WITHIN_S = 10.0
TAG, TAG_VALUE = "made-by", "vmss-lab-demo"
HEALTHY_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A lab whose daemon answers. ``lease_s`` is how long a host may be silent before it is given up."""

    lab: Lab
    client: Client
    stage: Stage
    vmss: Commands
    events: EventLog
    lease_s: float

    def clear(self) -> None:
        """Delete what an earlier demo made. Raises ``DemoFailed`` for another's set of that name."""
        try:
            found = self.client.get(self.client.path_of(SET))
        except NotFound:
            return
        if (found.get("tags") or {}).get(TAG) != TAG_VALUE:
            raise DemoFailed(
                f"there is a scale set '{SET.name}' that no demo made: vmss delete {SET.name}, or try another lab"
            )
        self.stage.say("An earlier demo left its scale set:")
        self.vmss.run("delete", SET.name)
        self.stage.blank()

    def guests(self) -> list[Guest]:
        return guests_of(self.client, SET)

    def await_health(self, count: int) -> list[Guest]:
        """Show ``vmss wait``, then wait until there are so many, all healthy, and no other."""
        self.vmss.run("wait", SET.name, "--healthy", "--timeout", f"{HEALTHY_WITHIN_S:.0f}")
        found: list[Guest] = []

        def is_so() -> bool:
            found[:] = self.guests()
            return len(found) == count and all(guest.is_healthy for guest in found)

        wait_until(is_so, f"{count} healthy instances and no other", HEALTHY_WITHIN_S)
        return found

    def fetch_through(self, url: str, count: int) -> list[str]:
        """Ask the balancer for a page so many times, on this machine."""
        self.stage.command(["curl", "-sS", url])
        pages = []
        for _ in range(count):
            with urllib.request.urlopen(url, timeout=_PAGE_WITHIN_S) as answer:  # noqa: S310  the demo's own
                pages.append(str(answer.read().decode()))
                self.stage.say(pages[-1].rstrip())
        return pages

    def front_url(self) -> str:
        """Where the balancer listens on this machine. Raises ``DemoFailed``."""
        fronts = self.client.get(f"{OWN}/fronts")["value"]
        found = [each for each in fronts if each["side"] == "machine" and f".{BALANCER}." in each["name"]]
        if not found:
            raise DemoFailed("the load balancer does not listen on this machine")
        return f"http://{found[0]['address']}:{found[0]['port']}/"

    def fetch_pages(self, guests: list[Guest]) -> None:
        """Ask each guest for its page, from the fabric."""
        answers = [
            self.vmss.ask(
                "lab", "exec", *self.lab_flag, "controller", "--", "curl", "-sS", f"http://{each.address}/"
            )
            for each in guests
        ]
        are_own = [page.startswith(f"{each.computer_name} ") for each, page in zip(guests, answers, strict=True)]
        self.stage.promise("each serves its own page to the network", bool(are_own) and all(are_own))

    def wait(self, is_it: Callable[[Event], bool], what: str, timeout_s: float) -> Event:
        """The first event since the mark that is it."""
        return self.events.wait(is_it, what, timeout_s)

    def runs_on(self, guest: Guest) -> list[str]:
        """The hosts on which this instance's QEMU really runs, as the kernel says."""
        return [
            host.name
            for host in self.lab.status().hosts
            for each in host.guests
            if each.domain.rpartition(".")[0] == guest.name
        ]

    @property
    def lab_flag(self) -> list[str]:
        """What ``vmss lab`` needs to mean this lab."""
        return [] if self.lab.name == "lab" else ["--name", self.lab.name]
