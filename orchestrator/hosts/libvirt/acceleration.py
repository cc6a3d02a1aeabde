"""Whether guests on a host can run on its CPU (KVM) or must be emulated (TCG).

A ``/dev/kvm`` on a CPU without vmx or svm exists inside some clouds' guests: libvirt offers kvm there and the
guest hangs in its firmware. So the CPU's own flags decide, as the far libvirt reports them.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import libvirt

from orchestrator.hosts.libvirt.tags import parse
from orchestrator.model.host import Acceleration

_KVM_DEVICE = Path("/dev/kvm")
_X86_VIRTUALISATION = frozenset({"vmx", "svm"})


@dataclass(frozen=True, slots=True)
class Accelerator:
    """The choice for one host: libvirt's domain type, and why in one phrase."""

    kind: Literal["kvm", "tcg"]
    reason: str
    arch: str

    @property
    def domain_type(self) -> str:
        return "kvm" if self.kind == "kvm" else "qemu"


def choose_accelerator(connection: libvirt.virConnect, uri: str, wanted: Acceleration) -> Accelerator:
    """Decide for one host, once per opening: three round trips at most."""
    capabilities = parse(connection.getCapabilities())
    arch = capabilities.findtext("host/cpu/arch") or "x86_64"
    if wanted != "auto":
        return Accelerator(wanted, "the configuration says so", arch)
    obstacle = (
        _obstacle_in_offer(capabilities, arch)
        or _obstacle_in_cpu(connection, capabilities, arch)
        or (_obstacle_at_device() if is_local(uri) else None)
    )
    if obstacle:
        return Accelerator("tcg", obstacle, arch)
    return Accelerator("kvm", "the CPU has hardware virtualisation and libvirt offers kvm", arch)


def is_local(uri: str) -> bool:
    """Whether the URI names no other machine."""
    return not urlsplit(uri).hostname


def _obstacle_in_offer(capabilities: ET.Element, arch: str) -> str | None:
    offered = capabilities.findall(f"guest/arch[@name='{arch}']/domain[@type='kvm']")
    return None if offered else f"libvirt there offers no kvm for {arch}"


def _obstacle_in_cpu(connection: libvirt.virConnect, capabilities: ET.Element, arch: str) -> str | None:
    if arch not in ("x86_64", "i686"):
        return None  # elsewhere libvirt's offer follows the kernel's and is to be believed
    if _X86_VIRTUALISATION & _cpu_features(connection, capabilities):
        return None
    return "its CPU shows neither vmx nor svm"


def _cpu_features(connection: libvirt.virConnect, capabilities: ET.Element) -> set[str]:
    # The capabilities name a CPU model and what it has beyond it; the baseline of that one CPU, expanded,
    # names the model's own features too.
    cpu = capabilities.find("host/cpu")
    if cpu is None:
        return set()
    expanded = connection.baselineCPU(
        [ET.tostring(cpu, encoding="unicode")], libvirt.VIR_CONNECT_BASELINE_CPU_EXPAND_FEATURES
    )
    features = parse(expanded).findall("feature")
    return {feature.get("name", "") for feature in features if feature.get("policy") not in ("disable", "forbid")}


def _obstacle_at_device() -> str | None:
    if not _KVM_DEVICE.exists():
        return "there is no /dev/kvm"
    try:
        os.close(os.open(_KVM_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        # A daemon that is not root may not open it though libvirt's QEMU may: then libvirt's word stands.
        return None if isinstance(error, PermissionError) else f"/dev/kvm does not open ({error.strerror})"
    return None
