"""One lab host: a real libvirtd in namespaces of its own.

A *holder* (a sleeping process) is pid 1 of the host's process namespace and keeps its mount, network and host-name
namespaces alive. Killing the holder ends libvirtd, virtlogd and every QEMU of that host in one stroke, and with the
last of them the mounts and the loop device go; nothing can be left over. It ignores SIGCHLD, so the kernel reaps
what libvirt's daemons orphan.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import stat
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from orchestrator.lab import leftovers, processes
from orchestrator.lab.layout import NETNS_FOLDER, POOL_MOUNT, HostLayout
from orchestrator.lab.processes import HOST_MARK, LAB_MARK
from orchestrator.lab.shell import run

Say = Callable[[str], None]

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 10.0
_FURNISHED = "run/furnished-by-vmss"  # in the host's own /run: made last, gone with the host

# The host's own folder below the lab's <- where libvirt looks for it.
_BINDS = {
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "etc": "/etc/libvirt",
    "log": "/var/log/libvirt",
    "cache": "/var/cache/libvirt",
}
_APPARMOR_PROFILES = Path("/etc/apparmor.d/libvirt")
_KVM = Path("/dev/kvm")
_SECURITYFS = Path("/sys/kernel/security/apparmor")

# No cgroups: the lab's guests must leave nothing in the machine's /sys/fs/cgroup. No mount namespace for each
# guest: the host has one already, and libvirt cannot carry its own /dev/kvm over. The security driver is not
# named: libvirt takes AppArmor where the machine has it.
_QEMU_CONF = "cgroup_controllers = [ ]\nnamespaces = [ ]\n"
DAEMONS = ("virtlogd", "libvirtd")  # in the order of their start


def start(host: HostLayout, say: Say) -> psutil.Process:
    """Bring a host with its files up to two running daemons; what is done is skipped. Returns its holder."""
    holder = _furnished_holder(host)
    if holder is None:
        # Half furnished, by a crash: a new one is quicker and surer than to find out how far it got.
        stop(host)
        _empty(host.folder / "run")  # as a machine's own /run after a restart
        say(f"{host.name}: namespaces")
        holder = _start_holder(host)
        say(f"{host.name}: mounts")
        _furnish(host, holder)
    start_daemons(host, holder, say)
    return holder


def stop(host: HostLayout) -> None:
    """End everything that runs on a host, at once, as by pulling its plug. Its files stay."""
    processes.end((each for each, name in processes.marked(host.lab.folder) if name == host.name), _STOP_TIMEOUT_S)
    leftovers.free_loop_devices(host.folder)  # else the next start could mount the pool beside the last


def start_daemons(host: HostLayout, holder: psutil.Process, say: Say) -> None:
    """Start virtlogd and libvirtd unless they run, and wait until libvirtd listens."""
    for daemon in DAEMONS:
        if processes.daemon_of(holder, daemon) is None:
            say(f"{host.name}: {daemon}")
            argv = [daemon, "--daemon", "--pid-file", f"/run/libvirt/{daemon}.pid"]
            run(entering(holder, argv), env=_mark(host))
    processes.wait_until(
        lambda: _is_listening(host.socket), _START_TIMEOUT_S, f"{host.name}: libvirtd did not listen"
    )


def entering(holder: psutil.Process, argv: Sequence[str]) -> list[str]:
    """The command that runs ``argv`` as a process of that host."""
    return ["nsenter", "--target", str(holder.pid), "--net", "--mount", "--pid", "--uts", "--", *argv]


def inside_path(holder: psutil.Process, path: Path) -> Path:
    """A path of the host's own file system, as seen from outside."""
    return Path(f"/proc/{holder.pid}/root") / path.relative_to("/")


def prepare_files(host: HostLayout, pool_gib: int, say: Say) -> None:
    """The host's folders, its libvirt settings and its pool's file system in a sparse file."""
    for folder in _BINDS:
        (host.folder / folder).mkdir(parents=True, exist_ok=True)
    (host.folder / "lib" / "images").mkdir(exist_ok=True)
    _write_settings(host)
    if not host.pool_image.exists():
        say(f"{host.name}: file system of {pool_gib} GiB for the pool")
        draft = host.pool_image.with_suffix(".new")
        with draft.open("wb") as image:
            image.truncate(pool_gib * 1024**3)
        options = "lazy_itable_init=1,lazy_journal_init=1"
        run(["mkfs.ext4", "-q", "-F", "-m", "0", "-J", "size=16", "-E", options, str(draft)])
        draft.rename(host.pool_image)


def _write_settings(host: HostLayout) -> None:
    """libvirt's settings: ours alone, and the distribution's network filters."""
    etc = host.folder / "etc"
    # Without this all hosts would share the machine's own UUID, and libvirt takes them for one.
    host_uuid = uuid.uuid5(uuid.NAMESPACE_URL, f"vmss-lab:{host.folder}")
    (etc / "qemu.conf").write_text(_QEMU_CONF, encoding="utf-8")
    # Whoever may write to these sockets is root on the host: root alone, and so no further question is asked.
    settings = {"host_uuid": host_uuid, "auth_unix_rw": "none", "unix_sock_rw_perms": "0700"}
    settings |= {"unix_sock_ro_perms": "0700", "unix_sock_admin_perms": "0700"}
    lines = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
    (etc / "libvirtd.conf").write_text(lines, encoding="utf-8")
    (etc / "virtlogd.conf").touch()
    filters = Path("/etc/libvirt/nwfilter")
    if filters.is_dir() and not (etc / "nwfilter").exists():
        shutil.copytree(filters, etc / "nwfilter")
    if _APPARMOR_PROFILES.is_dir() and not (host.folder / "apparmor").exists():
        shutil.copytree(_APPARMOR_PROFILES, host.folder / "apparmor")


def _mark(host: HostLayout) -> dict[str, str]:
    return {LAB_MARK: str(host.lab.folder), HOST_MARK: host.name}


def _furnished_holder(host: HostLayout) -> psutil.Process | None:
    holder = processes.find_holder(host.lab.folder, host.name)
    return holder if holder and inside_path(holder, Path("/") / _FURNISHED).exists() else None


def _start_holder(host: HostLayout) -> psutil.Process:
    """Start the sleeper in new namespaces, as nobody's child, so that it outlives us and needs no waiting."""
    argv = ["nsenter", f"--net={NETNS_FOLDER / host.namespace}", "setsid", "--fork"]
    argv += ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--mount-proc", "--uts"]
    argv += ["env", "--ignore-signal=CHLD", "sleep", "infinity"]
    run(argv, env=_mark(host))
    found: list[psutil.Process] = []

    def is_there() -> bool:
        holder = processes.find_holder(host.lab.folder, host.name)
        if holder is not None and holder.name() == "sleep":
            found.append(holder)
        return bool(found)

    processes.wait_until(is_there, _START_TIMEOUT_S, f"the namespaces of {host.name} did not come up")
    return found[0]


def _furnish(host: HostLayout, holder: psutil.Process) -> None:
    """Give the host its own view of the file system. In this order: /run is covered by an empty one first.

    The empty /run hides the machine's system bus too, so libvirt does not register the lab's guests with the
    machine's systemd, and the mount points of other namespaces, so it does not keep them alive.
    """
    _mount(holder, "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    inside_path(holder, Path("/run/libvirt")).mkdir()
    for folder, target in _binds(host):
        _mount(holder, "--bind", str(host.folder / folder), target)
    _mount(holder, "-t", "sysfs", "sysfs", "/sys")  # the old one shows the machine's own interfaces
    if _SECURITYFS.is_dir():
        _mount(holder, "-t", "securityfs", "securityfs", "/sys/kernel/security")
    _furnish_kvm(holder)
    # discard: what is deleted in the pool gives the sparse file's room back to the machine.
    _mount(holder, "-o", "loop,discard", str(host.pool_image), str(POOL_MOUNT))
    run(entering(holder, ["hostname", host.name]))
    inside_path(holder, Path("/") / _FURNISHED).touch()


def _furnish_kvm(holder: psutil.Process) -> None:
    """Give the host a /dev/kvm of its own: one that QEMU's user may open, or one that nobody can use.

    libvirt forgets what it learned of a QEMU that found KVM when its user may not open /dev/kvm, and asks
    it anew ten times over at each start of a guest: six seconds. So what QEMU finds must be what its user
    is allowed; and where the processor has no virtualization, a /dev/kvm (of some clouds) only misleads.
    """
    if not _KVM.exists():
        return
    own = inside_path(holder, Path("/run/kvm"))
    if is_kvm_usable():
        os.mknod(own, stat.S_IFCHR, _KVM.stat().st_rdev)
        own.chmod(0o666)
    else:
        own.touch(0o000)
    _mount(holder, "--bind", "/run/kvm", str(_KVM))


def is_kvm_usable() -> bool:
    """Whether the processor can virtualize. On x86 it says so by a flag; elsewhere /dev/kvm is word enough."""
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    return platform.machine() not in ("x86_64", "i686") or "vmx" in flags or "svm" in flags


def _empty(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            shutil.rmtree(each)
        else:
            each.unlink()


def _is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def _binds(host: HostLayout) -> list[tuple[str, str]]:
    binds = list(_BINDS.items())
    if (host.folder / "apparmor").is_dir():
        binds.append(("apparmor", str(_APPARMOR_PROFILES)))
    return binds


def _mount(holder: psutil.Process, *arguments: str) -> None:
    run(entering(holder, ["mount", *arguments]))
