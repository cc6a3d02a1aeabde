"""The simulated data centre: facts about hosts and guests that outlive the daemon, as real ones do.

It ships with the product. All of its time is the event loop's, so on a virtual clock hours pass in
milliseconds. Faults are plain methods that change facts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.guest.port import ScriptRequest
from orchestrator.model.guest import GuestFilter, GuestSpec, HostEvent, HostEventKind, Power

Hook = Callable[[str], None]


@dataclass(slots=True)
class Timing:
    """How long things take, in seconds of the loop's time."""

    create_s: float = 0.2
    boot_s: float = 4.0
    script_s: float = 1.0
    stop_s: float = 1.0
    call_s: float = 0.01
    save_s: float = 1.0
    resume_s: float = 0.3
    copy_s: float = 2.0


@dataclass(slots=True)
class SimulatedDisk:
    """What a guest wrote on its disk: how often it booted, and what its scripts' results were."""

    boots: int = 0
    scripts: dict[tuple[str, int], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """A script at work in a guest. It ends at a moment of the loop's time, or with its boot (they are counted)."""

    ends_at: float
    boot: int
    exit_code: int
    stdout: str = ""


@dataclass(frozen=True, slots=True)
class Telling:
    """How a script will go. ``lasts_s`` of ``None`` is as long as any."""

    exit_code: int = 0
    stdout: str = ""
    lasts_s: float | None = None


@dataclass(slots=True)
class SimulatedGuest:
    """One domain: what it was made from, the disk it runs on, and what is wrong with it. ``booted_at`` is when its
    memory began. ``saved_after_s`` is how long it had been up when that was saved; ``started_at`` leaves out its
    sleep."""

    spec: GuestSpec
    disk: SimulatedDisk = field(default_factory=SimulatedDisk)
    power: Power = Power.SHUT_OFF
    booted_at: float = 0.0
    started_at: float = 0.0
    saved_after_s: float = 0.0
    is_frozen: bool = False
    is_sick: bool = False
    is_busy: bool = False
    runs: dict[tuple[str, int], SimulatedRun] = field(default_factory=dict)


@dataclass(slots=True)
class SimulatedHypervisor:
    """One host's facts. ``volumes`` maps a name to its size in bytes; ``disks`` and ``logs`` say what is in those
    of them that are a guest's disk or serial log."""

    name: str
    memory_mib: int = 65_536
    vcpus: int = 64
    pool_bytes: int = 1 << 40
    save_bytes_free: int = 1 << 40
    guests: dict[str, SimulatedGuest] = field(default_factory=dict)
    volumes: dict[str, int] = field(default_factory=dict)
    disks: dict[str, SimulatedDisk] = field(default_factory=dict)
    logs: dict[str, bytes] = field(default_factory=dict)
    filters: dict[str, GuestFilter] = field(default_factory=dict)
    is_silent: bool = False
    foreign_guests: dict[str, Power] = field(default_factory=dict)
    listeners: list[Callable[[HostEvent], None]] = field(default_factory=list)
    next_errors: list[Exception] = field(default_factory=list)

    def tell(self, kind: HostEventKind, uuid: str | None = None, detail: str = "") -> None:
        """Tell whoever listens, on the loop's next turn; a silent host tells nobody."""
        event = HostEvent(self.name, kind, uuid, detail)
        if self.is_silent and kind is not HostEventKind.CONNECTION_LOST:
            return
        for listener in list(self.listeners):
            asyncio.get_running_loop().call_soon(listener, event)


@dataclass(slots=True)
class SimulatedWorld:
    """All hosts, and the faults one can do to them. ``hook`` is called before and after every side effect
    with its name: the crash tests stop the daemon there."""

    hypervisors: dict[str, SimulatedHypervisor] = field(default_factory=dict)
    timing: Timing = field(default_factory=Timing)
    hook: Hook | None = None
    script_exit_code: Callable[[GuestSpec], int] = lambda spec: 0
    tell_script: Callable[[GuestSpec, ScriptRequest], Telling] | None = None

    def hypervisor(self, name: str) -> SimulatedHypervisor:
        return self.hypervisors.setdefault(name, SimulatedHypervisor(name))

    def effect(self, name: str) -> None:
        if self.hook:
            self.hook(name)

    def guest(self, uuid: str) -> SimulatedGuest | None:
        for hypervisor in self.hypervisors.values():
            if uuid in hypervisor.guests:
                return hypervisor.guests[uuid]
        return None

    def running(self) -> list[SimulatedGuest]:
        """Every guest that really runs anywhere, silent hosts included."""
        return [
            guest
            for hypervisor in self.hypervisors.values()
            for guest in hypervisor.guests.values()
            if guest.power is Power.RUNNING
        ]

    # Faults

    def kill_guest(self, host: str, uuid: str) -> None:
        """Its QEMU dies at once."""
        guest = self.hypervisors[host].guests[uuid]
        if guest.power is Power.RUNNING:
            guest.power = Power.CRASHED
            self.hypervisors[host].tell(HostEventKind.GUEST_CRASHED, uuid, "crashed")

    def freeze_guest(self, host: str, uuid: str, *, is_frozen: bool = True) -> None:
        self.hypervisors[host].guests[uuid].is_frozen = is_frozen

    def sicken_guest(self, host: str, uuid: str, *, is_sick: bool = True) -> None:
        self.hypervisors[host].guests[uuid].is_sick = is_sick

    def silence_host(self, host: str) -> None:
        """Its management stops answering; its guests run on."""
        hypervisor = self.hypervisors[host]
        hypervisor.is_silent = True
        hypervisor.tell(HostEventKind.CONNECTION_LOST, detail="the connection was lost")

    def heal_host(self, host: str) -> None:
        hypervisor = self.hypervisors[host]
        hypervisor.is_silent = False
        hypervisor.tell(HostEventKind.CONNECTION_BACK)

    def power_off_host(self, host: str) -> None:
        """Everything on it dies with it."""
        hypervisor = self.hypervisors[host]
        self.silence_host(host)
        for guest in hypervisor.guests.values():
            if guest.power is Power.RUNNING:
                guest.power = Power.CRASHED
