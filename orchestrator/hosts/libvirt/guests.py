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
from orchestrator.hosts.libvirt import images, volumes
from orchestrator.hosts.libvirt.acceleration import Accelerator
from orchestrator.hosts.libvirt.domain_xml import GuestPaths, domain_xml
from orchestrator.hosts.libvirt.errors import ABSENT_DOMAIN, WRONG_STATE, is_code
from orchestrator.hosts.libvirt.links import Abandoned, Call
from orchestrator.hosts.libvirt.tags import owner_of_domain
from orchestrator.model.guest import GuestSpec, Owner

_UNDEFINE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)
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
    domain = _find_domain(call, spec.owner)
    if domain is None:
        with ExitStack() as undo:
            _start(_make(call, spec, around, undo))
            undo.pop_all()
        return
    found = owner_of_domain(domain)
    if found != spec.owner:
        raise HostRefused(
            f"Domain {spec.owner.vm_uuid} on host {around.host} is {_named(found)}", target=around.host
        )
    _start(domain)


def _make(call: Call, spec: GuestSpec, around: Surroundings, undo: ExitStack) -> libvirt.virDomain:
    present = volumes.names(call)
    _require_image(spec, around, present)
    _require_no_other_generation(spec.owner, around, present)
    volumes.require_room(call, around.host, len(spec.seed_iso))
    paths = _paths(spec, around)
    _hold_disk(call, spec, paths, present, undo)
    _hold_seed(call, spec, present, undo)
    if spec.owner.log_volume not in present:
        _make_undoable(call, spec.owner.log_volume, undo)
        volumes.make_empty(call, spec.owner.log_volume)
    definition = domain_xml(spec, paths, around.accelerator, around.tb_cache_mib)
    domain = call.connection.defineXML(definition)
    undo.callback(_undefine_quietly, call, domain)
    call.check()
    return domain


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


def _paths(spec: GuestSpec, around: Surroundings) -> GuestPaths:
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
            return
        volumes.delete(call, name)
    _make_undoable(call, name, undo)
    size = spec.image.virtual_size_bytes if spec.disk_gib is None else spec.disk_gib * _GIB
    volumes.make_overlay(call, name, paths.base, size)


def _hold_seed(call: Call, spec: GuestSpec, present: set[str], undo: ExitStack) -> None:
    name = spec.owner.seed_volume
    if name in present:
        volumes.delete(call, name)
    _make_undoable(call, name, undo)
    volumes.upload(call, volumes.make_empty(call, name), [spec.seed_iso], len(spec.seed_iso))


def _make_undoable(call: Call, name: str, undo: ExitStack) -> None:
    undo.callback(volumes.delete_quietly, call, name)


def start(call: Call, owner: Owner, around: Surroundings) -> None:
    _start(_require_domain(call, owner, around))


def restart(call: Call, owner: Owner, around: Surroundings) -> None:
    domain = _require_domain(call, owner, around)
    _destroy(domain)
    call.check()
    _start(domain)


def shut_down(call: Call, owner: Owner) -> None:
    domain = _find_own(call, owner)
    if domain is None:
        return
    try:
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
    except libvirt.libvirtError as error:
        if not _is_over(error):
            raise


def power_off(call: Call, owner: Owner) -> None:
    domain = _find_own(call, owner)
    if domain is not None:
        _destroy(domain)


def undefine(call: Call, owner: Owner) -> None:
    domain = _find_own(call, owner)
    if domain is not None:
        _undefine(domain)


def remove(call: Call, owner: Owner) -> None:
    """Domain first: a volume is deleted only when nothing of ours can write to it any more."""
    undefine(call, owner)
    backups = [f"{owner.log_volume}.{number}" for number in range(_LOG_BACKUPS)]
    for name in (owner.seed_volume, owner.disk_volume, owner.log_volume, *backups):
        volumes.delete(call, name)


def _find_domain(call: Call, owner: Owner) -> libvirt.virDomain | None:
    try:
        return call.connection.lookupByUUIDString(owner.vm_uuid)
    except libvirt.libvirtError as error:
        if is_code(error, ABSENT_DOMAIN):
            return None
        raise


def _find_own(call: Call, owner: Owner) -> libvirt.virDomain | None:
    """The domain if it is of exactly this owner; another generation's counts as absent."""
    domain = _find_domain(call, owner)
    try:
        return domain if domain is not None and owner_of_domain(domain) == owner else None
    except libvirt.libvirtError as error:
        if is_code(error, ABSENT_DOMAIN):
            return None
        raise


def _require_domain(call: Call, owner: Owner, around: Surroundings) -> libvirt.virDomain:
    domain = _find_own(call, owner)
    if domain is None:
        message = f"Host {around.host} has no domain of instance {owner.instance_id}, generation {owner.generation}"
        raise HostRefused(message, target=around.host)
    return domain


def _start(domain: libvirt.virDomain) -> None:
    if domain.isActive():
        return
    try:
        domain.create()
    except libvirt.libvirtError as error:
        # Started meanwhile? The same code also says that its network is not active.
        if not (is_code(error, WRONG_STATE) and domain.isActive()):
            raise


def _destroy(domain: libvirt.virDomain) -> None:
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if not _is_over(error):
            raise


def _undefine(domain: libvirt.virDomain) -> None:
    _destroy(domain)
    try:
        domain.undefineFlags(_UNDEFINE)
    except libvirt.libvirtError as error:
        if not is_code(error, ABSENT_DOMAIN):
            raise


def _is_over(error: libvirt.libvirtError) -> bool:
    """Whether it says that the domain runs no more, or is not there at all."""
    return is_code(error, WRONG_STATE) or is_code(error, ABSENT_DOMAIN)


def _undefine_quietly(call: Call, domain: libvirt.virDomain) -> None:
    """While undoing, the first error is the one to report; and a call given up must not undo a later one."""
    try:
        call.check()
        _undefine(domain)
    except (libvirt.libvirtError, Abandoned):
        return


def _named(owner: Owner | None) -> str:
    return "not ours" if owner is None else f"of generation {owner.generation} and must be removed first"
