"""Network filters of guests' cards, as libvirt has them (https://libvirt.org/formatnwfilter.html).

Each begins with rules against false addresses; those of security groups follow. All are of one chain: the
distribution's own filters against false addresses have five, and taking those down delays the news of a guest's
death by a quarter of a second. A filter's UUID is a function of its name: defining it again changes it for guests
that run.
"""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterable

import libvirt

from orchestrator.hosts.libvirt.links import Call
from orchestrator.model.guest import FilterRule, GuestFilter, Nic

# What leaves a guest says that it comes from its own addresses, on each layer, and is no answer of a router or of a
# DHCP server; nothing of other kinds leaves, tagged frames (802.1Q) among them, in which an address cannot be seen.
_TRUTHFUL: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("drop", "mac", {"match": "no", "srcmacaddr": "$MAC"}),
    ("accept", "arp", {"arpsrcmacaddr": "$MAC", "arpsrcipaddr": "$IP"}),
    ("drop", "arp", {}),
    ("drop", "ip", {"protocol": "udp", "srcportstart": "67", "srcportend": "67"}),
    ("accept", "ip", {"srcipaddr": "$IP"}),
    ("drop", "ip", {}),
    ("drop", "ipv6", {"protocol": "udp", "srcportstart": "547", "srcportend": "547"}),
    ("drop", "ipv6", {"protocol": "icmpv6", "type": "134"}),
    ("accept", "ipv6", {"srcipaddr": "$IPV6"}),
    ("drop", "mac", {}),
)
_FIRST_PRIORITY = -500  # the rules of the address layers, in their order, are before all others
_ELEMENTS = {
    (4, "all"): "all",
    (4, "tcp"): "tcp",
    (4, "udp"): "udp",
    (4, "icmp"): "icmp",
    (4, "esp"): "esp",
    (4, "ah"): "ah",
    (6, "all"): "all-ipv6",
    (6, "tcp"): "tcp-ipv6",
    (6, "udp"): "udp-ipv6",
    (6, "icmp"): "icmpv6",
    (6, "esp"): "esp-ipv6",
    (6, "ah"): "ah-ipv6",
}


def filter_xml(wanted: GuestFilter) -> str:
    """The definition as text for ``virNWFilterDefineXML``."""
    made = ET.Element("filter", name=wanted.name, chain="root")
    ET.SubElement(made, "uuid").text = str(uuid.uuid5(uuid.NAMESPACE_URL, f"vmss:filter/{wanted.name}"))
    for priority, (action, layer, match) in enumerate(_TRUTHFUL, _FIRST_PRIORITY):
        element = ET.SubElement(made, "rule", action=action, direction="out", priority=str(priority))
        ET.SubElement(element, layer, match)
    for priority, rule in enumerate(wanted.rules, 1):
        _add_rule(made, rule, priority)
    return ET.tostring(made, encoding="unicode")


def _add_rule(made: ET.Element, rule: FilterRule, priority: int) -> None:
    element = ET.SubElement(made, "rule", action=rule.action, direction=rule.direction, priority=str(priority))
    match = ET.SubElement(element, _ELEMENTS[rule.version, rule.protocol])
    for end, network in (("src", rule.source), ("dst", rule.target)):
        if network is not None:
            address, _, length = network.partition("/")
            match.set(f"{end}ipaddr", address)
            match.set(f"{end}ipmask", length)
    for end, ports in (("src", rule.source_ports), ("dst", rule.target_ports)):
        if ports is not None:
            match.set(f"{end}portstart", str(ports[0]))
            match.set(f"{end}portend", str(ports[1]))
    if rule.icmp_type is not None:
        match.set("type", str(rule.icmp_type))
    if rule.state is not None:
        match.set("state", rule.state)
    else:  # or libvirt would ask for a connection, which neighbour discovery has not
        element.set("statematch", "false")


def reference(interface: ET.Element, nic: Nic) -> None:
    """That a card goes through its filter, with the addresses that are its own."""
    if nic.filter is None:
        return
    element = ET.SubElement(interface, "filterref", filter=nic.filter.name)
    addresses = [("IPV6" if ":" in each else "IP", each) for each in nic.addresses]
    for name, value in (*addresses, ("IPV6", link_local(nic.mac))):
        ET.SubElement(element, "parameter", name=name, value=value)


def link_local(mac: str) -> str:
    """The address that a card gives itself (RFC 4291, appendix A)."""
    first, *rest = (int(part, 16) for part in mac.split(":"))
    octets = [first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]]
    words = [f"{octets[each] << 8 | octets[each + 1]:x}" for each in range(0, 8, 2)]
    return "fe80::" + ":".join(words)


def hold(call: Call, wanted: Iterable[GuestFilter]) -> None:
    """Define them, or change them where they are."""
    for each in wanted:
        call.connection.nwfilterDefineXML(filter_xml(each))


def change(call: Call, wanted: Iterable[GuestFilter], installation: str) -> None:
    """Change those of these that are there; drop the installation's others that no guest goes through."""
    by_name = {each.name: each for each in wanted}
    for there in call.connection.listAllNWFilters():
        name = there.name()
        if name in by_name:
            call.connection.nwfilterDefineXML(filter_xml(by_name[name]))
        elif name.startswith(f"vmss-{installation}-"):
            _drop(there)


def _drop(there: libvirt.virNWFilter) -> None:
    try:
        there.undefine()
    except libvirt.libvirtError as error:
        if error.get_error_code() not in {libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_NWFILTER}:
            raise
