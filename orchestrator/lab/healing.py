"""Undoing what bringing a host up does not undo by itself (cut wires, stopped daemons, pulled plugs it does)."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress

import psutil

from orchestrator.lab import host, network, processes
from orchestrator.lab.layout import FILL_FILE, HostLayout
from orchestrator.lab.record import Fault


def undo(one: HostLayout, fault: Fault) -> None:
    """Take one fault back on a host that is up. May be repeated."""
    step = _STEPS.get(fault.kind)
    if step is not None:
        step(one, fault)


def ends_of_wire(one: HostLayout) -> list[tuple[str, str]]:
    """Namespace and interface of both ends of a host's wire: what each sends is what can be slowed."""
    return [(one.lab.namespace, one.name), (one.namespace, network.UPLINK)]


def _unfreeze(one: HostLayout, fault: Fault) -> None:
    holder = processes.find_holder(one.lab.folder, one.name)
    for guest in processes.guests_of(one.name, holder) if holder else []:
        if guest.uuid == fault.target:
            with suppress(psutil.NoSuchProcess):
                psutil.Process(guest.pid).send_signal(signal.SIGCONT)


def _speed_up(one: HostLayout, _: Fault) -> None:
    for namespace, interface in ends_of_wire(one):
        network.unlimit(namespace, interface)


def _empty_pool(one: HostLayout, _: Fault) -> None:
    holder = processes.find_holder(one.lab.folder, one.name)
    if holder is not None:
        host.inside_path(holder, FILL_FILE).unlink(missing_ok=True)


_STEPS: dict[str, Callable[[HostLayout, Fault], None]] = {
    "freeze-guest": _unfreeze,
    "slow-host": _speed_up,
    "fill-pool": _empty_pool,
}
