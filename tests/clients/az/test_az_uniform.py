"""az on a Uniform set of three real guests in three zones, in the order of a day's work: each command as Azure's
documentation writes it, and after it a look at the guests."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from az_client import Az
from system import Daemon, TestedSet, User, fetch, is_served, qemus, ssh, wait_for, web_server

from orchestrator.guest.port import GuestAddress
from orchestrator.lab import Lab

GROUP, NAME = "myResourceGroup", "myScaleSet"
ON = f"-g {GROUP} -n {NAME}"


@pytest.fixture(scope="module")
def user() -> User:
    return User.new()


@pytest.fixture(scope="module")
def scale_set(az: Az, daemon: Daemon, user: User, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestedSet]:
    """Made by az with its default network, a key and custom data."""
    folder = tmp_path_factory.mktemp("files")
    key, data = folder / "key.pub", folder / "custom.sh"
    key.write_text(user.public + "\n")
    data.write_text("#!/bin/sh\necho from custom data >/etc/told\n")
    az.line(f"az group create -n {GROUP} -l local --tags class=lab")
    made = az.line(
        f"az vmss create {ON} --image Micro --instance-count 3 --vm-sku Lab_Micro --zones 1 2 3 "
        f"--admin-username azureuser --ssh-key-values {key} --custom-data {data} --orchestration-mode Uniform "
        "--upgrade-policy-mode Manual --lb-sku Standard --disable-overprovision"
    )
    assert made["vmss"]["provisioningState"] == "Succeeded"
    assert "warnings" not in made["vmss"], "all that az asks for has an effect"
    yield TestedSet(daemon, NAME, GROUP)
    az.line(f"az group delete -n {GROUP} --yes")
    assert GROUP not in {each["name"] for each in az.line("az group list")}


def power(scale_set: TestedSet, number: int) -> str:
    codes = (each["code"] for each in scale_set.view(number)["statuses"])
    return next(code for code in codes if code.startswith("PowerState/"))


def test_create_makes_guests_in_three_zones_with_key_and_custom_data(
    scale_set: TestedSet, user: User, az: Az
) -> None:
    assert scale_set.ids() == [0, 1, 2]
    zones = {each["zones"][0] for each in az.line(f"az vmss list-instances {ON}")}
    assert zones == {"1", "2", "3"}
    assert scale_set.ssh(0, "cat /etc/told", "azureuser", user.key).strip() == "from custom data"
    names = {scale_set.run(number, "hostname").strip() for number in (0, 1, 2)}
    assert len(names) == 3


def test_show_and_views_tell_what_is_there(scale_set: TestedSet, az: Az) -> None:
    assert az.line(f"az vmss show {ON}")["sku"]["capacity"] == 3
    assert az.line(f"az vmss show {ON} --instance-id 0")["instanceId"] == "0"
    summary = az.line(f"az vmss get-instance-view {ON}")["virtualMachine"]["statusesSummary"]
    assert {"code": "PowerState/running", "count": 3} in summary
    view = az.line(f"az vmss get-instance-view {ON} --instance-id 0")
    assert "PowerState/running" in {each["code"] for each in view["statuses"]}
    assert [each["name"] for each in az.line("az vmss list")] == [NAME]
    assert [each["name"] for each in az.line(f"az vmss list -g {GROUP}")] == [NAME]
    assert az.line(f"az vmss list-skus {ON}")
    cards = az.line(f"az vmss nic list -g {GROUP} --vmss-name {NAME}")
    addresses = {card["ipConfigurations"][0]["privateIPAddress"] for card in cards}
    assert addresses == {scale_set.address(number) for number in (0, 1, 2)}
    az.line(f"az vmss wait {ON} --created")


def test_update_changes_policies_and_the_model(scale_set: TestedSet, az: Az) -> None:
    boots = {number: scale_set.boot_id(number) for number in (0, 1, 2)}
    az.line(f"az vmss update --resource-group {GROUP} --name {NAME} --scale-in-policy OldestVM")
    az.line(f"az vmss update {ON} --set singlePlacementGroup=false")
    az.line(f"az vmss update {ON} --set tags.color=blue")
    shown = az.line(f"az vmss show {ON}")
    assert shown["scaleInPolicy"]["rules"] == ["OldestVM"]
    assert (shown["singlePlacementGroup"], shown["tags"]["color"]) == (False, "blue")
    rules = "virtualMachineProfile.networkProfile.networkInterfaceConfigurations[0].ipConfigurations"
    assert len(az.line(f"az vmss show {ON} --query {rules}")) == 1
    az.line(
        f"az vmss update {ON} --add virtualMachineProfile.osProfile.linuxConfiguration.ssh.publicKeys "
        f"path=/home/azureuser/.ssh/authorized_keys keyData='{User.new().public}'"
    )
    keys = "virtualMachineProfile.osProfile.linuxConfiguration.ssh.publicKeys"
    assert len(az.line(f"az vmss show {ON} --query {keys}")) == 2
    az.line(f"az vmss update {ON} --remove {keys} 1")
    assert len(az.line(f"az vmss show {ON} --query {keys}")) == 1
    assert boots == {number: scale_set.boot_id(number) for number in (0, 1, 2)}, "nobody was touched"


def test_an_instance_is_protected_and_unprotected(scale_set: TestedSet, az: Az) -> None:
    az.line(f"az vmss update {ON} --instance-id 1 --protect-from-scale-in true")
    assert az.line(f"az vmss show {ON} --instance-id 1")["protectionPolicy"]["protectFromScaleIn"] is True
    az.line(f"az vmss update {ON} --instance-id 1 --set protectionPolicy.protectFromScaleIn=false")
    disk = "lun=0 createOption=Empty diskSizeGB=1"
    said = az.refused(f"az vmss update {ON} --instance-id 1 --add storageProfile.dataDisks {disk}")
    assert "dataDisks" in said, "no instance has data disks of its own"
    az.line(f"az vmss update {ON} --instance-id 1 --remove protectionPolicy")
    assert not (az.line(f"az vmss show {ON} --instance-id 1").get("protectionPolicy") or {}).get(
        "protectFromScaleIn"
    )


@pytest.fixture(scope="module")
def script_address(lab: Lab) -> Iterator[str]:
    """Where guests find the script of the extension's first version."""
    with web_server(lab, {"/page.sh": b"#!/bin/sh\necho version one >/var/www/index.html\n"}) as (address, asked):
        yield f"{address}/page.sh"
    assert asked, "some guest fetched it"


def test_an_extension_in_two_versions_changes_the_page(scale_set: TestedSet, az: Az, script_address: str) -> None:
    one = f'{{"fileUris": ["{script_address}"], "commandToExecute": "sh page.sh"}}'
    two = '{"commandToExecute": "echo version two >/var/www/index.html"}'
    base = (
        f"az vmss extension set -g {GROUP} --vmss-name {NAME} --publisher Microsoft.Azure.Extensions --version 2.0 "
        "--name CustomScript --settings"
    )
    az.line(f"{base} '{one}'")
    before = [scale_set.fetch(number) for number in (0, 1, 2)]
    az.line(f"az vmss update-instances --resource-group {GROUP} --name {NAME} --instance-ids 0 1")
    assert [scale_set.fetch(number).strip() for number in (0, 1)] == ["version one"] * 2
    assert scale_set.fetch(2) == before[2], "Manual: who is not named stays as it is"
    az.line(f"az vmss update {ON} --set upgradePolicy.mode=Automatic")
    wait_for(lambda: scale_set.fetch(2).strip() == "version one", "the third follows")
    az.line(f"{base} '{two}'")
    assert [scale_set.fetch(number).strip() for number in (0, 1, 2)] == ["version two"] * 3
    assert az.line(f"az vmss extension list -g {GROUP} --vmss-name {NAME}")[0]["name"] == "CustomScript"
    az.line(f"az vmss extension show -g {GROUP} --vmss-name {NAME} --name CustomScript")
    az.line(f"az vmss update {ON} --set upgradePolicy.mode=Manual")


def test_the_page_is_seen_through_the_balancer_that_az_made(scale_set: TestedSet, az: Az, lab: Lab) -> None:
    public = az.line(f"az network public-ip show -g {GROUP} -n {NAME}LBPublicIP")["ipAddress"]
    pages: set[str] = set()

    def all_answered() -> bool:
        if is_served(lab, f"http://{public}/"):
            pages.add(fetch(lab, f"http://{public}/"))
        return bool(pages)

    wait_for(all_answered, "the page through the balancer")
    assert pages <= {scale_set.fetch(number) for number in scale_set.ids()}


def test_each_instance_has_a_port_that_leads_to_its_ssh(scale_set: TestedSet, az: Az, user: User, lab: Lab) -> None:
    ways = az.line(f"az vmss list-instance-connection-info {ON}")
    assert len(ways) == len(scale_set.ids())
    for number in scale_set.ids():
        [way] = [where for who, where in ways.items() if who.split()[-1] == str(number)]
        address, _, port = way.rpartition(":")
        connection = scale_set.connection(number)
        guest = GuestAddress(f"nat {number}", address, "azureuser", str(connection["hostKey"]), "")
        assert ssh(lab, guest, user.key, "hostname", int(port)) == scale_set.run(number, "hostname")


def test_a_command_runs_in_a_guest(scale_set: TestedSet, az: Az) -> None:
    said = az.line(
        f"az vmss run-command invoke {ON} --command-id RunShellScript --instance-id 0 "
        "--scripts 'echo $1 from $(hostname)' --parameters hello"
    )
    assert f"hello from {scale_set.run(0, 'hostname').strip()}" in said["value"][0]["message"]


def test_power_goes_off_and_on(scale_set: TestedSet, az: Az, lab: Lab) -> None:
    az.line(f"az vmss stop {ON} --instance-ids 0")
    assert (power(scale_set, 0), len(qemus(lab))) == ("PowerState/stopped", 2)
    az.line(f"az vmss start {ON} --instance-ids 0")
    assert (power(scale_set, 0), len(qemus(lab))) == ("PowerState/running", 3)
    boot = scale_set.boot_id(1)
    az.line(f"az vmss restart {ON} --instance-ids 1")
    assert scale_set.boot_id(1) != boot
    az.line(f"az vmss deallocate -g {GROUP} -n {NAME} --instance-ids 0")
    assert (power(scale_set, 0), len(qemus(lab))) == ("PowerState/deallocated", 2)
    az.line(f"az vmss start {ON}")
    assert (power(scale_set, 0), len(qemus(lab))) == ("PowerState/running", 3)


def test_reimage_gives_a_fresh_disk_under_the_same_address(scale_set: TestedSet, az: Az) -> None:
    scale_set.run(0, "echo mine >/etc/mine")
    address = scale_set.address(0)
    az.line(f"az vmss reimage {ON} --instance-ids 0")
    assert scale_set.address(0) == address
    assert scale_set.run(0, "ls /etc/mine 2>/dev/null || echo fresh").strip() == "fresh"


def test_scale_and_delete_change_the_number_of_guests(scale_set: TestedSet, az: Az) -> None:
    az.line(f"az vmss scale {ON} --new-capacity 2")
    assert scale_set.ids() == [1, 2], "OldestVM"
    az.line(f"az vmss scale {ON} --new-capacity 3")
    assert scale_set.ids() == [1, 2, 3]
    az.line(f"az vmss delete-instances {ON} --instance-ids 3")
    assert scale_set.ids() == [1, 2]
    assert az.line(f"az vmss show {ON}")["sku"]["capacity"] == 2


def test_services_and_history_answer(scale_set: TestedSet, az: Az) -> None:
    probe = '{"protocol":"http","port":80,"requestPath":"/"}'
    az.line(
        f"az vmss extension set -g {GROUP} --vmss-name {NAME} --publisher Microsoft.ManagedServices --version 1.0 "
        f"--name ApplicationHealthLinux --settings '{probe}'"
    )
    az.line(f"az vmss update-instances {ON} --instance-ids '*'")
    az.line(f"az vmss update {ON} --enable-automatic-repairs true --automatic-repairs-grace-period 30")
    az.line(f"az vmss set-orchestration-service-state {ON} --service-name AutomaticRepairs --action Suspend")
    view = az.line(f"az vmss get-instance-view {ON}")
    services = {each["serviceName"]: each["serviceState"] for each in view["orchestrationServices"]}
    assert services["AutomaticRepairs"] == "Suspended"
    wait_for(lambda: scale_set.are_ready(1, 2, is_healthy=True), "both are healthy")
    assert az.line(f"az vmss get-os-upgrade-history {ON}") == []


def test_a_rolling_upgrade_is_started_looked_at_and_cancelled(scale_set: TestedSet, az: Az) -> None:
    az.line(f"az vmss update {ON} --set upgradePolicy.mode=Rolling")
    az.line(f"az vmss rolling-upgrade start --resource-group {GROUP} --name {NAME}")
    latest = az.line(f"az vmss rolling-upgrade get-latest {ON}")
    assert latest["runningStatus"]["code"] == "Completed"
    az.line(
        f"az vmss update {ON} --set upgradePolicy.rollingUpgradePolicy.pauseTimeBetweenBatches=PT10M "
        "upgradePolicy.rollingUpgradePolicy.maxBatchInstancePercent=50"
    )
    script = base64.b64encode(b"#!/bin/sh\necho three >/var/www/index.html\n").decode()
    az.line(
        f"az vmss extension set -g {GROUP} --vmss-name {NAME} --publisher Microsoft.Azure.Extensions --version 2.0 "
        f'--name CustomScript --settings \'{{"script":"{script}"}}\' --no-wait'
    )
    pages = lambda: sorted(scale_set.fetch(number).strip() for number in (1, 2))  # noqa: E731
    wait_for(lambda: pages().count("three") == 1, "the first batch is over")
    az.line(f"az vmss rolling-upgrade cancel {ON}")
    assert az.line(f"az vmss rolling-upgrade get-latest {ON}")["runningStatus"]["code"] == "Cancelled"
    assert pages().count("three") == 1
    az.line(f"az vmss update {ON} --set upgradePolicy.mode=Manual")


def test_the_network_that_az_made_is_there(scale_set: TestedSet, az: Az) -> None:
    assert [each["name"] for each in az.line(f"az network vnet list -g {GROUP}")] == [f"{NAME}VNET"]
    assert {scale_set.address(number).rpartition(".")[0] for number in scale_set.ids()} == {"10.0.0"}
    balancer = az.line(f"az network lb show -g {GROUP} -n {NAME}LB")
    assert balancer["backendAddressPools"] and balancer["loadBalancingRules"]
    used = az.refused(f"az network vnet delete -g {GROUP} -n {NAME}VNET")
    assert "InUse" in used


def test_delete_takes_every_guest_away(scale_set: TestedSet, az: Az, daemon: Daemon, lab: Lab) -> None:
    az.line(f"az vmss delete {ON}")
    assert (daemon.owned(), qemus(lab)) == ([], [])
    assert "ResourceNotFound" in az.refused(f"az vmss show {ON}")
