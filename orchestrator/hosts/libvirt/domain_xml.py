"""The definition of a guest's domain (https://libvirt.org/formatdomain.html), built as an element tree."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from orchestrator.errors import HostRefused
from orchestrator.hosts.libvirt import filters
from orchestrator.hosts.libvirt.acceleration import Accelerator
from orchestrator.hosts.libvirt.tags import tag_element
from orchestrator.model.guest import Boot, GuestSpec, Nic

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)
# With its devices straight on the root bus (see _place_on_root_bus) q35 boots a Linux guest under TCG in three
# quarters of the time that 'pc' takes, and UEFI firmware wants it anyway.
_MACHINES = {"x86_64": "q35", "aarch64": "virt"}
_FIRST_PCI_SLOT = 2


@dataclass(frozen=True, slots=True)
class GuestPaths:
    """Where a guest's parts are on its host."""

    disk: str
    base: str
    seed: str
    log: str
    kernel: str | None = None
    initrd: str | None = None


def domain_xml(spec: GuestSpec, paths: GuestPaths, accelerator: Accelerator, tb_cache_mib: int) -> str:
    """The whole definition as text for ``virDomainDefineXML``."""
    _check(spec)
    domain = ET.Element("domain", type=accelerator.domain_type)
    _text(domain, "name", spec.name)
    _text(domain, "uuid", spec.owner.vm_uuid)
    ET.SubElement(domain, "metadata").append(tag_element(spec.owner))
    _text(domain, "memory", str(spec.memory_mib), unit="MiB")
    _text(domain, "vcpu", str(spec.vcpus))
    _add_boot(domain, spec, paths, accelerator)
    _add_features(domain, accelerator, tb_cache_mib)
    _add_cpu(domain, spec, accelerator)
    ET.SubElement(domain, "clock", offset="utc")
    _text(domain, "on_poweroff", "destroy")
    _text(domain, "on_reboot", "restart")
    _text(domain, "on_crash", "destroy")
    _add_devices(domain, spec, paths)
    return ET.tostring(domain, encoding="unicode")


def _check(spec: GuestSpec) -> None:
    if not _NAME.fullmatch(spec.name):
        raise HostRefused(f"'{spec.name}' cannot be a domain's name: letters, digits, '.', '_' and '-' only")
    for nic in spec.nics:
        if not _MAC.fullmatch(nic.mac):
            raise HostRefused(f"'{nic.mac}' is not a MAC address")


def _add_boot(domain: ET.Element, spec: GuestSpec, paths: GuestPaths, accelerator: Accelerator) -> None:
    is_uefi = spec.image.boot is Boot.UEFI
    machine = _MACHINES.get(accelerator.arch)
    if machine is None:
        raise HostRefused(f"Guests of architecture {accelerator.arch} are not supported")
    os_element = ET.SubElement(domain, "os")
    if is_uefi:
        os_element.set("firmware", "efi")
    _text(os_element, "type", "hvm", arch=accelerator.arch, machine=machine)
    if spec.image.boot is not Boot.DIRECT_KERNEL:
        ET.SubElement(os_element, "boot", dev="hd")
        return
    for tag, value in (("kernel", paths.kernel), ("initrd", paths.initrd), ("cmdline", spec.image.kernel_cmdline)):
        if value:
            _text(os_element, tag, value)


def _add_cpu(domain: ET.Element, spec: GuestSpec, accelerator: Accelerator) -> None:
    if accelerator.kind == "kvm":
        ET.SubElement(domain, "cpu", mode="host-passthrough")
    elif spec.image.boot is not Boot.DIRECT_KERNEL:
        # Images from elsewhere may want more than QEMU's plainest CPU (x86-64-v2 and up); ours do not, and
        # boot faster without.
        ET.SubElement(domain, "cpu", mode="maximum")


def _add_features(domain: ET.Element, accelerator: Accelerator, tb_cache_mib: int) -> None:
    features = ET.SubElement(domain, "features")
    ET.SubElement(features, "acpi")
    if accelerator.arch == "x86_64":
        ET.SubElement(features, "apic")
    if accelerator.kind == "tcg":
        # QEMU's own default is a gibibyte of translated code per guest.
        _text(ET.SubElement(features, "tcg"), "tb-cache", str(tb_cache_mib), unit="MiB")


def _add_devices(domain: ET.Element, spec: GuestSpec, paths: GuestPaths) -> None:
    devices = ET.SubElement(domain, "devices")
    _add_disk(devices, paths)
    _add_seed(devices, paths)
    for nic in spec.nics:
        _add_nic(devices, nic)
    serial = ET.SubElement(devices, "serial", type="pty")
    ET.SubElement(serial, "log", file=paths.log, append="on")
    console = ET.SubElement(devices, "console", type="pty")
    ET.SubElement(console, "target", type="serial")
    rng = ET.SubElement(devices, "rng", model="virtio")
    _text(rng, "backend", "/dev/urandom", model="random")
    # The balloon device is what makes libvirt's bulk statistics include resident memory.
    ET.SubElement(devices, "memballoon", model="virtio")
    ET.SubElement(devices, "controller", type="usb", model="none")
    ET.SubElement(ET.SubElement(devices, "video"), "model", type="none")
    _place_on_root_bus(devices)


def _add_nic(devices: ET.Element, nic: Nic) -> None:
    interface = ET.SubElement(devices, "interface", type="network")
    ET.SubElement(interface, "mac", address=nic.mac)
    ET.SubElement(interface, "source", network=nic.network)
    ET.SubElement(interface, "model", type="virtio")
    if nic.queues > 1:
        ET.SubElement(interface, "driver", queues=str(nic.queues))
    filters.reference(interface, nic)
    # Guests boot from their disk or kernel; loading the card's network boot program costs time for nothing.
    ET.SubElement(interface, "rom", enabled="no")


def _place_on_root_bus(devices: ET.Element) -> None:
    # libvirt would put each behind a port of its own, for plugging while running, and the guest would go
    # through all those buses as it boots.
    cards = [device for tag in ("interface", "disk", "rng", "memballoon") for device in devices.findall(tag)]
    for slot, card in enumerate(cards, _FIRST_PCI_SLOT):
        ET.SubElement(
            card, "address", type="pci", domain="0x0000", bus="0x00", slot=f"0x{slot:02x}", function="0x0"
        )


def _add_disk(devices: ET.Element, paths: GuestPaths) -> None:
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    # writeback: 'none' wants O_DIRECT, which some file systems of pools do not have. Formats are always
    # named, down the chain: a guest that writes another format's header into its disk gains nothing.
    ET.SubElement(disk, "driver", name="qemu", type="qcow2", cache="writeback", discard="unmap")
    ET.SubElement(disk, "source", file=paths.disk)
    backing = ET.SubElement(disk, "backingStore", type="file")
    ET.SubElement(backing, "format", type="qcow2")
    ET.SubElement(backing, "source", file=paths.base)
    ET.SubElement(backing, "backingStore")
    ET.SubElement(disk, "target", dev="vda", bus="virtio")


def _add_seed(devices: ET.Element, paths: GuestPaths) -> None:
    disk = ET.SubElement(devices, "disk", type="file", device="disk")
    ET.SubElement(disk, "driver", name="qemu", type="raw")
    ET.SubElement(disk, "source", file=paths.seed)
    ET.SubElement(disk, "target", dev="vdb", bus="virtio")
    ET.SubElement(disk, "readonly")


def _text(parent: ET.Element, tag: str, text: str, **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, attributes)
    element.text = text
    return element
