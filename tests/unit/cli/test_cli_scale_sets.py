from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fake_cli_daemon import FakeClock, FakeDaemon, Seen, Vmss, instance

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx me@here"


@pytest.fixture(autouse=True)
def images(daemon: FakeDaemon) -> None:
    micro = {"name": "micro", "publisher": "Vmss", "offer": "micro", "sku": "1", "version": "1.0.0"}
    daemon.own["images"] = {"value": [micro]}


def created(vmss: Vmss, daemon: FakeDaemon, *flags: str) -> dict[str, Any]:
    outcome = vmss("create", "web", "--image", "micro", *flags)
    assert outcome.code == 0, outcome.err
    [put] = daemon.sent("PUT")
    body: dict[str, Any] = put.body
    return body


def test_create_puts_the_smallest_whole_model(vmss: Vmss, daemon: FakeDaemon) -> None:
    assert created(vmss, daemon, "--vm-sku", "Lab_Micro", "--ssh-key-values", KEY) == {
        "location": "local",
        "sku": {"name": "Lab_Micro", "capacity": 2},
        "properties": {
            "virtualMachineProfile": {
                "osProfile": {
                    "adminUsername": "azureuser",
                    "linuxConfiguration": {
                        "disablePasswordAuthentication": True,
                        "ssh": {"publicKeys": [{"path": "/home/azureuser/.ssh/authorized_keys", "keyData": KEY}]},
                    },
                },
                "storageProfile": {
                    "imageReference": {"publisher": "Vmss", "offer": "micro", "sku": "1", "version": "latest"},
                    "osDisk": {"createOption": "FromImage"},
                },
            }
        },
    }


def test_every_flag_of_create_lands_where_azure_has_it(vmss: Vmss, daemon: FakeDaemon, tmp_path: Path) -> None:
    script = tmp_path / "setup.sh"
    script.write_text("#!/bin/sh\necho hello\n")
    line = (
        f"--instance-count 3 --zones 1 2 --platform-fault-domain-count 5 --scale-in-policy oldestvm "
        f"--upgrade-policy-mode Manual --tags a=b c --admin-username joe --computer-name-prefix w "
        f"--os-disk-size-gb 4 --custom-data hello --custom-script @{script} --health-http 80/healthz "
        f"--health-interval 5 --health-probes 2 --enable-automatic-repairs "
        f"--automatic-repairs-grace-period 30s --automatic-repairs-action Reimage"
    )
    body = created(vmss, daemon, *line.split())
    profile = body["properties"]["virtualMachineProfile"]
    script_, health = profile["extensionProfile"]["extensions"]
    assert (body["sku"]["capacity"], body["zones"], body["tags"]) == (3, ["1", "2"], {"a": "b", "c": ""})
    assert body["properties"]["platformFaultDomainCount"] == 5
    assert body["properties"]["scaleInPolicy"] == {"rules": ["OldestVM"]}
    assert body["properties"]["upgradePolicy"] == {"mode": "Manual"}
    assert body["properties"]["automaticRepairsPolicy"] == {
        "enabled": True,
        "gracePeriod": "PT30S",
        "repairAction": "Reimage",
    }
    assert profile["osProfile"]["computerNamePrefix"] == "w"
    assert base64.b64decode(profile["osProfile"]["customData"]) == b"hello"
    assert profile["storageProfile"]["osDisk"]["diskSizeGB"] == 4
    assert base64.b64decode(script_["properties"]["settings"]["script"]) == script.read_bytes()
    assert health["properties"]["settings"] == {
        "protocol": "http",
        "port": 80,
        "requestPath": "/healthz",
        "intervalInSeconds": 5,
        "numberOfProbes": 2,
    }


def test_a_key_in_the_users_folder_is_used_and_a_missing_one_is_made_on_request(
    vmss: Vmss, daemon: FakeDaemon, tmp_path: Path
) -> None:
    created(vmss, daemon, "--generate-ssh-keys")
    made = (tmp_path / ".ssh/id_ed25519.pub").read_text().strip()
    assert (tmp_path / ".ssh/id_ed25519").stat().st_mode & 0o777 == 0o600
    daemon.requests.clear()
    profile = created(vmss, daemon)["properties"]["virtualMachineProfile"]["osProfile"]
    assert [each["keyData"] for each in profile["linuxConfiguration"]["ssh"]["publicKeys"]] == [made]


def test_without_any_key_the_set_is_made_and_a_note_says_so(vmss: Vmss, daemon: FakeDaemon) -> None:
    outcome = vmss("create", "web", "--image", "micro")
    assert "no SSH key" in outcome.err
    assert (
        "ssh"
        not in daemon.sent("PUT")[0].body["properties"]["virtualMachineProfile"]["osProfile"]["linuxConfiguration"]
    )


def test_a_private_key_is_never_sent(vmss: Vmss, daemon: FakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    outcome = vmss("create", "web", "--image", "micro", "--ssh-key-values", str(tmp_path / "id"))
    assert (outcome.code, daemon.sent("PUT")) == (2, [])


def test_an_unknown_image_is_answered_with_those_that_are_there(vmss: Vmss, daemon: FakeDaemon) -> None:
    outcome = vmss("create", "web", "--image", "debain-12")
    assert (outcome.code, daemon.sent("PUT")) == (3, [])
    assert "micro" in outcome.err


def test_a_urn_goes_out_as_it_is(vmss: Vmss, daemon: FakeDaemon) -> None:
    vmss("create", "web", "--image", "A:b:c:1.2.3", "--no-wait")
    profile = daemon.sent("PUT")[0].body["properties"]["virtualMachineProfile"]
    assert profile["storageProfile"]["imageReference"] == {
        "publisher": "A",
        "offer": "b",
        "sku": "c",
        "version": "1.2.3",
    }


@pytest.mark.parametrize(
    "flags",
    [
        "--image a:b",
        "--image micro --scale-in-policy Sometimes",
        "--image micro --health-http /healthz",
        "--image micro --health-http 80 --health-tcp 22",
        "--image micro --health-rich",
        "--image micro --automatic-repairs-grace-period soon",
        "--image micro --instance-count -1",
        "--image micro --custom-script @/no/such/file",
        "--image micro --enable-automatic-repairs=maybe",
        "--image micro -n other",
        "",
    ],
)
def test_a_wrong_command_line_sends_nothing_and_exits_with_2(vmss: Vmss, daemon: FakeDaemon, flags: str) -> None:
    assert vmss("create", "web", *flags.split()).code == 2
    assert daemon.sent("PUT") == []


def test_the_daemons_refusal_is_shown_with_code_target_and_details(vmss: Vmss, daemon: FakeDaemon) -> None:
    details = [{"code": "InvalidParameter", "message": "no such size", "target": "sku.name"}]
    envelope = {"code": "InvalidParameter", "message": "one thing is wrong", "details": details}
    daemon.answers[("PUT", "/web")] = lambda _: httpx.Response(400, json={"error": envelope})
    outcome = vmss("create", "web", "--image", "micro")
    assert outcome.code == 1
    assert "error: InvalidParameter: one thing is wrong" in outcome.err
    assert "  - InvalidParameter: no such size (target: sku.name)" in outcome.err
    assert outcome.out == ""


def test_an_only_detail_that_repeats_the_error_is_not_said_twice(vmss: Vmss, daemon: FakeDaemon) -> None:
    same = {"code": "InvalidParameter", "message": "sku.name is odd", "target": "sku.name"}
    envelope = {**same, "details": [same]}
    daemon.answers[("PUT", "/web")] = lambda _: httpx.Response(400, json={"error": envelope})
    assert vmss("create", "web", "--image", "micro").err.count("sku.name") == 1


def test_show_and_list_print_rows_and_list_can_be_one_groups(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    daemon.add_set("db", "prod", sku={"capacity": 7})
    assert vmss("show", "web").out.splitlines()[1].split()[:4] == ["web", "default", "Lab_Micro", "2"]
    assert [line.split()[0] for line in vmss("list").out.splitlines()[1:]] == ["web", "db"]
    assert [each["name"] for each in json.loads(vmss("list", "-g", "prod", "-o", "json").out)] == ["db"]
    assert vmss("list", "--query", "[].sku.capacity", "-o", "tsv").out == "2\n7\n"


@pytest.mark.parametrize("argv", [["show", "-n", "web"], ["show", "--name", "web"], ["show", "web", "-n", "web"]])
def test_a_set_is_named_in_front_or_by_flag(vmss: Vmss, daemon: FakeDaemon, argv: list[str]) -> None:
    daemon.add_set("web")
    assert vmss(*argv).code == 0


@pytest.mark.parametrize("argv", [["show"], ["show", "web", "-n", "db"]])
def test_no_name_or_two_names_are_a_usage_error(vmss: Vmss, argv: list[str]) -> None:
    assert vmss(*argv).code == 2


def test_what_is_not_there_has_exit_code_3(vmss: Vmss) -> None:
    outcome = vmss("show", "web")
    assert (outcome.code, "ResourceNotFound" in outcome.err) == (3, True)


def test_a_daemon_that_is_down_has_exit_code_5(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.is_down = True
    assert vmss("list").code == 5


def test_scale_sends_the_size_and_nothing_else_of_the_model(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web", properties={"overprovision": False})
    assert vmss("scale", "web", "--new-capacity", "5").code == 0
    [put] = daemon.sent("PUT")
    assert put.body == {"location": "local", "sku": {"name": "Lab_Micro", "capacity": 5}}


def test_delete_waits_and_a_set_that_is_not_there_is_deleted_already(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    assert vmss("delete", "web", "--force-deletion").out == "deleted web\n"
    assert daemon.sent("DELETE")[0].query["forceDeletion"] == "true"
    daemon.answers[("DELETE", "/web")] = lambda _: httpx.Response(204)
    outcome = vmss("delete", "web")
    assert (outcome.code, "no scale set web" in outcome.err) == (0, True)


def test_update_sends_only_the_difference_under_the_etag_it_read(vmss: Vmss, daemon: FakeDaemon) -> None:
    resource = daemon.add_set("web", properties={"scaleInPolicy": {"rules": ["Default"]}, "overprovision": False})
    outcome = vmss(
        "update", "web", "--scale-in-policy", "NewestVM", "--set", "sku.capacity=4", "--remove", "overprovision"
    )
    assert outcome.code == 0
    [put] = daemon.sent("PUT")
    assert put.body == {
        "location": "local",
        "sku": {"capacity": 4},
        "properties": {"scaleInPolicy": {"rules": ["NewestVM"]}, "overprovision": None},
    }
    assert put.headers["if-match"] == resource["etag"]


def test_update_reads_again_when_someone_else_was_faster(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    refused: list[Seen] = []

    def first_refused(seen: Seen) -> httpx.Response:
        refused.append(seen)
        del daemon.answers[("PUT", "/web")]
        daemon.add_set("web", tags={"by": "someone else"})
        return httpx.Response(412, json={"error": {"code": "PreconditionFailed", "message": "stale"}})

    daemon.answers[("PUT", "/web")] = first_refused
    assert vmss("update", "web", "--set", "sku.capacity=4").code == 0
    assert daemon.sets[("default", "web")]["tags"] == {"by": "someone else"}
    assert daemon.sets[("default", "web")]["sku"]["capacity"] == 4


def test_tags_are_replaced_as_a_whole(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web", tags={"a": "1", "b": "2"})
    vmss("update", "web", "--remove", "tags.a")
    vmss("update", "web", "--tags", "")
    assert [put.body["tags"] for put in daemon.sent("PUT")] == [{"b": "2"}, {}]


def test_automatic_repairs_are_switched_with_and_without_a_word(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    vmss("update", "web", "--enable-automatic-repairs", "--automatic-repairs-grace-period", "15")
    vmss("update", "web", "--enable-automatic-repairs", "false")
    first, second = [put.body["properties"]["automaticRepairsPolicy"] for put in daemon.sent("PUT")]
    assert (first, second) == ({"enabled": True, "gracePeriod": "PT15M"}, {"enabled": False})


def test_an_instance_is_protected_by_its_own_resource(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    vm = instance(3)
    daemon.answers[("GET", "/virtualMachines/3")] = lambda _: httpx.Response(200, json=vm)
    daemon.answers[("PUT", "/virtualMachines/3")] = lambda _: httpx.Response(200, json=vm)
    assert vmss("update", "web", "--instance-id", "3", "--protect-from-scale-in").code == 0
    assert daemon.sent("PUT")[0].body["properties"] == {"protectionPolicy": {"protectFromScaleIn": True}}


@pytest.mark.parametrize(
    "flags",
    [
        "",
        "--protect-from-scale-in true",
        "--instance-id 0 --vm-sku Lab_Small",
        "--set nonsense",
        "--remove nothing.there",
    ],
)
def test_an_update_that_makes_no_sense_writes_nothing(vmss: Vmss, daemon: FakeDaemon, flags: str) -> None:
    daemon.add_set("web")
    assert vmss("update", "web", *flags.split()).code == 2
    assert daemon.sent("PUT") == []


def test_the_instance_view_is_one_table_of_counts_states_and_extensions(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.add_set("web")
    view = {
        "virtualMachine": {"statusesSummary": [{"code": "ProvisioningState/succeeded", "count": 2}]},
        "extensions": [
            {"name": "web", "statusesSummary": [{"code": "ProvisioningState/succeeded", "count": 1}]},
            {"name": "health", "statuses": [{"code": "ProvisioningState/failed/3", "message": "exit code 3"}]},
        ],
        "orchestrationServices": [{"serviceName": "AutomaticRepairs", "serviceState": "Running"}],
    }
    daemon.answers[("GET", "/web/instanceView")] = lambda _: httpx.Response(200, json=view)
    lines = vmss("get-instance-view", "web").out.splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["ProvisioningState/succeeded", "2", "instances"],
        ["web:", "ProvisioningState/succeeded", "1", "instances"],
        ["health:", "ProvisioningState/failed/3", "exit", "code", "3"],
        ["AutomaticRepairs", "Running"],
    ]
    assert json.loads(vmss("get-instance-view", "web", "-o", "json").out) == view


def test_all_instances_views_come_from_one_list(vmss: Vmss, daemon: FakeDaemon, clock: FakeClock) -> None:
    daemon.add_set("web")
    daemon.instances["web"] = [instance(0), instance(1, "stopped")]
    query = "[].statuses[0].code"
    outcome = vmss("get-instance-view", "web", "--instance-id", "*", "--query", query, "-o", "tsv")
    assert outcome.out == "PowerState/running\nPowerState/stopped\n"
