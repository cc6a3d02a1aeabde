"""Where everything of a lab lies and what it is called: pure functions of the lab's name and folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import LabError

LABS_FOLDER = Path("/var/lib/vmss/labs")
IMAGES_FOLDER = Path("/var/lib/vmss/images")
NETNS_FOLDER = Path("/run/netns")  # where iproute2 and pyroute2 keep named network namespaces

CONTROLLER = "controller"
CONTROLLER_ADDRESS = "10.90.0.1"
FABRIC_CIDR = "10.90.0.0/16"
FABRIC_PREFIX_LENGTH = 16
GUESTS_FIRST = "10.90.1.0"
GUESTS_LAST = "10.90.15.255"
PUBLIC_CIDR = "10.91.0.0/24"
PUBLIC_ON_MACHINE = "127.91.0.0/24"
PUBLIC_CIDR_IPV6 = "fd91::/112"
# RFC 1918 and RFC 4193: nothing else is in the controller's namespace.
SUBNETS_IN = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8")

POOL = "vmss"
NETWORK = "fabric"
POOL_MOUNT = Path("/var/lib/libvirt/images")  # the distribution's own folder for pools: AppArmor knows it
POOL_TARGET = POOL_MOUNT / POOL  # one below the file system's root, so that lost+found is no volume
FILL_FILE = POOL_MOUNT / "filled-by-the-lab"

MAX_HOSTS = 32
# A Unix socket's address holds 107 characters (unix(7)).
MAX_SOCKET_PATH = 107

_LAB_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}")
_HOST_SUFFIX = re.compile(r"-h[0-9]+$")


@dataclass(frozen=True, slots=True)
class HostLayout:
    """One lab host's names and folders. ``number`` counts from 1 and is the lab's only order."""

    lab: LabLayout
    number: int

    @property
    def name(self) -> str:
        return f"h{self.number}"

    @property
    def namespace(self) -> str:
        return f"{self.lab.namespace}-{self.name}"

    @property
    def folder(self) -> Path:
        return self.lab.folder / "hosts" / self.name

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "libvirt-sock"

    @property
    def pool_image(self) -> Path:
        return self.folder / "pool.ext4"

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.socket}"


@dataclass(frozen=True, slots=True)
class LabLayout:
    """A lab's names and folders."""

    name: str
    root: Path = LABS_FOLDER

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.root.is_absolute():
            raise LabError(f"the labs' folder must be an absolute path, not '{self.root}'")
        if len(str(self.host(MAX_HOSTS).socket)) > MAX_SOCKET_PATH:
            raise LabError(f"the path '{self.root}' is too long for the lab's Unix sockets; choose a shorter one")

    @property
    def namespace(self) -> str:
        return f"vmss-{self.name}"

    @property
    def folder(self) -> Path:
        return self.root / self.name

    @property
    def record(self) -> Path:
        return self.folder / "lab.json"

    @property
    def config(self) -> Path:
        return self.folder / "vmssd.yaml"

    def host(self, number: int) -> HostLayout:
        return HostLayout(self, number)

    def host_of_namespace(self, namespace: str) -> HostLayout | None:
        """The host a namespace's name belongs to, or ``None`` when it is none of this lab's host names."""
        found = re.fullmatch(re.escape(self.namespace) + r"-h([1-9][0-9]*)", namespace)
        return self.host(int(found[1])) if found else None


def check_name(name: str) -> None:
    """Refuse a lab name that would not fit or could be taken for another lab's host (``a-h1``)."""
    if not _LAB_NAME.fullmatch(name):
        raise LabError(
            f"'{name}' is no name for a lab: a small letter, then at most 15 small letters, digits or hyphens"
        )
    if _HOST_SUFFIX.search(name):
        raise LabError(f"'{name}' is no name for a lab: an ending like '-h1' names a lab's host")
