"""What the kernel keeps of a host for a moment, or for good, after its last process has ended."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.lab import processes
from orchestrator.lab.shell import run

_LOOP_TIMEOUT_S = 5.0
_APPARMOR_REMOVE = Path("/sys/kernel/security/apparmor/.remove")


def free_loop_devices(folder: Path) -> None:
    """Wait until no loop device stands on a file below this folder.

    The kernel frees one with its last mount, a little after the last process. One that lingers (nothing
    holds it any more) is detached by hand.
    """
    try:
        processes.wait_until(lambda: not loop_devices(folder), _LOOP_TIMEOUT_S, "loop devices were not freed")
    except LabError:
        for device in loop_devices(folder):
            run(["losetup", "--detach", device])


def loop_devices(folder: Path) -> list[str]:
    """The loop devices that stand on files below a folder, deleted ones too."""
    found = []
    for backing in Path("/sys/block").glob("loop*/loop/backing_file"):
        with suppress(OSError):  # freed meanwhile
            if Path(backing.read_text(encoding="utf-8").strip()).is_relative_to(folder):
                found.append(f"/dev/{backing.parent.parent.name}")
    return found


def unload_profiles(folder: Path, remove: Path = _APPARMOR_REMOVE) -> None:
    """Take out of the kernel the AppArmor profiles that libvirt made for guests which were killed.

    libvirt removes a guest's profile (``libvirt-UUID``) when it stops the guest itself; the lab pulls plugs.
    """
    for profile in sorted(folder.glob("hosts/*/apparmor/libvirt-*")):
        if not profile.suffix and remove.exists():
            with suppress(OSError):  # it is not loaded
                remove.write_text(profile.name, encoding="utf-8")
