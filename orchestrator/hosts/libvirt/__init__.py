"""libvirt hosts: the Host port's adapter for QEMU and KVM, local or remote."""

from orchestrator.hosts.libvirt.adapter import LibvirtHost
from orchestrator.hosts.libvirt.connections import Deadlines

__all__ = ["Deadlines", "LibvirtHost"]
