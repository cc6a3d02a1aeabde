from __future__ import annotations

from typing import Any

import httpx
import pytest
from fake_cli_daemon import FakeDaemon, Vmss, instance


@pytest.fixture(autouse=True)
def web(daemon: FakeDaemon) -> None:
    daemon.add_set("web")


@pytest.mark.parametrize(
    ("line", "ending", "body"),
    [
        ("start web", "/start", None),
        ("start web --instance-ids 0 4", "/start", {"instanceIds": ["0", "4"]}),
        ("restart web --instance-ids *", "/restart", None),
        ("deallocate web --instance-ids 7", "/deallocate", {"instanceIds": ["7"]}),
        ("reimage --instance-ids 1 2 -n web", "/reimage", {"instanceIds": ["1", "2"]}),
        ("delete-instances web --instance-ids 1", "/delete", {"instanceIds": ["1"]}),
        ("delete-instances web --instance-ids *", "/delete", {"instanceIds": ["*"]}),
        ("update-instances web --instance-ids *", "/manualupgrade", {"instanceIds": ["*"]}),
    ],
)
def test_a_verb_is_posted_for_the_named_instances_or_for_all(
    vmss: Vmss, daemon: FakeDaemon, line: str, ending: str, body: Any
) -> None:
    outcome = vmss(*line.split())
    assert outcome.code == 0, outcome.err
    [post] = daemon.sent("POST")
    assert post.path.endswith(f"/virtualMachineScaleSets/web{ending}")
    assert post.body == body
    assert outcome.out.endswith("done\n")


@pytest.mark.parametrize(("flags", "skip"), [([], "false"), (["--skip-shutdown"], "true")])
def test_stop_says_whether_the_guest_is_asked_first(
    vmss: Vmss, daemon: FakeDaemon, flags: list[str], skip: str
) -> None:
    vmss("stop", "web", *flags)
    [post] = daemon.sent("POST")
    assert (post.path.rsplit("/", 1)[1], post.query["skipShutdown"]) == ("poweroff", skip)


@pytest.mark.parametrize(
    "line",
    [
        "delete-instances web",
        "delete-instances web --instance-ids",
        "delete-instances --instance-ids 0 web",
        "delete-instances web --instance-ids -1",
        "start web --instance-ids 0 *",
        "start web --instance-ids=",
    ],
)
def test_ids_that_are_none_never_become_all(vmss: Vmss, daemon: FakeDaemon, line: str) -> None:
    assert vmss(*line.split()).code == 2
    assert daemon.sent("POST") == []


def test_a_failed_operation_prints_its_reason_and_exits_with_1(vmss: Vmss, daemon: FakeDaemon) -> None:
    daemon.operation_error = {"code": "HostUnreachable", "message": "h2 does not answer"}
    outcome = vmss("restart", "web")
    assert (outcome.code, outcome.out) == (1, "")
    assert "error: HostUnreachable: h2 does not answer" in outcome.err


def test_instances_are_listed_with_power_health_place_and_protection(vmss: Vmss, daemon: FakeDaemon) -> None:
    vm = instance(4, health="healthy", assignedHost="h2", platformFaultDomain=1)
    vm["properties"]["protectionPolicy"] = {"protectFromScaleIn": True}
    failed = instance(5, state="Failed")
    failed["properties"]["instanceView"]["statuses"][0] |= {"level": "Error", "message": "memory ran out on h1"}
    daemon.instances["web"] = [vm, failed]
    outcome = vmss("list-instances", "web")
    header, first, second = outcome.out.splitlines()
    assert first.split()[:6] == ["4", "web_4", "Succeeded", "running", "healthy", "h2"]
    assert first[header.index("Protected") :] == "scale-in"
    assert second.endswith("memory ran out on h1")
    assert daemon.requests[-1].query["$expand"] == "instanceView"


def test_a_filter_reaches_the_daemon_as_it_is(vmss: Vmss, daemon: FakeDaemon) -> None:
    vmss("list-instances", "web", "--filter", "properties/latestModelApplied eq false")
    assert daemon.requests[-1].query["$filter"] == "properties/latestModelApplied eq false"


@pytest.mark.parametrize(("word", "done"), [("suspend", "suspended"), ("RESUME", "resumed")])
def test_repairs_are_suspended_and_resumed(vmss: Vmss, daemon: FakeDaemon, word: str, done: str) -> None:
    outcome = vmss("set-orchestration-service-state", "web", "--action", word)
    [post] = daemon.sent("POST")
    assert post.body == {"serviceName": "AutomaticRepairs", "action": word.capitalize()}
    assert done in outcome.out


def test_extension_set_takes_the_types_own_publisher_and_version(vmss: Vmss, daemon: FakeDaemon) -> None:
    path = "/web/extensions/hello"
    daemon.answers[("PUT", path)] = lambda seen: httpx.Response(200, json=seen.body, headers=daemon.begun())
    daemon.answers[("GET", path)] = lambda _: httpx.Response(200, json=daemon.sent("PUT")[0].body)
    outcome = vmss(
        *("extension", "set", "--vmss-name", "web", "-n", "customscript", "--extension-instance-name", "hello"),
        "--settings",
        '{"commandToExecute": "true"}',
        "--protected-settings",
        '{"fileUris": []}',
    )
    assert outcome.code == 0, outcome.err
    assert daemon.sent("PUT")[0].body == {
        "name": "hello",
        "properties": {
            "publisher": "Microsoft.Azure.Extensions",
            "type": "CustomScript",
            "typeHandlerVersion": "2.1",
            "autoUpgradeMinorVersion": True,
            "settings": {"commandToExecute": "true"},
            "protectedSettings": {"fileUris": []},
        },
    }


def test_forcing_an_extension_gives_it_a_new_tag_each_time(vmss: Vmss, daemon: FakeDaemon) -> None:
    path = "/web/extensions/CustomScript"
    daemon.answers[("PUT", path)] = lambda seen: httpx.Response(200, json=seen.body)
    daemon.answers[("GET", path)] = lambda seen: httpx.Response(200, json=daemon.sent("PUT")[-1].body)
    for _ in range(2):
        vmss("extension", "set", "web", "-n", "CustomScript", "--force-update")
    first, second = (put.body["properties"]["forceUpdateTag"] for put in daemon.sent("PUT"))
    assert first != second


@pytest.mark.parametrize("settings", ["{", "[]", "@/no/such/file"])
def test_settings_that_are_no_json_object_are_refused(vmss: Vmss, daemon: FakeDaemon, settings: str) -> None:
    assert vmss("extension", "set", "web", "-n", "CustomScript", "--settings", settings).code == 2
    assert daemon.sent("PUT") == []
