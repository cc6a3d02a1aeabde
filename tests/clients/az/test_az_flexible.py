"""az on a Flexible set, which it makes when nobody says otherwise; and az in the environment that vmss writes."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from az_client import CLIENTS, Az
from system import PROGRAMS, Daemon, TestedSet, User, wait_for

GROUP, NAME = "rg", "vmss2"
ON = f"-g {GROUP} -n {NAME}"


@pytest.fixture(scope="module")
def scale_set(az: Az, daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestedSet]:
    key = tmp_path_factory.mktemp("key") / "key.pub"
    key.write_text(User.new().public + "\n")
    az.line(f"az group create -n {GROUP} -l local")
    made = az.line(
        f"az vmss create {ON} --image Micro --instance-count 1 --vm-sku Lab_Micro --admin-username azureuser "
        f"--ssh-key-values {key}"
    )
    assert made["vmss"]["orchestrationMode"] == "Flexible"
    yield TestedSet(daemon, NAME, GROUP)
    az.line(f"az vmss delete {ON}")
    az.line(f"az group delete -n {GROUP} --yes")


def test_a_flexible_set_is_of_vms_with_names(scale_set: TestedSet, az: Az) -> None:
    [instance] = az.line(f"az vmss list-instances {ON}")
    assert re.fullmatch(rf"{NAME}_[0-9a-f]{{8}}", instance["name"])
    assert [each["name"] for each in az.line(f"az vm list -g {GROUP}")] == [instance["name"]]
    assert az.line(f"az vmss show {ON} --instance-id {instance['name']}")["name"] == instance["name"]


def test_it_is_scaled_and_its_instances_are_restarted_by_name(scale_set: TestedSet, az: Az) -> None:
    az.line(f"az vmss scale {ON} --new-capacity 2")
    names = [each["instanceId"] for each in az.line(f"az vmss list-instances {ON}")]
    assert len(names) == 2
    boots = {name: _boot_id(scale_set, name) for name in names}
    az.line(f"az vmss restart {ON} --instance-ids {names[1]}")
    assert _boot_id(scale_set, names[0]) == boots[names[0]]
    assert _boot_id(scale_set, names[1]) != boots[names[1]]
    az.line(f"az vmss scale {ON} --new-capacity 1")
    wait_for(lambda: len(az.line(f"az vmss list-instances {ON}")) == 1, "one is left")


def test_maintenance_moves_a_guest_off_a_host_that_drains(scale_set: TestedSet, az: Az, daemon: Daemon) -> None:
    """It is protected from scale-in, so that it does not leave by itself."""
    assert "draining" in az.refused(f"az vmss perform-maintenance {ON}")
    [before] = az.line(f"az vmss list-instances {ON} --expand instanceView")
    name, host = before["name"], before["instanceView"]["assignedHost"]
    scale_set.run(name, "echo mine >/etc/mine")
    az.line(f"az vmss update {ON} --instance-id {name} --protect-from-scale-in true")
    assert daemon.vmss("host", "drain", host).returncode == 0
    try:
        az.line(f"az vmss perform-maintenance {ON}")
    finally:
        assert daemon.vmss("host", "undrain", host).returncode == 0
    assert az.line(f"az vmss get-instance-view {ON} --instance-id {name}")["assignedHost"] != host
    assert scale_set.run(name, "cat /etc/mine").strip() == "mine", "its disk went along"


def test_what_can_be_had_is_listed(scale_set: TestedSet, az: Az) -> None:
    """Lists that people look at before they create; sizes too big for every host are left out."""
    sizes = {each["name"]: each for each in az.line("az vm list-skus -l local --resource-type virtualMachines")}
    assert sizes["Lab_Micro"]["locationInfo"][0]["zones"] == ["1", "2", "3"]
    everything = {each["name"] for each in az.line("az vm list-skus -l local --all")}
    assert "Standard_E64s_v3" in everything - set(sizes)
    usages = {each["name"]["value"]: int(each["currentValue"]) for each in az.line("az vm list-usage -l local")}
    assert (usages["virtualMachines"], usages["cores"], usages["memory"]) == (1, 1, 96)
    urns = {each["urn"].rpartition(":")[0] for each in az.line("az vm image list -l local --all")}
    assert "vmss:micro:1" in urns
    assert (
        az.line("az vm image show -l local --urn vmss:micro:1:latest")["osDiskImage"]["operatingSystem"] == "Linux"
    )
    assert {each["name"] for each in az.line("az vm extension image list -l local")} == {
        "ApplicationHealthLinux",
        "CustomScript",
    }


@pytest.mark.parametrize("image", ["Micro", "vmss:micro:1:latest", "micro"])
def test_an_image_is_named_by_alias_urn_or_name(scale_set: TestedSet, az: Az, image: str) -> None:
    checked = az.line(
        f"az vmss create -g {GROUP} -n other --validate --image {image} --vm-sku Lab_Micro "
        "--admin-username azureuser --generate-ssh-keys --orchestration-mode Uniform"
    )
    assert checked["properties"]["provisioningState"] == "Succeeded"
    assert [each["name"] for each in az.line(f"az vmss list -g {GROUP}")] == [NAME], "nothing was made"


def _boot_id(scale_set: TestedSet, name: str) -> str:
    return scale_set.run(name, "cat /proc/sys/kernel/random/boot_id").strip()


def test_vmss_az_needs_nothing_but_the_daemon(scale_set: TestedSet, daemon: Daemon, tmp_path: Path) -> None:
    def vmss(*arguments: str, **more: str) -> Any:
        environment = {
            **os.environ,
            "HOME": str(tmp_path),
            "VMSS_SOCKET": str(daemon.socket),
            "VMSS_AZ": str(CLIENTS / "az"),
            **more,
        }
        argv = [str(PROGRAMS / "vmss"), *arguments]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)

    done = vmss("az", "vmss", "list", "-g", GROUP, "--query", "[].name", "-o", "tsv")
    assert (done.returncode, done.stdout.strip()) == (0, NAME), done.stderr
    failed = vmss("az", "vmss", "show", "-g", GROUP, "-n", "nothing")
    assert failed.returncode == 3, "az's own exit code for what is not there"
    exports = vmss("az-env", "--dir", str(tmp_path / "env"), "--group", GROUP)
    assert f"export AZURE_CONFIG_DIR={tmp_path / 'env'}" in exports.stdout
    assert (tmp_path / "env").stat().st_mode & 0o777 == 0o700
    missing = vmss("az", "version", VMSS_AZ="/nowhere/az")
    assert "pip install azure-cli" in missing.stderr


def test_a_reader_looks_and_cannot_touch(scale_set: TestedSet, daemon: Daemon, az: Az, tmp_path: Path) -> None:
    file = tmp_path / "reader.json"
    assert daemon.vmss("principal", "create", "onlooker", "--role", "reader", "--file", str(file)).returncode == 0
    folder = tmp_path / "reader"
    assert daemon.vmss("az-env", "--dir", str(folder), "--principal-file", str(file)).returncode == 0
    reader = Az(az.endpoint, folder, folder / "ca-bundle.pem", az.owner)
    assert reader.line(f"az vmss show {ON}")["name"] == NAME
    assert "AuthorizationFailed" in reader.refused(f"az vmss scale {ON} --new-capacity 2")
    assert daemon.vmss("principal", "delete", "onlooker").returncode == 0
    assert reader.refused(f"az vmss show {ON}")
