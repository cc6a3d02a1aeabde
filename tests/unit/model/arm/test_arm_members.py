"""No member is accepted and ignored: each is acted on, kept or refused with a reason, and told in the docs."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
from members import Member, members_of

from orchestrator.errors import BadInput, NotPossible
from orchestrator.model.arm.base import ArmEnum, Only, Refused
from orchestrator.model.arm.scale_set import parse_scale_set
from orchestrator.model.arm.stored_only import STORED_ONLY
from orchestrator.plan.inputs import Cost
from orchestrator.plan.upgrade_cost import difference

Json = dict[str, Any]
DIFFERENCES = (Path(__file__).parents[4] / "docs" / "azure-differences.md").read_text(encoding="utf-8")
MEMBERS = list(members_of())
MARKED = [pytest.param(each, id=each.short) for each in MEMBERS if each.marker]


def section(heading: str) -> str:
    return DIFFERENCES.split(f"\n## {heading}\n", 1)[1].split("\n## ")[0]


def rows(heading: str) -> list[list[str]]:
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def whole() -> Json:
    """A body in which every array of objects has one element to put a member into."""
    subnet = {"id": "/providers/Vmss.Local/addressSpaces/fabric"}
    ip = {"name": "ip", "properties": {"subnet": subnet, "publicIPAddressConfiguration": {"name": "public"}}}
    card = {"name": "nic", "properties": {"ipConfigurations": [ip]}}
    script = {
        "publisher": "Microsoft.Azure.Extensions",
        "type": "CustomScript",
        "typeHandlerVersion": "2.1",
        "settings": {"commandToExecute": "true"},
    }
    image = {"publisher": "vmss", "offer": "micro", "sku": "1"}
    profile = {
        "storageProfile": {"imageReference": image},
        "networkProfile": {"networkInterfaceConfigurations": [card]},
        "extensionProfile": {"extensions": [{"name": "run", "properties": script}]},
    }
    return {
        "location": "local",
        "sku": {"name": "Lab_Micro", "capacity": 1},
        "properties": {"virtualMachineProfile": profile},
    }


def holding(path: str, value: Any) -> Json:
    body = copy.deepcopy(whole())
    *parents, last = path.split(".")
    place: Any = body
    for name in parents:
        key = name.removesuffix("[]")
        place = place.setdefault(key, [{}] if name.endswith("[]") else {})
        place = place[0] if name.endswith("[]") else place
    place[last] = value
    return body


def shown(path: str, value: Any) -> Any:
    found: Any = parse_scale_set(holding(path, value), name="web").to_json()
    for name in path.split("."):
        found = found[name.removesuffix("[]")]
        found = found[0] if name.endswith("[]") else found
    return found


def asking(marker: Only | Refused) -> Any:
    """A value that asks for something: the other word, the other truth, anything at all."""
    if isinstance(marker, Refused):
        return {"id": "/x", "enabled": True}
    [allowed, *_] = marker.values
    if isinstance(allowed, ArmEnum):
        return next(each.value for each in type(allowed) if each not in marker.values)
    return not allowed if isinstance(allowed, bool) else allowed + 1


@pytest.mark.parametrize("member", MARKED)
def test_a_member_that_is_not_done_is_refused_by_its_full_name_and_with_the_reason(member: Member) -> None:
    assert member.marker
    with pytest.raises(NotPossible) as caught:
        parse_scale_set(holding(member.path, asking(member.marker)), name="web")
    assert caught.value.target == member.path.replace("[]", "[0]")
    assert member.marker.why in caught.value.message


@pytest.mark.parametrize("member", MARKED)
def test_the_same_member_is_kept_as_given_where_it_asks_for_nothing(member: Member) -> None:
    values = member.marker.values if isinstance(member.marker, Only) else (False, [], {}, {"enabled": False})
    for value in values:
        assert shown(member.path, value) == value


# A word for each member that is kept only; those of names and texts take any.
KEPT = {
    "tags": {"a": "b"},
    "restoreTimeout": "PT1H",
    "zonalPlatformFaultDomainAlignMode": "BestEffortAligned",
    "caching": "ReadWrite",
    "storageAccountType": "Premium_LRS",
    "osType": "Linux",
    "diskControllerType": "NVMe",
    "networkApiVersion": "2022-11-01",
    "notBeforeTimeout": "PT15M",
    "tier": "Basic",
    "dnsServers": ["10.0.0.4"],
    "idleTimeoutInMinutes": 10,
}
_NETWORK = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network"
_IDS = {
    "networkSecurityGroup": f"{_NETWORK}/networkSecurityGroups/n",
    "loadBalancerBackendAddressPools[]": f"{_NETWORK}/loadBalancers/b/backendAddressPools/p",
    "loadBalancerInboundNatPools[]": f"{_NETWORK}/loadBalancers/b/inboundNatPools/p",
    "applicationGatewayBackendAddressPools[]": f"{_NETWORK}/applicationGateways/g/backendAddressPools/p",
}
_FLAGS = (
    "enableAcceleratedNetworking",
    "enabled",
    "enableVMAgentPlatformUpdates",
    "autoUpgradeMinorVersion",
    "enableAutomaticUpgrade",
)


def _a_value(path: str) -> tuple[Any, ...]:
    *_, parent, name = ("", *path.split("."))
    if name == "id":
        return (_IDS[parent],)
    return (True, False) if name in _FLAGS else (KEPT.get(name, "word"),)


@pytest.mark.parametrize("path", STORED_ONLY)
def test_what_is_kept_only_is_given_back_as_it_was_given(path: str) -> None:
    for value in _a_value(path):
        assert shown(path, value) == value


@pytest.mark.parametrize("path", [path for path in STORED_ONLY if path.startswith("properties.virtual")])
def test_a_change_of_what_is_kept_only_never_stops_an_instance(path: str) -> None:
    """Whoever corrects a word that has no effect must not have every disk made anew for it."""
    is_emptied = path.endswith((".name", "[].id")) or "networkSecurityGroup" in path
    before = whole() if is_emptied else holding(path, None)
    models = [parse_scale_set(body, name="web").to_json() for body in (before, holding(path, _a_value(path)[0]))]
    assert difference(*models).cost in (Cost.NOTHING, Cost.IN_PLACE)


def test_what_is_kept_only_is_a_member_that_is_not_refused() -> None:
    assert STORED_ONLY.keys() <= {each.path for each in MEMBERS if each.marker is None}


def test_the_docs_tell_what_is_kept_only_and_why() -> None:
    told = {name: row[1] for row in rows("Kept and shown only") for name in codes(row[0])}
    assert told == {each.short: STORED_ONLY[each.path] for each in MEMBERS if each.path in STORED_ONLY}


def _accepted(marker: Only | Refused) -> list[str]:
    if isinstance(marker, Refused):
        return []
    return [
        str(value).lower() if isinstance(value, bool) else f"{value:.0f}" if isinstance(value, float) else value
        for value in marker.values
    ]


def test_the_docs_tell_what_is_refused_what_of_it_is_accepted_and_why() -> None:
    told = {name: (codes(row[1]), row[2].lower()) for row in rows("Refused") for name in codes(row[0])}
    marked = {each.short: each.marker for each in MEMBERS if each.marker}
    assert told == {name: (_accepted(marker), marker.why.lower()) for name, marker in marked.items()}


def test_the_docs_name_every_member_that_is_acted_on() -> None:
    told = set(re.findall(r"\w+", " ".join(codes(section("Acted on") + section("Our own")))))
    acted_on = {each.name for each in MEMBERS if not each.marker and each.path not in STORED_ONLY}
    assert acted_on - told == set()


def test_the_walk_sees_arrays_and_all_depths() -> None:
    paths = {each.path for each in MEMBERS}
    cards = "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations[]"
    assert f"{cards}.properties.ipConfigurations[].properties.subnet.id" in paths
    assert len(MEMBERS) > 140


@pytest.mark.parametrize("kind", ["Premium_ZRS", "UltraSSD_LRS", "PremiumV2_LRS"])
def test_a_kind_of_disk_that_promises_what_is_not_there_is_refused(kind: str) -> None:
    path = "properties.virtualMachineProfile.storageProfile.osDisk.managedDisk.storageAccountType"
    with pytest.raises(BadInput) as caught:
        parse_scale_set(holding(path, kind), name="web")
    assert caught.value.target == path
