"""The domain definition says what the guest needs and nothing that a name could smuggle in."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from orchestrator.errors import HostRefused
from orchestrator.hosts.libvirt.acceleration import Accelerator
from orchestrator.hosts.libvirt.domain_xml import GuestPaths, domain_xml
from orchestrator.hosts.libvirt.facts import read_facts
from orchestrator.hosts.libvirt.filters import filter_xml
from orchestrator.hosts.libvirt.tags import owner_in
from orchestrator.model.guest import Boot, FilterRule, GuestFilter, GuestSpec, ImageFiles, Nic, Owner

TCG = Accelerator("tcg", "", "x86_64")
KVM = Accelerator("kvm", "", "x86_64")
IMAGE = ImageFiles(
    "/i/disk", "a" * 64, 1 << 30, Boot.DIRECT_KERNEL, "/i/k", "b" * 64, "/i/r", "c" * 64, "quiet <&>"
)
PATHS = GuestPaths(disk="/p/d", base="/p/b", seed="/p/s", log="/p/l", kernel="/p/k", initrd="/p/i")
SPEC = GuestSpec(
    Owner("0a0b0c0d", "0123456789ab", 3, 2), "web_3", 2, 96, IMAGE, b"", (Nic("52:54:00:00:00:03", "fabric"),)
)


def build(spec: GuestSpec = SPEC, accelerator: Accelerator = TCG) -> ET.Element:
    return ET.fromstring(domain_xml(spec, PATHS, accelerator, 64))


def test_the_definition_carries_the_owner_and_reads_back() -> None:
    facts = read_facts(domain_xml(SPEC, PATHS, TCG, 64))
    assert facts.owner == SPEC.owner
    assert facts.name == SPEC.name
    assert build().findtext("uuid") == SPEC.owner.vm_uuid
    assert owner_in(ET.fromstring("<domain><metadata/></domain>")) is None


def test_a_damaged_tag_makes_nobody_an_owner() -> None:
    domain = build()
    tag = domain.find("metadata")[0]
    tag.set("generation", "two")
    assert owner_in(domain) is None
    del tag.attrib["generation"]
    assert owner_in(domain) is None


def test_emulated_guests_have_a_small_translation_cache_and_kvm_guests_the_hosts_cpu() -> None:
    emulated, accelerated = build(accelerator=TCG), build(accelerator=KVM)
    assert emulated.get("type") == "qemu"
    assert emulated.findtext("features/tcg/tb-cache") == "64"
    assert emulated.find("cpu") is None
    assert accelerated.get("type") == "kvm"
    assert accelerated.find("features/tcg") is None
    assert accelerated.find("cpu").get("mode") == "host-passthrough"


def test_a_direct_kernel_is_booted_with_its_command_line() -> None:
    os_element = build().find("os")
    assert [os_element.findtext(tag) for tag in ("kernel", "initrd", "cmdline")] == ["/p/k", "/p/i", "quiet <&>"]
    assert os_element.find("boot") is None


@pytest.mark.parametrize(("boot", "firmware"), [(Boot.BIOS, None), (Boot.UEFI, "efi")])
def test_other_images_boot_from_their_disk(boot: Boot, firmware: str | None) -> None:
    domain = build(replace(SPEC, image=replace(IMAGE, boot=boot)))
    assert domain.find("os").get("firmware") == firmware
    assert domain.find("os/boot").get("dev") == "hd"
    assert domain.find("os/kernel") is None
    assert domain.find("cpu").get("mode") == "maximum"


def test_every_disk_format_is_named_and_the_chain_is_closed() -> None:
    disk, seed = build().findall("devices/disk")
    assert [each.find("driver").get("type") for each in (disk, seed)] == ["qcow2", "raw"]
    assert disk.find("backingStore/format").get("type") == "qcow2"
    assert disk.find("backingStore/backingStore") is not None
    assert seed.find("readonly") is not None


def test_no_two_cards_share_a_slot() -> None:
    slots = [address.get("slot") for address in build().findall("devices/*/address")]
    assert len(slots) == len(set(slots)) == 5


def test_guests_end_when_they_power_off_or_crash_and_come_back_when_they_reboot() -> None:
    domain = build()
    assert [domain.findtext(f"on_{event}") for event in ("poweroff", "reboot", "crash")] == [
        "destroy",
        "restart",
        "destroy",
    ]


@pytest.mark.parametrize("name", ["", "a/b", "a b", "<x/>", "-rm", "a" * 200, "a\n"])
def test_a_name_that_is_no_domain_name_is_refused(name: str) -> None:
    with pytest.raises(HostRefused):
        build(replace(SPEC, name=name))


@pytest.mark.parametrize("mac", ["", "52:54:00:00:00", "52:54:00:00:00:0g", "52:54:00:00:00:03'/>"])
def test_a_mac_that_is_none_is_refused(mac: str) -> None:
    with pytest.raises(HostRefused):
        build(replace(SPEC, nics=(Nic(mac, "fabric"),)))


def test_an_architecture_without_a_machine_type_is_refused() -> None:
    with pytest.raises(HostRefused, match="riscv64"):
        build(accelerator=Accelerator("tcg", "", "riscv64"))


def test_a_networks_name_stays_text() -> None:
    domain = build(replace(SPEC, nics=(Nic("52:54:00:00:00:03", "x'/><evil a='"),)))
    assert domain.find("devices/interface/source").get("network") == "x'/><evil a='"
    assert domain.find(".//evil") is None


def test_every_card_is_an_interface_with_its_filter_and_its_own_addresses() -> None:
    guard = GuestFilter("vmss-0a0b0c0d-set-card")
    first = Nic("02:54:00:00:00:03", "fabric", ("10.1.0.4", "fd20::4"), queues=4, filter=guard)
    interfaces = build(replace(SPEC, nics=(first, Nic("02:54:00:00:00:04", "fabric")))).findall("devices/interface")
    assert [each.find("mac").get("address") for each in interfaces] == ["02:54:00:00:00:03", "02:54:00:00:00:04"]
    assert interfaces[0].find("driver").get("queues") == "4"
    told = interfaces[0].find("filterref")
    assert told.get("filter") == guard.name
    assert [(each.get("name"), each.get("value")) for each in told] == [
        ("IP", "10.1.0.4"),
        ("IPV6", "fd20::4"),
        ("IPV6", "fe80::54:ff:fe00:3"),
    ]
    assert interfaces[1].find("filterref") is None
    assert interfaces[1].find("driver") is None


def test_a_filter_says_each_part_of_a_rule_and_keeps_their_order() -> None:
    rules = (
        FilterRule("in", "accept", "tcp", 4, source="10.1.0.0/16", target_ports=(80, 90), state="NEW"),
        FilterRule("in", "accept", "icmp", 6, icmp_type=135),
        FilterRule("inout", "drop", "all", 6),
    )
    made = ET.fromstring(filter_xml(GuestFilter("name", rules)))
    told = [each for each in made.findall("rule") if int(each.get("priority", "0")) > 0]
    assert [each[0].tag for each in told] == ["tcp", "icmpv6", "all-ipv6"]
    assert [int(each.get("priority")) for each in told] == [1, 2, 3]
    assert told[0][0].attrib == {
        "srcipaddr": "10.1.0.0",
        "srcipmask": "16",
        "dstportstart": "80",
        "dstportend": "90",
        "state": "NEW",
    }
    assert [each.get("statematch") for each in told] == [None, "false", "false"]
    assert made.findtext("uuid") == ET.fromstring(filter_xml(GuestFilter("name"))).findtext("uuid")
