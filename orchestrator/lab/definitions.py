"""What each lab host's libvirt is told: the pool ``vmss`` and the network ``fabric``. Idempotent."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element, SubElement, tostring

import libvirt

from orchestrator.errors import LabError
from orchestrator.lab.layout import NETWORK, POOL, POOL_TARGET, HostLayout
from orchestrator.lab.network import HOST_BRIDGE

Say = Callable[[str], None]


def define(host: HostLayout, say: Say) -> None:
    """Define and start pool and network on a host whose libvirtd answers."""
    try:
        connection = libvirt.open(host.uri)
        try:
            _ensure_pool(connection, host, say)
            _ensure_network(connection, host, say)
        finally:
            connection.close()
    except libvirt.libvirtError as error:
        raise LabError(f"libvirt of {host.name} refused: {error.get_error_message()}") from error


def learn_capabilities(host: HostLayout) -> None:
    """Let libvirt ask QEMU what it can (over a second, kept in its cache) now and not at the first guest."""
    try:
        connection = libvirt.open(host.uri)
        try:
            connection.getCapabilities()
        finally:
            connection.close()
    except libvirt.libvirtError as error:
        raise LabError(f"libvirt of {host.name} refused: {error.get_error_message()}") from error


def pool_xml() -> str:
    """A directory pool (https://libvirt.org/formatstorage.html)."""
    pool = Element("pool", type="dir")
    SubElement(pool, "name").text = POOL
    target = SubElement(pool, "target")
    SubElement(target, "path").text = str(POOL_TARGET)
    permissions = SubElement(target, "permissions")
    SubElement(permissions, "mode").text = "0711"
    return tostring(pool, encoding="unicode")


def network_xml() -> str:
    """A network on a bridge that is there already (https://libvirt.org/formatnetwork.html)."""
    network = Element("network")
    SubElement(network, "name").text = NETWORK
    SubElement(network, "forward", mode="bridge")
    SubElement(network, "bridge", name=HOST_BRIDGE)
    return tostring(network, encoding="unicode")


def _ensure_pool(connection: libvirt.virConnect, host: HostLayout, say: Say) -> None:
    known = {pool.name(): pool for pool in connection.listAllStoragePools()}
    pool = known.get(POOL)
    if pool is None:
        say(f"{host.name}: pool {POOL}")
        pool = connection.storagePoolDefineXML(pool_xml())
    if not pool.isActive():
        pool.create(libvirt.VIR_STORAGE_POOL_CREATE_WITH_BUILD)
    pool.setAutostart(1)


def _ensure_network(connection: libvirt.virConnect, host: HostLayout, say: Say) -> None:
    known = {network.name(): network for network in connection.listAllNetworks()}
    network = known.get(NETWORK)
    if network is None:
        say(f"{host.name}: network {NETWORK}")
        network = connection.networkDefineXML(network_xml())
    if not network.isActive():
        network.create()
    network.setAutostart(1)
