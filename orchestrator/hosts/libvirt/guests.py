"""Making, stopping and removing one guest: a volume pair, a serial log and a domain.

These functions block; they run in a call's thread. Order is what makes them safe to repeat: volumes before the
definition, the definition before the start. So a domain that is defined has whole volumes, and without one
the seed is written anew while a whole overlay is kept (it may be a deallocated guest's disk).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import libvirt

from orchestrator.errors import HostRefused
from orchestrator.hosts.libvirt import domains, filters, images, volumes
from orchestrator.hosts.libvirt.acceleration import Accelerator
from orchestrator.hosts.libvirt.domain_xml import GuestPaths, domain_xml
from orchestrator.hosts.libvirt.links import Call
from orchestrator.model.guest import GuestSpec, Owner

# virtlogd keeps this many rotated predecessors of a log (its max_backups).
_LOG_BACKUPS = 3
_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a host adds to every guest made on it."""

    host: str
    installation: str
    pool_path: str
    accelerator: Accelerator
    tb_cache_mib: int


def create(call: Call, spec: GuestSpec, around: Surroundings) -> None:
    """Complete this guest from whatever is there of it, and start it."""
    domain = domains.find_to_make(call, spec.owner, around.host)
    if domain is not None:
        domains.start(domain)
        return
    with ExitStack() as undo:
        domains.start(_make(call, spec, around, undo))
        undo.pop_all()


def _make(call: Call, spec: GuestSpec, around: Surroundings, undo: ExitStack) -> libvirt.virDomain:
    present = volumes.names(call)
    require_ground(spec, around, present)
    if spec.owner.copying_volume in present:
        message = f"The disk of {spec.name} was copied to host {around.host} only in part; copy it again"
        raise HostRefused(message, target=around.host)
    volumes.require_room(call, around.host, len(spec.seed_iso))
    paths = paths_of(spec, around)
    _hold_disk(call, spec, paths, present, undo)
    _hold_seed(call, spec, present, undo)
    if spec.owner.log_volume not in present:
        _make_undoable(call, spec.owner.log_volume, undo)
        volumes.make_empty(call, spec.owner.log_volume)
    filters.hold(call, [nic.filter for nic in spec.nics if nic.filter is not None])
    definition = domain_xml(spec, paths, around.accelerator, around.tb_cache_mib)
    domain = call.connection.defineXML(definition)
    undo.callback(domains.undefine_quietly, call, domain)
    call.check()
    return domain


def require_ground(spec: GuestSpec, around: Surroundings, present: set[str]) -> None:
    """What a guest's disk stands on: its image is held, and no other generation of it is left."""
    _require_image(spec, around, present)
    _require_no_other_generation(spec.owner, around, present)


def _require_image(spec: GuestSpec, around: Surroundings, present: set[str]) -> None:
    if not images.is_held(present, images.parts(around.installation, spec.image)):
        message = f"Host {around.host} does not hold image {spec.image.disk_sha256[:16]}, which {spec.name} needs"
        raise HostRefused(message, target=around.host)
    if spec.disk_gib is not None and spec.disk_gib * _GIB < spec.image.virtual_size_bytes:
        raise HostRefused(
            f"A disk of {spec.disk_gib} GiB is smaller than the image of {spec.name}", target=around.host
        )


def _require_no_other_generation(owner: Owner, around: Surroundings, present: set[str]) -> None:
    for name in present:
        other = Owner.of_volume(name)
        if other and other.vm_uuid == owner.vm_uuid and other != owner:
            raise HostRefused(f"{name} of another generation is still on host {around.host}", target=around.host)


def paths_of(spec: GuestSpec, around: Surroundings) -> GuestPaths:
    """Where a guest's parts are, or will be, on this host."""

    def path(name: str | None) -> str | None:
        return f"{around.pool_path}/{name}" if name else None

    owner, image = spec.owner, spec.image
    return GuestPaths(
        disk=f"{around.pool_path}/{owner.disk_volume}",
        base=f"{around.pool_path}/{images.disk_volume(around.installation, image)}",
        seed=f"{around.pool_path}/{owner.seed_volume}",
        log=f"{around.pool_path}/{owner.log_volume}",
        kernel=path(images.kernel_volume(around.installation, image)),
        initrd=path(images.initrd_volume(around.installation, image)),
    )


def _hold_disk(call: Call, spec: GuestSpec, paths: GuestPaths, present: set[str], undo: ExitStack) -> None:
    name = spec.owner.disk_volume
    if name in present:
        earlier = volumes.find(call, name)
        if earlier is not None and volumes.is_whole_overlay(earlier):
            if spec.disk_gib is not None:
                volumes.grow(earlier, spec.disk_gib * _GIB)
            return
        volumes.delete(call, name)
    _make_undoable(call, name, undo)
    volumes.make_overlay(call, name, paths.base, disk_bytes(spec))


def disk_bytes(spec: GuestSpec) -> int:
    """The virtual size that a new disk of this guest gets."""
    return spec.image.virtual_size_bytes if spec.disk_gib is None else spec.disk_gib * _GIB


def _hold_seed(call: Call, spec: GuestSpec, present: set[str], undo: ExitStack) -> None:
    name = spec.owner.seed_volume
    if name in present:
        volumes.delete(call, name)
    _make_undoable(call, name, undo)
    volumes.upload(call, volumes.make_empty(call, name), [spec.seed_iso], len(spec.seed_iso))


def _make_undoable(call: Call, name: str, undo: ExitStack) -> None:
    undo.callback(volumes.delete_quietly, call, name)


def start(call: Call, owner: Owner, around: Surroundings) -> None:
    domains.start(domains.require(call, owner, around.host))


def restart(call: Call, owner: Owner, around: Surroundings) -> None:
    domain = domains.require(call, owner, around.host)
    domains.destroy(domain)
    call.check()
    domains.drop_saved(domain)
    call.check()
    domains.start(domain)


def shut_down(call: Call, owner: Owner) -> None:
    domain = domains.find_own(call, owner)
    if domain is None:
        return
    try:
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
    except libvirt.libvirtError as error:
        if not domains.is_over(error):
            raise


def power_off(call: Call, owner: Owner) -> None:
    domain = domains.find_own(call, owner)
    if domain is not None:
        domains.destroy(domain)
        call.check()
        domains.drop_saved(domain)


def undefine(call: Call, owner: Owner) -> None:
    domain = domains.find_own(call, owner)
    if domain is not None:
        domains.undefine(domain)


def remove(call: Call, owner: Owner) -> None:
    """Domain first: a volume is deleted only when nothing of ours can write to it any more. The marker of a
    half-copied disk goes after that disk."""
    undefine(call, owner)
    backups = [f"{owner.log_volume}.{number}" for number in range(_LOG_BACKUPS)]
    for name in (owner.seed_volume, owner.disk_volume, owner.copying_volume, owner.log_volume, *backups):
        volumes.delete(call, name)
