from __future__ import annotations

import base64
import copy
import json
from typing import Any

import pytest

from orchestrator.errors import BadInput, NotPossible
from orchestrator.model.arm.rules import health_source
from orchestrator.model.arm.scale_set import parse_scale_set

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKB6OUqLIjcTMVS7XGMn3q5OZZ8Jw3BbY8W4rFZVnHqX me@here"
SCRIPT = {
    "publisher": "Microsoft.Azure.Extensions",
    "type": "CustomScript",
    "typeHandlerVersion": "2.1",
    "settings": {"commandToExecute": "true"},
}
HEALTH = {
    "publisher": "Microsoft.ManagedServices",
    "type": "ApplicationHealthLinux",
    "typeHandlerVersion": "1.0",
    "settings": {"protocol": "tcp", "port": 80},
}

Json = dict[str, Any]


def body() -> Json:
    return {
        "location": "local",
        "sku": {"name": "Lab_Micro", "capacity": 3},
        "properties": {
            "virtualMachineProfile": {
                "storageProfile": {"imageReference": {"publisher": "vmss", "offer": "micro", "sku": "1"}},
            }
        },
    }


def at(path: str, value: Any, start: Json | None = None) -> Json:
    """The body with one value put at a path; ``vm.`` stands for the profile's path."""
    made = copy.deepcopy(start or body())
    *parents, last = path.replace("vm.", "properties.virtualMachineProfile.", 1).split(".")
    place = made
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = value
    return made


def refused(given: Json, kind: type[BadInput] = BadInput) -> BadInput:
    with pytest.raises(kind) as caught:
        parse_scale_set(given, name="web")
    assert type(caught.value) is kind
    return caught.value


def test_the_smallest_body_is_filled_with_defaults_that_a_reader_can_see() -> None:
    made = parse_scale_set(body(), name="Web_Front").to_json()
    properties = made["properties"]
    assert made["sku"] == {"name": "Lab_Micro", "tier": "Standard", "capacity": 3}
    assert properties["upgradePolicy"] == {"mode": "Manual"}
    assert properties["scaleInPolicy"]["rules"] == ["Default"]
    assert properties["overprovision"] is False
    profile = properties["virtualMachineProfile"]
    assert profile["storageProfile"]["imageReference"]["version"] == "latest"
    assert profile["storageProfile"]["osDisk"] == {"createOption": "FromImage", "osType": "Linux"}
    assert profile["osProfile"]["computerNamePrefix"] == "web-front"
    assert profile["extensionProfile"]["extensionsTimeBudget"] == "PT1H30M"


def test_what_is_written_out_reads_back_as_the_same() -> None:
    given = at("properties.automaticRepairsPolicy", {"enabled": True, "gracePeriod": "PT30S"})
    given = at("vm.extensionProfile", {"extensions": [{"name": "h", "properties": HEALTH}]}, given)
    once = parse_scale_set(given, name="web")
    assert parse_scale_set(once.to_json(), name="web").to_json() == once.to_json()


def test_names_and_words_are_read_in_any_case_and_written_in_azures() -> None:
    given = at("PROPERTIES", body()["properties"])
    del given["properties"]
    given["PROPERTIES"] |= {"upgradepolicy": {"MODE": "manual"}, "ScaleInPolicy": {"RULES": ["oldestvm"]}}
    made = parse_scale_set(given, name="web").to_json()["properties"]
    assert made["upgradePolicy"] == {"mode": "Manual"}
    assert made["scaleInPolicy"]["rules"] == ["OldestVM"]


def test_text_stands_for_numbers_and_truth_where_clients_send_it_so() -> None:
    given = at("properties.singlePlacementGroup", "True", at("sku.capacity", "7"))
    made = parse_scale_set(given, name="web")
    assert made.sku.capacity == 7
    assert made.properties.single_placement_group is True


@pytest.mark.parametrize("value", [True, 1.5, "many", "1e3", [], "٣", "--5", "-", "9" * 30])
def test_what_is_no_whole_number_is_not_taken_for_one(value: Any) -> None:
    assert refused(at("sku.capacity", value)).target == "sku.capacity"


@pytest.mark.parametrize("value", [1, "yes", [], {}])
def test_what_is_not_true_or_false_is_not_taken_for_it(value: Any) -> None:
    assert refused(at("properties.overprovision", value)).target == "properties.overprovision"


def test_every_unknown_member_is_named_at_once_with_what_may_have_been_meant() -> None:
    given = at("vm.osProfile.adminUsernam", "x", at("properties.zoneBalances", False, at("plant", {"name": "p"})))
    error = refused(given)
    assert error.code == "BadRequest"
    assert {detail.target for detail in error.details} == {
        "plant",
        "properties.zoneBalances",
        "properties.virtualMachineProfile.osProfile.adminUsernam",
    }
    assert "Did you mean adminUsername?" in error.message


def test_unknown_members_and_wrong_values_are_told_together() -> None:
    error = refused(at("nonsense", 1, at("sku.capacity", -1)))
    assert [detail.code for detail in error.details] == ["InvalidParameter", "BadRequest"]


def test_a_member_in_two_spellings_is_refused_and_not_guessed() -> None:
    given = at("sku", {"name": "Lab_Micro", "capacity": 1, "Capacity": 9})
    assert "twice" in refused(given).message


def test_read_only_members_that_clients_send_back_are_left_aside() -> None:
    given = body() | {"id": "/x", "type": "t", "etag": '"1"', "systemData": {}, "name": "WEB"}
    given["properties"] |= {"provisioningState": "Succeeded", "uniqueId": "u", "timeCreated": "t"}
    assert parse_scale_set(given, name="web").to_json() == parse_scale_set(body(), name="web").to_json()


def test_a_null_is_a_member_that_is_not_given() -> None:
    given = at("properties.singlePlacementGroup", None, at("tags", None))
    assert parse_scale_set(given, name="web").to_json() == parse_scale_set(body(), name="web").to_json()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (
            "properties.upgradePolicy",
            {"automaticOSUpgradePolicy": {"osRollingUpgradeDeferral": True}},
        ),
        ("properties.additionalCapabilities", {"ultraSSDEnabled": True}),
        ("properties.resiliencyPolicy", {"zoneAllocationPolicy": {"maxZoneCount": 2}}),
        ("vm.priority", "Spot"),
        ("vm.osProfile.adminPassword", "Secret-1234"),
        ("vm.osProfile.linuxConfiguration", {"disablePasswordAuthentication": False}),
        ("vm.extensionProfile", {"extensions": [{"name": "x", "properties": {**SCRIPT, "type": "Other"}}]}),
    ],
)
def test_what_azure_knows_and_this_version_does_not_do_is_said_to_be_so(path: str, value: Any) -> None:
    error = refused(at(path, value), NotPossible)
    assert error.code == "OperationNotAllowed"
    assert "Secret-1234" not in error.message


@pytest.mark.parametrize(
    ("path", "value", "target"),
    [
        ("location", 5, "location"),
        ("sku", None, "sku"),
        ("sku.capacity", 1001, "sku.capacity"),
        ("sku.tier", "Gold", "sku.tier"),
        ("zones", ["1", "1"], "zones"),
        ("zones", "1", "zones"),
        ("tags", {"a": 1}, "tags.a"),
        ("tags", {"a": "1", "A": "2"}, "tags"),
        ("tags", {str(n): "x" for n in range(51)}, "tags"),
        ("tags", {"<": "x"}, "tags"),
        ("properties.platformFaultDomainCount", 6, "properties.platformFaultDomainCount"),
        ("properties.scaleInPolicy", {"rules": []}, "properties.scaleInPolicy.rules"),
        ("properties.scaleInPolicy", {"rules": ["Default", "OldestVM"]}, "properties.scaleInPolicy.rules"),
        (
            "properties.automaticRepairsPolicy",
            {"gracePeriod": "PT0S"},
            "properties.automaticRepairsPolicy.gracePeriod",
        ),
        (
            "properties.automaticRepairsPolicy",
            {"gracePeriod": "PT91M"},
            "properties.automaticRepairsPolicy.gracePeriod",
        ),
        (
            "properties.automaticRepairsPolicy",
            {"gracePeriod": "soon"},
            "properties.automaticRepairsPolicy.gracePeriod",
        ),
        ("properties.automaticRepairsPolicy", {"enabled": True}, "properties.automaticRepairsPolicy.enabled"),
        ("properties.externalHealthProbe", {"protocol": "udp"}, "properties.externalHealthProbe.protocol"),
        ("properties.busyProbe", {"port": 0}, "properties.busyProbe.port"),
        ("properties.busyProbe", {"port": 80, "requestPath": "busy"}, "properties.busyProbe.requestPath"),
        ("properties.busyProbe", {"port": 80, "deadline": "PT0S"}, "properties.busyProbe.deadline"),
        ("properties.externalHealthProbe", {"protocol": "tcp"}, "properties.externalHealthProbe.port"),
        (
            "vm.osProfile.computerNamePrefix",
            "a" * 16,
            "properties.virtualMachineProfile.osProfile.computerNamePrefix",
        ),
        ("vm.osProfile.computerNamePrefix", "-a", "properties.virtualMachineProfile.osProfile.computerNamePrefix"),
        ("vm.osProfile.adminUsername", "Root", "properties.virtualMachineProfile.osProfile.adminUsername"),
        ("vm.osProfile.adminUsername", "a b", "properties.virtualMachineProfile.osProfile.adminUsername"),
        ("vm.osProfile.adminUsername", "a" * 33, "properties.virtualMachineProfile.osProfile.adminUsername"),
        ("vm.osProfile.customData", "%%%", "properties.virtualMachineProfile.osProfile.customData"),
        (
            "vm.osProfile.customData",
            base64.b64encode(b"x" * 65_536).decode(),
            "properties.virtualMachineProfile.osProfile.customData",
        ),
        (
            "vm.storageProfile.imageReference",
            {"offer": "micro"},
            "properties.virtualMachineProfile.storageProfile.imageReference",
        ),
        (
            "vm.storageProfile.imageReference",
            {"id": "micro"},
            "properties.virtualMachineProfile.storageProfile.imageReference.id",
        ),
        (
            "vm.storageProfile.osDisk",
            {"diskSizeGB": 0},
            "properties.virtualMachineProfile.storageProfile.osDisk.diskSizeGB",
        ),
        ("vm.networkProfile", {}, "properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations"),
    ],
)
def test_a_value_out_of_its_range_is_refused_by_its_path(path: str, value: Any, target: str) -> None:
    error = refused(at(path, value))
    assert error.target == target
    assert error.code == "InvalidParameter"


def test_custom_data_of_just_the_limit_is_accepted() -> None:
    data = b"x" * 65_535
    made = parse_scale_set(at("vm.osProfile.customData", base64.b64encode(data).decode()), name="web")
    assert made.profile.os_profile.custom_data_bytes == data


@pytest.mark.parametrize(
    "key",
    [
        KEY + "\nssh-ed25519 AAAA other",
        "ssh-dss AAAA me",
        "ssh-ed25519 !!!! me",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
        "ssh-rsa " + KEY.split()[1],
        "ssh-ed25519",
        'command="rm" ' + KEY,
    ],
)
def test_what_is_not_one_public_key_never_gets_near_authorized_keys(key: str) -> None:
    given = at(
        "vm.osProfile",
        {"adminUsername": "azureuser", "linuxConfiguration": {"ssh": {"publicKeys": [{"keyData": key}]}}},
    )
    assert refused(given).target.endswith("publicKeys[0].keyData")  # type: ignore[union-attr]


def test_a_public_key_may_end_in_a_line_feed_as_az_sends_it() -> None:
    keys = [{"path": "/home/azureuser/.ssh/authorized_keys", "keyData": KEY + "\n"}]
    os_profile = {"adminUsername": "azureuser", "linuxConfiguration": {"ssh": {"publicKeys": keys}}}
    assert parse_scale_set(at("vm.osProfile", os_profile), name="web").profile.os_profile.public_keys == (KEY,)


@pytest.mark.parametrize(
    ("user", "path"), [(None, None), ("azureuser", "/root/.ssh/authorized_keys"), ("azureuser", "../x")]
)
def test_public_keys_belong_to_the_admin_user_and_to_nobody_else(user: str | None, path: str | None) -> None:
    keys = [{"path": path, "keyData": KEY}]
    os_profile = {"adminUsername": user, "linuxConfiguration": {"ssh": {"publicKeys": keys}}}
    assert refused(at("vm.osProfile", os_profile)).target == "properties.virtualMachineProfile.osProfile"


def nic(**ip_properties: Any) -> Json:
    subnet = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/fabric"
    ip = {"name": "ip", "properties": {"subnet": {"id": subnet}, **ip_properties}}
    return {"name": "nic", "properties": {"primary": "true", "ipConfigurations": [ip]}}


@pytest.mark.parametrize(
    ("spaces", "wanted"),
    [
        (("first", "fabric"), "fabric"),
        (("first", "FABRIC"), "FABRIC"),
        (("first", "other"), "first"),
        ((), "fabric"),
    ],
)
def test_a_subnet_is_in_the_address_space_of_its_name_or_else_in_the_first(
    spaces: tuple[str, ...], wanted: str
) -> None:
    given = at("vm.networkProfile", {"networkInterfaceConfigurations": [nic()]})
    network = parse_scale_set(given, name="web").profile.network_profile
    assert network is not None
    assert network.address_space(spaces) == wanted


def _card(name: str, *, primary: bool | None = None, configurations: int = 1) -> dict[str, Any]:
    made = nic()
    made["name"] = name
    made["properties"]["primary"] = primary
    [first] = made["properties"]["ipConfigurations"]
    made["properties"]["ipConfigurations"] = [
        {"name": f"ip{n}", "properties": {**first["properties"], "primary": n == 0}} for n in range(configurations)
    ]
    return made


@pytest.mark.parametrize(
    "cards",
    [
        [_card("a"), _card("b")],
        [_card("a", primary=True), _card("b", primary=True)],
        [_card("a", primary=True), _card("A")],
        [_card("a", primary=False)],
        [],
    ],
)
def test_just_one_of_several_cards_is_the_primary_one_and_names_differ(cards: list[dict[str, Any]]) -> None:
    given = at("vm.networkProfile", {"networkInterfaceConfigurations": cards})
    assert refused(given).code == "InvalidParameter"


@pytest.mark.parametrize(
    "cards", [[_card(f"c{n}", primary=n == 0) for n in range(9)], [_card("a", configurations=17)]]
)
def test_cards_and_their_configurations_are_bounded(cards: list[dict[str, Any]]) -> None:
    given = at("vm.networkProfile", {"networkInterfaceConfigurations": cards})
    assert refused(given, NotPossible).code == "OperationNotAllowed"


def test_a_card_that_does_not_say_so_is_not_the_primary_one() -> None:
    given = at("vm.networkProfile", {"networkInterfaceConfigurations": [_card("b"), _card("a", primary=True)]})
    network = parse_scale_set(given, name="web").profile.network_profile
    assert network is not None
    assert [card.properties.primary for card in network.network_interface_configurations] == [False, True]


@pytest.mark.parametrize(
    "wrong", ["/x", "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/loadBalancers/b/probes/p"]
)
def test_a_pool_is_named_by_the_id_of_a_pool(wrong: str) -> None:
    card = nic(loadBalancerBackendAddressPools=[{"id": wrong}])
    error = refused(at("vm.networkProfile", {"networkInterfaceConfigurations": [card]}))
    assert error.target is not None
    assert error.target.endswith("loadBalancerBackendAddressPools[0].id")


def extensions(*pairs: tuple[str, Json]) -> Json:
    return at("vm.extensionProfile", {"extensions": [{"name": n, "properties": p} for n, p in pairs]})


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (extensions(("a", SCRIPT), ("A", SCRIPT)), "more than one extension named a"),
        (extensions(("a", HEALTH), ("b", HEALTH)), "more than one Application Health"),
        (extensions(("a", {**SCRIPT, "provisionAfterExtensions": ["b"]})), "not in the model"),
        (extensions(("a b", SCRIPT)), "1 to 80 letters"),
        (
            extensions(
                ("a", {**HEALTH, "provisionAfterExtensions": ["b"]}),
                ("b", {**SCRIPT, "provisionAfterExtensions": ["A"]}),
            ),
            "circle",
        ),
        (extensions(("a", {**SCRIPT, "settings": {"commandToExecute": "x", "script": "eA=="}})), "script"),
        (extensions(("a", {**SCRIPT, "settings": {"nonsense": 1}})), "nonsense"),
        (extensions(("a", {**SCRIPT, "typeHandlerVersion": "9.9"})), "typeHandlerVersion"),
        (extensions(("a", {**HEALTH, "settings": {"protocol": "tcp"}})), "port"),
    ],
)
def test_extensions_that_do_not_fit_are_refused(given: Json, word: str) -> None:
    assert word in refused(given).message


def test_names_in_provision_after_take_the_case_of_the_extension_they_name() -> None:
    given = extensions(("First", HEALTH), ("second", {**SCRIPT, "provisionAfterExtensions": ["FIRST"]}))
    made = parse_scale_set(given, name="web").profile.extension_profile.extensions
    assert made[1].properties.provision_after_extensions == ("First",)


def test_a_secret_in_protected_settings_is_in_no_message() -> None:
    given = extensions(("a", {**SCRIPT, "protectedSettings": {"commandToExecute": "s3cret", "wrong": "s3cret"}}))
    error = refused(given)
    assert "s3cret" not in json.dumps([error.message, *(detail.message for detail in error.details)])


def test_two_health_sources_exclude_each_other() -> None:
    given = extensions(("h", HEALTH))
    given["properties"]["externalHealthProbe"] = {"protocol": "tcp", "port": 80}
    assert refused(given).target == "properties.externalHealthProbe"


def test_the_extension_is_asked_inside_and_the_external_probe_outside() -> None:
    inside = health_source(parse_scale_set(extensions(("h", HEALTH)), name="web"))
    probe = {"protocol": "HTTP", "port": "8080", "requestPath": "/up"}
    outside = health_source(parse_scale_set(at("properties.externalHealthProbe", probe), name="web"))
    assert inside is not None
    assert outside is not None
    assert (inside[1], outside[1]) == ("inside", "outside")
    assert (outside[0].protocol, outside[0].port, outside[0].request_path) == ("http", 8080, "/up")
    assert health_source(parse_scale_set(body(), name="web")) is None


def test_more_than_a_hundred_do_not_fit_into_one_placement_group() -> None:
    given = at("properties.singlePlacementGroup", True, at("sku.capacity", 101))
    assert refused(given).target == "sku.capacity"


def test_without_an_agent_there_can_be_no_extensions() -> None:
    given = extensions(("a", SCRIPT))
    given["properties"]["virtualMachineProfile"]["osProfile"] = {"linuxConfiguration": {"provisionVMAgent": False}}
    assert refused(given).target.endswith("provisionVMAgent")  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["", "-web", "web-", "web.", "_web", "a" * 65, "we b", "wéb", "a/b"])
def test_a_name_that_does_not_fit_is_refused(name: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_scale_set(body(), name=name)
    assert caught.value.target == "name"


def test_a_body_of_another_name_is_refused() -> None:
    assert refused(body() | {"name": "other"}).code == "InvalidRequestContent"


def test_an_extensions_fingerprint_moves_with_its_secrets_and_its_force_tag() -> None:
    def fingerprint(**more: Any) -> str:
        made = parse_scale_set(extensions(("a", {**SCRIPT, **more})), name="web")
        return made.profile.extension_profile.extensions[0].fingerprint

    protected = {"settings": {}, "protectedSettings": {"commandToExecute": "true"}}
    assert len({fingerprint(), fingerprint(forceUpdateTag=1), fingerprint(**protected)}) == 3
    assert fingerprint() == fingerprint(autoUpgradeMinorVersion=False)
