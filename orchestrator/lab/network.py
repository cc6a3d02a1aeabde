"""The lab's wires: named network namespaces, bridges and veth pairs, through netlink.

Work inside a namespace is done by a short-lived thread that enters it: setns(2) moves one thread only, so
the caller never leaves its own namespace and nothing has to be forked.

A namespace of ours says so itself: its ``lo`` carries the lab's folder as its alias. So a lab is found, and a
stranger's namespace of the same name is left alone, even when the lab's record is lost.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pyroute2 import IPRoute, netns
from pyroute2.netlink.exceptions import NetlinkError

from orchestrator.errors import LabError
from orchestrator.lab.layout import NETNS_FOLDER

T = TypeVar("T")

BRIDGE = "fabric"  # in the controller's namespace
HOST_BRIDGE = "br0"  # in each host's namespace; the libvirt network stands on it
UPLINK = "uplink"  # the host's end of its veth pair; the other end bears the host's name

_IFF_UP = 1
_AT_ROOT = 0xFFFFFFFF  # TC_H_ROOT: the qdisc at the top of an interface
_LIBC = ctypes.CDLL(None, use_errno=True)


def names() -> list[str]:
    """All named network namespaces of this machine."""
    return sorted(netns.listnetns())


def inode(name: str) -> int | None:
    """The namespace's identity, as in /proc/PID/ns/net; ``None`` when it is absent or a mere file."""
    try:
        seen = (NETNS_FOLDER / name).stat()
    except FileNotFoundError:
        return None
    # A crash between making the mount point and mounting leaves an ordinary file.
    return seen.st_ino if seen.st_dev == Path("/proc/self/ns/net").stat().st_dev else None


def create(name: str) -> None:
    """Make a named namespace; a half-made one of that name is made anew."""
    if (NETNS_FOLDER / name).exists():
        (NETNS_FOLDER / name).unlink()
    netns.create(name, libc=_LIBC)


def remove(name: str) -> None:
    """Take the name away; the namespace ends with its last process. An absent one is fine."""
    try:
        netns.remove(name, libc=_LIBC)
    except FileNotFoundError:
        return


def inside(name: str, work: Callable[[IPRoute], T]) -> T:
    """Run ``work`` with a netlink socket of that namespace; its exceptions come through."""
    result: list[T] = []
    failure: list[BaseException] = []

    def enter() -> None:
        try:
            netns.setns(name, flags=0, libc=_LIBC)
            with IPRoute() as ip:
                result.append(work(ip))
        except BaseException as error:  # handed to the caller's thread below
            failure.append(error)

    thread = threading.Thread(target=enter, name=f"netns-{name}")
    thread.start()
    thread.join()
    if not failure:
        return result[0]
    if isinstance(failure[0], NetlinkError | OSError):
        raise LabError(f"the kernel refused a change in namespace '{name}': {failure[0]}") from failure[0]
    raise failure[0]


def owner(name: str) -> str | None:
    """The folder of the lab that made this namespace, or ``None`` when it bears no mark."""
    return inside(name, lambda ip: _link(ip, "lo").get("ifalias"))


def is_pristine(name: str) -> bool:
    """Nothing was ever done in it: no interface is up."""
    return inside(name, lambda ip: not any(link["flags"] & _IFF_UP for link in ip.get_links()))


def mark(name: str, folder: Path) -> None:
    """Bring ``lo`` up and let it say whose namespace this is."""
    inside(name, lambda ip: _set(ip, "lo", state="up", ifalias=str(folder)))


def add_bridge(name: str, bridge: str, address: str | None = None, prefix_length: int = 16) -> None:
    """A bridge that forwards at once: spanning tree off, no forward delay. Idempotent.

    It gets a fixed MAC: a bridge otherwise takes the lowest of its ports', and neighbours that learned the
    old one would lose it whenever a host joins.
    """

    def work(ip: IPRoute) -> None:
        if not ip.link_lookup(ifname=bridge):
            mac = _mac_of(f"{name}/{bridge}")
            ip.link("add", ifname=bridge, kind="bridge", br_stp_state=0, br_forward_delay=0, address=mac)
        if address is not None:
            index = _link(ip, bridge)["index"]
            ip.addr("replace", index=index, address=address, prefixlen=prefix_length)
        _set(ip, bridge, state="up")

    inside(name, work)


def add_wire(controller: str, host_end: str, host_namespace: str) -> None:
    """A veth pair from the fabric to a host's bridge. Idempotent; both ends are made in place."""

    def at_controller(ip: IPRoute) -> None:
        if not ip.link_lookup(ifname=host_end):
            peer = {"ifname": UPLINK, "net_ns_fd": host_namespace}
            ip.link("add", ifname=host_end, kind="veth", peer=peer)
        _set(ip, host_end, master=_link(ip, BRIDGE)["index"], state="up")

    def at_host(ip: IPRoute) -> None:
        _set(ip, UPLINK, master=_link(ip, HOST_BRIDGE)["index"], state="up")

    inside(controller, at_controller)
    inside(host_namespace, at_host)


def is_wired(controller: str, host_end: str) -> bool:
    """Whether a host's wire is there and not cut."""
    return inside(controller, lambda ip: any(link["flags"] & _IFF_UP for link in ip.get_links(ifname=host_end)))


def set_wire(controller: str, host_end: str, *, is_up: bool) -> None:
    """Cut a host's wire, or join it again. A wire that is gone raises ``LabError``."""
    inside(controller, lambda ip: _set(ip, host_end, state="up" if is_up else "down"))


def limit_rate(namespace: str, interface: str, kbit: int) -> None:
    """Let an interface send at most this many kbit/s (token bucket, tc-tbf(8)), queueing up to 400 ms."""
    burst = max(kbit * 1000 // 8 // 100, 3200)  # 10 ms worth, at least two full frames

    def work(ip: IPRoute) -> None:
        index = _link(ip, interface)["index"]
        ip.tc("replace", "tbf", index, rate=f"{kbit}kbit", latency="400ms", burst=burst)

    inside(namespace, work)


def delay(namespace: str, interface: str, delay_ms: int) -> None:
    """Hold each frame back this long (tc-netem(8)), where the kernel can."""

    def work(ip: IPRoute) -> None:
        index = _link(ip, interface)["index"]
        try:
            ip.tc("replace", "netem", index, delay=delay_ms * 1000)
        except NetlinkError as error:
            if error.code in (errno.ENOENT, errno.EOPNOTSUPP):
                raise LabError("this kernel has no netem, so frames cannot be delayed; use --kbit") from error
            raise

    inside(namespace, work)


def unlimit(namespace: str, interface: str) -> None:
    """Take rate limit or delay away. None there: nothing to do."""

    def work(ip: IPRoute) -> None:
        try:
            ip.tc("del", index=_link(ip, interface)["index"], parent=_AT_ROOT)
        except NetlinkError as error:
            if error.code != errno.ENOENT:
                raise

    inside(namespace, work)


def inode_of_process(pid: int) -> int | None:
    """The network namespace a process is in, or ``None`` when it is gone."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return None


def _link(ip: IPRoute, name: str) -> dict:  # type: ignore[type-arg]
    found = list(ip.get_links(ifname=name))
    if not found:
        raise LabError(f"there is no interface '{name}' where the lab had one")
    return found[0]  # type: ignore[no-any-return]


def _set(ip: IPRoute, name: str, **attributes: object) -> None:
    ip.link("set", index=_link(ip, name)["index"], **attributes)


def _mac_of(text: str) -> str:
    """A locally administered unicast MAC that is a function of the text."""
    digest = hashlib.sha256(text.encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
