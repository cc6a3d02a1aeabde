"""Whatever is accepted is kept: what is written out reads back as the same, and secrets stay where they belong."""

from __future__ import annotations

from typing import Any

from arm_bodies import HEALTH, HOSTS, PPG, PROBE, SCRIPT, Json, extension_profile, full_path, with_values
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import BadInput
from orchestrator.model.arm.merge import merge_body
from orchestrator.model.arm.mutability import check_patchable
from orchestrator.model.arm.scale_set import parse_scale_set
from orchestrator.model.arm.views import public_view
from orchestrator.model.arm.write_only import join_secrets, split_secrets
from orchestrator.model.scale_set import ScaleSet

SECRET = "c2VjcmV0"  # base64, so that customData takes it too
FLAG = st.sampled_from([True, False, "true", "False"])
_SECRET_SCRIPT = {**SCRIPT, "settings": {}, "protectedSettings": {"commandToExecute": SECRET}}
_PERCENT = st.integers(5, 100)
_SECONDS = st.integers(0, 86_400).map(lambda seconds: f"PT{seconds}S")
_ROLLING = st.fixed_dictionaries(
    {},
    optional={
        "maxBatchInstancePercent": _PERCENT,
        "MAXUNHEALTHYINSTANCEPERCENT": _PERCENT.map(str),
        "maxUnhealthyUpgradedInstancePercent": st.integers(0, 100),
        "pauseTimeBetweenBatches": _SECONDS,
        "enableCrossZoneUpgrade": FLAG,
        "maxSurge": FLAG,
        "rollbackModelOnPolicyBreach": FLAG,
        "canaryInstanceCount": st.integers(0, 1000),
        "canaryPause": _SECONDS,
    },
)
_ROOM: dict[str, st.SearchStrategy[Any]] = {
    "sku.capacity": st.integers(0, 100),
    "zones": st.sampled_from([[], ["1"], ["1", "2", "3"]]),
    "p.orchestrationMode": st.sampled_from(["Uniform", "flexible"]),
    "p.platformFaultDomainCount": st.sampled_from([None, 1, 5]),
    "p.singlePlacementGroup": FLAG,
    "p.overprovision": FLAG,
    "p.proximityPlacementGroup": st.sampled_from([None, {"id": PPG}]),
    "p.hostGroup": st.sampled_from([None, {"ID": HOSTS}]),
}
_REST: dict[str, st.SearchStrategy[Any]] = {
    "tags": st.dictionaries(st.sampled_from("abc"), st.text(max_size=9), max_size=3),
    "plan": st.just({"name": "p", "promotionCode": "x"}),
    "identity": st.sampled_from([{"type": "none"}, {"userAssignedIdentities": {}}]),
    "placement": st.just({}),
    "p.upgradePolicy": st.fixed_dictionaries(
        {}, optional={"mode": st.sampled_from(["rolling", "Manual", "AUTOMATIC"]), "rollingUpgradePolicy": _ROLLING}
    ),
    "p.externalHealthProbe": st.just(PROBE),
    "p.busyProbe": st.sampled_from([{"port": 80}, {"protocol": "HTTPS", "port": "443", "deadline": "PT30S"}]),
    "p.scaleInPolicy": st.fixed_dictionaries({"rules": st.sampled_from([["OldestVM"], ["default"]])}),
    "p.resiliencyPolicy": st.sampled_from(
        [{}, {"resilientVMDeletionPolicy": {"enabled": True}}, {"zoneAllocationPolicy": {"enabled": False}}]
    ),
    "p.additionalCapabilities": st.fixed_dictionaries({}, optional={"hibernationEnabled": FLAG}),
    "p.skuProfile": st.just({}),
    "vm.osProfile.customData": st.just(SECRET),
    "vm.osProfile.secrets": st.just([]),
    "vm.osProfile.linuxConfiguration": st.just({"patchSettings": {"patchMode": "imagedefault"}}),
    "vm.storageProfile.dataDisks": st.just([]),
    "vm.storageProfile.osDisk": st.fixed_dictionaries(
        {}, optional={"diskSizeGB": st.integers(1, 99), "caching": st.sampled_from(["none", "ReadOnly"])}
    ),
    "vm.billingProfile": st.sampled_from([{}, {"maxPrice": -1}, {"maxPrice": -1.0}]),
    "vm.extensionProfile": st.sampled_from(
        [{}, extension_profile(a=_SECRET_SCRIPT, b={**SCRIPT, "provisionAfterExtensions": ["A"]}, c=HEALTH)]
    ),
    "vm.scheduledEventsProfile": st.just({"terminateNotificationProfile": {"notBeforeTimeout": "PT300S"}}),
}
VALUES = st.fixed_dictionaries({}, optional=_ROOM | _REST)


def _fitting(values: Json) -> Json:
    """Without what contradicts the rest, as the model itself names it: most draws would say nothing otherwise."""
    while True:
        try:
            parse_scale_set(with_values(values), name="web")
            return values
        except BadInput as error:
            wrong = {detail.target or "" for detail in error.details} or {error.target or ""}
            fewer = {
                path: value
                for path, value in values.items()
                if not any(f"{target}.".startswith(f"{full_path(path)}.") for target in wrong)
            }
            assert len(fewer) < len(values), error.message
            values = fewer


BODIES = VALUES.map(_fitting).map(with_values)


@settings(max_examples=300)
@given(BODIES)
def test_what_is_accepted_reads_back_as_the_same(body: Json) -> None:
    once = parse_scale_set(body, name="web").to_json()
    assert parse_scale_set(once, name="web").to_json() == once


def _given(value: Any) -> Any:
    """As it would be compared: names and words in any case, texts for truths, numbers by their amount."""
    if isinstance(value, dict):
        return {key.lower(): _given(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_given(inner) for inner in value]
    return str(value).lower().removesuffix(".0")


def _lies_in(part: Any, whole: Any, path: str = "") -> list[str]:
    """The paths of what was given and is not there."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return [each for name, inner in part.items() for each in _lies_in(inner, whole.get(name), f"{path}.{name}")]
    if isinstance(part, list) and isinstance(whole, list) and len(part) == len(whole):
        return [each for one, two in zip(part, whole, strict=True) for each in _lies_in(one, two, path)]
    return [] if part == whole or path.rsplit(".", 1)[-1] in _DURATIONS else [path]


_DURATIONS = {"pausetimebetweenbatches", "canarypause", "notbeforetimeout"}


@settings(max_examples=300)
@given(BODIES)
def test_nothing_that_is_accepted_is_dropped(body: Json) -> None:
    kept = parse_scale_set(body, name="web").to_json()
    assert _lies_in(_given(body), _given(kept)) == []


@settings(max_examples=300)
@given(BODIES)
def test_no_view_shows_what_is_write_only_and_nothing_of_it_is_lost(body: Json) -> None:
    model = parse_scale_set(body, name="web").to_json()
    public, hidden = split_secrets(model)
    record = ScaleSet("0123456789ab", "sub", "rg", "web", "local", public, hidden)
    shown = str(public_view(record, "Succeeded"))
    assert SECRET not in shown and "protectedSettings" not in shown and "customData" not in shown
    assert (SECRET in str(body)) == bool(hidden)
    assert join_secrets(public, hidden) == model


@settings(max_examples=100)
@given(BODIES)
def test_what_is_shown_and_sent_back_changes_nothing(body: Json) -> None:
    """Clients read, change one member, and send all of it: by PUT or PATCH."""
    old = parse_scale_set(body, name="web")
    public, hidden = split_secrets(old.to_json())
    shown = public_view(ScaleSet("0123456789ab", "sub", "rg", "web", "local", public, hidden), "Succeeded")
    members = {name: value for name, value in shown.items() if name not in {"name", "id", "type", "etag"}}
    new = parse_scale_set(merge_body(old.to_json(), members), name="web")
    check_patchable(old, new)
    assert new.to_json() == old.to_json()
