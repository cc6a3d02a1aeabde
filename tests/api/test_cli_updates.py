"""``vmss update`` and ``vmss diff`` against the API itself, on a store in memory."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fake_world import SET, World, a_set, health_extension, script_extension, with_extensions

from orchestrator.cli.main import run
from orchestrator.cli.session import Wiring
from orchestrator.model.instance import Protection

Json = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Vmss = Callable[[str], Outcome]


@pytest.fixture
def vmss(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Vmss:
    """Runs one command line in this process against the API of ``world``."""
    monkeypatch.setenv("VMSS_ENDPOINT", "http://localhost")
    monkeypatch.setenv("VMSS_RESOURCE_GROUP", "rg")

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        reply = world.send(request.method, str(request.url), body, headers=dict(request.headers))
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    def call(line: str) -> Outcome:
        capsys.readouterr()
        try:
            code = run(shlex.split(line), Wiring(httpx.MockTransport(answer)))
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def populated(world: World) -> World:
    """A set ``web`` of three running instances with a script and a health check."""
    assert world.put(body=with_extensions(script_extension(), health_extension())).status_code == 201
    world.populate()
    return world


def properties(world: World) -> Json:
    found: Json = world.get(SET)["properties"]
    return found


SCRIPT = "virtualMachineProfile.extensionProfile.extensions[name=script]"


@pytest.mark.parametrize(
    ("flags", "path", "expected"),
    [
        ("--set scaleInPolicy.forceDeletion=true", "scaleInPolicy.forceDeletion", True),
        ("--set automaticRepairsPolicy.gracePeriod=PT5M", "automaticRepairsPolicy.gracePeriod", "PT5M"),
        ("--set properties.scaleInPolicy.rules[0]=OldestVM", "scaleInPolicy.rules", ["OldestVM"]),
        ("""--set 'scaleInPolicy={"rules":["NewestVM"]}'""", "scaleInPolicy.rules", ["NewestVM"]),
        (f"--set {SCRIPT}.properties.forceUpdateTag=7", f"{SCRIPT}.properties.forceUpdateTag", "7"),
        (f"--set {SCRIPT}.properties.typeHandlerVersion=2.0", f"{SCRIPT}.properties.typeHandlerVersion", "2.0"),
        (f"--add {SCRIPT}.properties.provisionAfterExtensions health", "EXTENSIONS[0].after", ["health"]),
    ],
)
def test_a_property_is_set_by_its_path(populated: World, vmss: Vmss, flags: str, path: str, expected: Any) -> None:
    outcome = vmss(f"update web {flags} --no-wait")
    assert outcome.code == 0, outcome.err
    shown = properties(populated)
    script = shown["virtualMachineProfile"]["extensionProfile"]["extensions"][0]["properties"]
    if path == "EXTENSIONS[0].after":
        assert script["provisionAfterExtensions"] == expected
    elif path.startswith(SCRIPT):
        assert script[path.rpartition(".")[2]] == expected
    else:
        first, second = path.split(".")
        assert shown[first][second] == expected


def test_several_changes_are_one_request(populated: World, vmss: Vmss) -> None:
    version = populated.record.version
    line = (
        "update web --set sku.capacity=5 tags.team=blue --set scaleInPolicy.rules[0]=OldestVM "
        "--add zones 1 --add zones 2 --remove virtualMachineProfile.extensionProfile.extensions 1 --no-wait"
    )
    outcome = vmss(line)
    assert outcome.code == 0, outcome.err
    shown = populated.get(SET)
    assert (shown["sku"]["capacity"], shown["tags"], shown["zones"]) == (5, {"team": "blue"}, ["1", "2"])
    extensions = shown["properties"]["virtualMachineProfile"]["extensionProfile"]["extensions"]
    assert [each["name"] for each in extensions] == ["script"]
    assert populated.record.version == version + 1


def test_an_element_is_removed_by_index_and_by_key_and_a_property_by_name(populated: World, vmss: Vmss) -> None:
    assert vmss("update web --set tags.a=1 tags.b=2 --no-wait").code == 0
    assert vmss("update web --remove tags.a --no-wait").code == 0
    assert populated.get(SET)["tags"] == {"b": "2"}
    assert vmss(f"update web --remove {SCRIPT} --no-wait").code == 0
    extensions = properties(populated)["virtualMachineProfile"]["extensionProfile"]["extensions"]
    assert [each["name"] for each in extensions] == ["health"]


def test_an_object_in_json_is_added_to_a_list(populated: World, vmss: Vmss) -> None:
    another = json.dumps(script_extension("script2", commandToExecute="true"))
    line = f"update web --remove {SCRIPT} --add virtualMachineProfile.extensionProfile.extensions '{another}'"
    outcome = vmss(f"{line} --no-wait")
    assert outcome.code == 0, outcome.err
    extensions = properties(populated)["virtualMachineProfile"]["extensionProfile"]["extensions"]
    assert [each["name"] for each in extensions] == ["health", "script2"]


@pytest.mark.parametrize(
    ("flags", "said", "code"),
    [
        ("--set upgradePolicy.mod=Rolling", "properties.upgradePolicy.mod", 1),
        ("--set nothing.there=1", "properties.nothing", 1),
        ("--set sku.capacity=many", "sku.capacity", 1),
        ("--set sku.capacity=3 --force-string --set scaleInPolicy.forceDeletion=perhaps", "forceDeletion", 1),
        ("--set orchestrationMode=Flexible", "orchestrationMode", 1),
        ("--set scaleInPolicy.rules[3]=OldestVM", "the list has", 2),
        ("--remove scaleInPolicy.nothing", "there is no such property", 2),
        ("--add sku x", "is not a list", 2),
        ("--instance-id 9 --set protectionPolicy.protectFromScaleIn=true", "was not found", 3),
        ("--instance-id 1 --set osProfile.computerName=evil", "PropertyChangeNotAllowed", 1),
    ],
)
def test_a_path_that_is_wrong_is_named_and_changes_nothing(
    populated: World, vmss: Vmss, flags: str, said: str, code: int
) -> None:
    before = populated.get(SET)
    outcome = vmss(f"update web {flags} --no-wait")
    assert (outcome.code, said in outcome.err) == (code, True), outcome.err
    assert populated.get(SET) == before


def test_an_etag_of_the_callers_own_is_honoured_and_not_tried_again(populated: World, vmss: Vmss) -> None:
    old = populated.get(SET)["etag"]
    assert vmss(f"update web --set sku.capacity=4 --if-match '{old}' --no-wait").code == 0
    stale = vmss(f"update web --set sku.capacity=6 --if-match '{old}' --no-wait")
    assert (stale.code, "PreconditionFailed" in stale.err) == (1, True)
    assert vmss("update web --set sku.capacity=6 --if-none-match '*' --no-wait").code == 1
    assert populated.record.capacity == 4
    assert vmss("update web --set sku.capacity=6 --if-match '*' --no-wait").code == 0
    assert populated.record.capacity == 6


def test_one_instances_protection_is_set_and_removed_by_its_path(populated: World, vmss: Vmss) -> None:
    line = "update web --instance-id 1 --set protectionPolicy.protectFromScaleSetActions=true"
    assert vmss(line).code == 0
    assert populated.rows()[1].protection == Protection(True, True)
    assert vmss("update web --instance-id 1 --remove protectionPolicy").code == 0
    assert populated.rows()[1].protection == Protection()
    etag = populated.get(f"{SET}/virtualMachines/1")["etag"]
    assert vmss("update web --instance-id 1 --protect-from-scale-in").code == 0
    assert vmss(f"update web --instance-id 1 --remove protectionPolicy --if-match '{etag}'").code == 1
    assert populated.rows()[1].protection.from_scale_in


# Model against applied


def differences(world: World, instance_id: str = "0") -> Json:
    return world.get(f"{SET}/virtualMachines/{instance_id}/difference")


def test_an_instance_on_the_newest_model_differs_in_nothing(populated: World, vmss: Vmss) -> None:
    assert differences(populated) == {
        "instanceId": "0",
        "latestModelApplied": True,
        "modelVersion": 1,
        "latestModelVersion": 1,
        "differences": [],
    }
    assert vmss("diff -n web").out == "nothing differs: every instance is on the newest model\n"


@pytest.mark.parametrize(
    ("assignment", "path", "applied_by"),
    [
        ("sku.name=Lab_Small", "sku.name", "restart"),
        (
            "virtualMachineProfile.osProfile.customData=aGk=",
            "properties.virtualMachineProfile.osProfile.customData",
            "reimage",
        ),
        (
            f"{SCRIPT}.properties.settings.commandToExecute=false",
            "properties.virtualMachineProfile.extensionProfile.extensions[script].properties.settings.commandToExecute",
            "in place",
        ),
    ],
)
def test_what_differs_is_told_with_what_would_apply_it(
    populated: World, vmss: Vmss, assignment: str, path: str, applied_by: str
) -> None:
    outcome = vmss(f"update web --set {assignment} --no-wait --force-string")
    assert outcome.code == 0, outcome.err
    found = differences(populated)
    assert (found["latestModelApplied"], found["appliedBy"]) == (False, applied_by)
    assert [each["property"] for each in found["differences"]] == [path]
    assert found["command"] == "vmss update-instances web --instance-ids 0 --resource-group rg"
    shown = vmss("diff -n web --instance-id 0").out
    assert path in shown.replace("\n", "")
    assert "to apply to 0: vmss update-instances web --instance-ids 0" in shown


def test_both_values_are_told_and_write_only_ones_never(populated: World, vmss: Vmss) -> None:
    secret = json.dumps({"commandToExecute": "s3cret"})
    outcome = vmss(
        f"update web --no-wait --set sku.name=Lab_Small virtualMachineProfile.osProfile.customData=czNjcmV0 "
        f"--remove {SCRIPT}.properties.settings --set '{SCRIPT}.properties.protectedSettings={secret}'"
    )
    assert outcome.code == 0, outcome.err
    found = {each["property"]: each for each in differences(populated)["differences"]}
    assert (found["sku.name"]["applied"], found["sku.name"]["wanted"]) == ("Lab_Micro", "Lab_Small")
    hidden = [name for name, each in found.items() if each["wanted"] == "(hidden)"]
    assert [name.rpartition(".")[2] for name in sorted(hidden)] == ["protectedSettings", "customData"]
    everything = json.dumps(populated.get(f"{SET}/differences"))
    assert "s3cret" not in everything
    assert "czNjcmV0" not in everything


def test_the_set_lists_every_instance_and_the_command_line_those_behind(populated: World, vmss: Vmss) -> None:
    assert vmss("update web --set sku.name=Lab_Small --no-wait").code == 0
    populated.change(1, model_version=2)
    listed = populated.get(f"{SET}/differences")["value"]
    assert [each["latestModelApplied"] for each in listed] == [False, True, False]
    shown = vmss("diff web").out
    assert "to apply to 0:" in shown
    assert "to apply to 1:" not in shown
    assert json.loads(vmss("diff web -o json").out) == listed


def test_a_model_that_is_kept_no_more_may_differ_in_all(populated: World, vmss: Vmss) -> None:
    populated.change(0, model_version=0)
    found = differences(populated)
    assert (found["differences"], found["appliedBy"]) == (None, "reimage")
    assert "model 0 is not kept any more" in vmss("diff web").out


def test_capacity_policies_and_tags_are_no_difference(populated: World, vmss: Vmss) -> None:
    assert vmss("update web --set sku.capacity=9 tags.a=b scaleInPolicy.rules[0]=OldestVM --no-wait").code == 0
    assert differences(populated)["latestModelApplied"] is True


def test_a_flexible_instance_is_diffed_by_name(world: World, vmss: Vmss) -> None:
    assert world.put(body=a_set(orchestrationMode="Flexible")).status_code == 201
    world.populate(1)
    [vm] = world.get(f"{SET}/virtualMachines")["value"]
    assert vmss("update web --set sku.name=Lab_Small --no-wait").code == 0
    assert f"update-instances web --instance-ids {vm['name']}" in vmss(f"diff web --instance-id {vm['name']}").out
    assert vmss(f"restart web --instance-ids {vm['name']} --no-wait").code == 0
    assert world.rows()[0].restarts_wanted == 1
