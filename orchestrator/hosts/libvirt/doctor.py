"""Looking closely at one libvirt host: each check says what was found and how to mend it."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import libvirt

from orchestrator.errors import HostError, HostRefused
from orchestrator.hosts.doctor import Check
from orchestrator.hosts.libvirt import volumes
from orchestrator.hosts.libvirt.acceleration import Accelerator, choose_accelerator
from orchestrator.hosts.libvirt.connections import Connections, Deadlines
from orchestrator.hosts.libvirt.links import Call
from orchestrator.hosts.libvirt.tags import parse
from orchestrator.model.host import HostConfig

# Deadlines, leases and certificates are compared across machines; two seconds is past any honest jitter.
CLOCK_TOLERANCE_S = 2.0
# From libvirt's memory they come in a millisecond or two; asking QEMU takes more than a second.
PROBING_TOLERANCE_S = 0.5
_TRIAL_VOLUME = "vmss-doctor-trial.raw"
_TRIAL_BYTES = 1024 * 1024
_PLAIN_TRANSPORTS = ("+tcp",)

Examination = Callable[[Call, HostConfig], list[Check]]


async def examine(config: HostConfig, deadlines: Deadlines) -> list[Check]:
    """All checks over a connection of their own. A host that does not answer gets one failed check."""
    connections = Connections(config.name, config.uri, config.pool, deadlines.open_s, lambda _: (), lambda: None)
    try:
        checks: list[Check] = []
        for examination in (_connection, _acceleration, _pool, _network):
            checks += await _try(connections, examination, config, deadlines)
            if not checks[0].is_ok:
                break  # nobody answers: the rest would only repeat it
        return checks
    finally:
        await connections.close()


async def _try(
    connections: Connections, examination: Examination, config: HostConfig, deadlines: Deadlines
) -> list[Check]:
    subject = examination.__name__.strip("_")
    try:
        return await connections.query(
            lambda call: examination(call, config), f"show its {subject}", deadlines.query_s
        )
    except HostError as error:
        return [Check(subject, False, error.message, _MENDS[subject].format(config=config))]


_MENDS = {
    "connection": "Try: virsh -c '{config.uri}' version. Is libvirtd (or virtqemud) running there, does the URI "
    "name it, and may this user connect (group libvirt, or ssh and TLS keys)?",
    "acceleration": "Is QEMU installed there? Try: virsh -c '{config.uri}' capabilities",
    "pool": "Define and start a directory pool '{config.pool}': virsh -c '{config.uri}' pool-list --all. "
    "Has it room, and may libvirt write there?",
    "network": "Define and start the network '{config.network}': virsh -c '{config.uri}' net-list --all",
}


def _connection(call: Call, config: HostConfig) -> list[Check]:
    began_s = time.monotonic()
    version = int(call.connection.getLibVersion())
    took_ms = (time.monotonic() - began_s) * 1000
    release = f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
    return [Check("connection", True, f"libvirt {release}, answered in {took_ms:.1f} ms"), _transport(config)]


def _transport(config: HostConfig) -> Check:
    scheme = urlsplit(config.uri).scheme
    is_safe = not scheme.endswith(_PLAIN_TRANSPORTS)
    return Check("transport", is_safe, scheme, "Use qemu+ssh or qemu+tls: over plain TCP anyone there is root.")


def _acceleration(call: Call, config: HostConfig) -> list[Check]:
    return [_choice(call, config), _probing(call)]


def _choice(call: Call, config: HostConfig) -> Check:
    best = choose_accelerator(call.connection, config.uri, "auto")
    if config.acceleration == "kvm" and best.kind != "kvm":
        return Check("acceleration", False, f"kvm is asked for, but {best.reason}", "Set acceleration: auto.")
    if config.acceleration == "tcg":
        best = Accelerator("tcg", "the configuration says so", best.arch)
    return _described(best)


def _probing(call: Call) -> Check:
    """libvirt keeps what QEMU can do, unless it may not open /dev/kvm though QEMU was seen to use it: then it
    asks QEMU anew for every definition, and each new guest waits some ten seconds."""
    call.connection.getCapabilities()
    began_s = time.monotonic()
    call.connection.getCapabilities()
    took_s = time.monotonic() - began_s
    mend = "Let libvirt's QEMU user open /dev/kvm: chgrp kvm /dev/kvm && chmod 660 /dev/kvm, then restart libvirtd."
    return Check(
        "probing", took_s < PROBING_TOLERANCE_S, f"libvirt's capabilities take {took_s * 1000:.0f} ms", mend
    )


def _described(choice: Accelerator) -> Check:
    if choice.kind == "kvm":
        return Check("acceleration", True, f"KVM: {choice.reason}")
    # Slow but sound: a lab without hardware virtualisation is a fine lab.
    return Check("acceleration", True, f"QEMU's emulation (TCG), about 10 times slower than KVM: {choice.reason}")


def _pool(call: Call, config: HostConfig) -> list[Check]:
    path = volumes.pool_path(call)
    _state, capacity, _allocation, available = call.pool.info()
    detail = f"'{config.pool}' at {path}: {available / 1024**3:.1f} of {capacity / 1024**3:.1f} GiB free"
    has_room = available > volumes.RESERVE_BYTES
    room = Check("pool", has_room, detail, "Make room there, or name a larger pool.")
    return [room, *_trial(call, path)]


def _trial(call: Call, path: str) -> list[Check]:
    """Write a volume and read its time stamp: the pool takes our writes, and the clocks agree."""
    volumes.delete(call, _TRIAL_VOLUME)
    try:
        volume = volumes.make_empty(call, _TRIAL_VOLUME)
        volumes.upload(call, volume, [bytes(_TRIAL_BYTES)], _TRIAL_BYTES)
        stamp = parse(volume.XMLDesc(0)).findtext("target/timestamps/mtime")
        ahead_s = float(stamp) - time.time() if stamp else None
    except libvirt.libvirtError as error:
        mend = f"May libvirt write to {path} (owner, mode, AppArmor or SELinux), and is there room?"
        return [Check("permissions", False, f"a trial volume of 1 MiB failed: {error}", mend)]
    finally:
        volumes.delete(call, _TRIAL_VOLUME)
    return [Check("permissions", True, "a trial volume was made, written and deleted"), _clock(ahead_s)]


def _clock(ahead_s: float | None) -> Check:
    if ahead_s is None:
        return Check("clock", True, "not measured: this host reports no time stamps")
    is_ok = abs(ahead_s) <= CLOCK_TOLERANCE_S
    return Check("clock", is_ok, f"the host's clock is {ahead_s:+.1f} s from ours", "Run an NTP client on both.")


def _network(call: Call, config: HostConfig) -> list[Check]:
    require_network(call.connection, config)
    return [Check("network", True, f"'{config.network}' is active")]


def require_network(connection: libvirt.virConnect, config: HostConfig) -> None:
    """Refuse a host whose configured network is missing or not active."""
    network = connection.networkLookupByName(config.network)
    if not network.isActive():
        message = (
            f"Network '{config.network}' on host {config.name} is not active: virsh net-start {config.network}"
        )
        raise HostRefused(message, target=config.name)
