"""One guest's domain: found by its owner, started, saved, stopped and forgotten.

Note [Old memory]: a saved image goes on from the moment it was taken, on the disk of that moment. libvirt deletes
it when it has resumed from it; a libvirtd that dies between the two leaves one that must never be used again. So
whatever finds a guest running, or stops it, drops the image.

These functions block; they run in a call's thread.
"""

from __future__ import annotations

import libvirt

from orchestrator.errors import HostRefused
from orchestrator.hosts.libvirt.errors import ABSENT_DOMAIN, WRONG_STATE, is_code
from orchestrator.hosts.libvirt.links import Abandoned, Call
from orchestrator.hosts.libvirt.tags import owner_of_domain
from orchestrator.model.guest import Owner

_UNDEFINE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)
_KIB = 1024


def find(call: Call, owner: Owner) -> libvirt.virDomain | None:
    """The domain with this owner's UUID, whoever's and of whatever generation it is."""
    try:
        return call.connection.lookupByUUIDString(owner.vm_uuid)
    except libvirt.libvirtError as error:
        if is_code(error, ABSENT_DOMAIN):
            return None
        raise


def find_own(call: Call, owner: Owner) -> libvirt.virDomain | None:
    """The domain if it is of exactly this owner; another generation's counts as absent."""
    domain = find(call, owner)
    try:
        return domain if domain is not None and owner_of_domain(domain) == owner else None
    except libvirt.libvirtError as error:
        if is_code(error, ABSENT_DOMAIN):
            return None
        raise


def require(call: Call, owner: Owner, host: str) -> libvirt.virDomain:
    """The domain of exactly this owner; ``HostRefused`` without it."""
    domain = find_own(call, owner)
    if domain is None:
        message = f"Host {host} has no domain of instance {owner.instance_id}, generation {owner.generation}"
        raise HostRefused(message, target=host)
    return domain


def find_to_make(call: Call, owner: Owner, host: str) -> libvirt.virDomain | None:
    """What is defined already of a guest to be made; ``HostRefused`` when another has its UUID."""
    domain = find(call, owner)
    if domain is None:
        return None
    found = owner_of_domain(domain)
    if found != owner:
        raise HostRefused(f"Domain {owner.vm_uuid} on host {host} is {_named(found)}", target=host)
    return domain


def _named(owner: Owner | None) -> str:
    return "not ours" if owner is None else f"of generation {owner.generation} and must be removed first"


def start(domain: libvirt.virDomain) -> None:
    """Have it run: resumed where it has saved memory, else booted."""
    if domain.isActive():
        drop_saved(domain)  # see Note [Old memory]
        return
    try:
        domain.create()
    except libvirt.libvirtError as error:
        # Started meanwhile? The same code also says that its network is not active.
        if not (is_code(error, WRONG_STATE) and domain.isActive()):
            raise


def memory_bytes(call: Call, owner: Owner, host: str) -> int:
    """How much memory its guest has: what saving may have to write."""
    return int(require(call, owner, host).maxMemory()) * _KIB


def save(call: Call, owner: Owner, host: str) -> None:
    """Save its memory and power it off (virDomainManagedSave). Saved already: nothing to do."""
    domain = require(call, owner, host)
    if domain.isActive():
        call.check()
        # However it was paused, it is to run when it is resumed.
        domain.managedSave(libvirt.VIR_DOMAIN_SAVE_RUNNING)
    elif not domain.hasManagedSaveImage(0):
        message = f"Instance {owner.instance_id} does not run on host {host}: it has no memory to save"
        raise HostRefused(message, target=host)


def drop_saved(domain: libvirt.virDomain) -> None:
    """Delete its saved memory, if it has any."""
    try:
        if domain.hasManagedSaveImage(0):
            domain.managedSaveRemove(0)
    except libvirt.libvirtError as error:
        if not is_code(error, ABSENT_DOMAIN):
            raise


def destroy(domain: libvirt.virDomain) -> None:
    """Pull the plug; one that is off or absent is no error."""
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if not is_over(error):
            raise


def undefine(domain: libvirt.virDomain) -> None:
    """Stop and forget it, with its saved memory and firmware variables."""
    destroy(domain)
    try:
        domain.undefineFlags(_UNDEFINE)
    except libvirt.libvirtError as error:
        if not is_code(error, ABSENT_DOMAIN):
            raise


def undefine_quietly(call: Call, domain: libvirt.virDomain) -> None:
    """While undoing, the first error is the one to report; and a call given up must not undo a later one."""
    try:
        call.check()
        undefine(domain)
    except (libvirt.libvirtError, Abandoned):
        return


def is_over(error: libvirt.libvirtError) -> bool:
    """Whether it says that the domain runs no more, or is not there at all."""
    return is_code(error, WRONG_STATE) or is_code(error, ABSENT_DOMAIN)
