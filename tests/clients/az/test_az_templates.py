"""The templates of docs/templates by az on real guests: what-if first, then the deployment, then a look."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from az_client import Az
from system import Daemon, TestedSet, wait_for

from tests.clients.az.conftest import ROOT

GROUP = "templates"
FOLDER = ROOT / "docs/templates"


@pytest.fixture(autouse=True)
def group(az: Az) -> Iterator[None]:
    az.line(f"az group create -n {GROUP} -l local")
    yield
    az.line(f"az group delete -n {GROUP} --yes")


def files(name: str, *changes: str) -> str:
    more = " ".join(changes)
    return f"-g {GROUP} --template-file {FOLDER}/{name}.json --parameters @{FOLDER}/{name}.parameters.json {more}"


def deploy(az: Az, name: str, *changes: str) -> dict[str, object]:
    foretold = az.line(f"az deployment group what-if {files(name, *changes)} --no-pretty-print")
    kinds = {each["changeType"] for each in foretold["changes"]}
    assert kinds == {"Create"}
    assert az.line(f"az resource list -g {GROUP}") == []
    az.line(f"az deployment group validate {files(name, *changes)}")
    done = az.line(f"az deployment group create -n {name} {files(name, *changes)}")
    assert done["properties"]["provisioningState"] == "Succeeded"
    made = {each["id"].lower() for each in done["properties"]["outputResources"]}
    assert made <= {each["resourceId"].lower() for each in foretold["changes"]}
    operations = az.line(f"az deployment operation group list -g {GROUP} -n {name}")
    assert {each["properties"]["provisioningState"] for each in operations} == {"Succeeded"}
    outputs: dict[str, object] = done["properties"]["outputs"]
    return outputs


def test_a_set_with_a_custom_script_and_a_balancer(az: Az, daemon: Daemon) -> None:
    deploy(az, "web-custom-script")
    scale_set = TestedSet(daemon, "shop", GROUP)
    pages = {scale_set.fetch(number).strip() for number in scale_set.ids()}
    assert len(pages) == 2 and all(page.startswith("served by shop") for page in pages)
    text = az(*f"deployment group what-if {files('web-custom-script', 'instanceCount=1')}".split())
    assert "sku.capacity" in text and "-" in text, "az prints it for people, too"
    exported = az.line(f"az deployment group export -g {GROUP} -n web-custom-script")
    assert exported == json.loads((FOLDER / "web-custom-script.json").read_text())


def test_a_set_with_autoscale(az: Az, daemon: Daemon) -> None:
    deploy(az, "autoscale", "instanceCount=1")
    assert TestedSet(daemon, "busy", GROUP).ids() == [0]
    [setting] = az.line(f"az monitor autoscale list -g {GROUP}")
    assert setting["profiles"][0]["capacity"]["maximum"] == "3"


def test_a_zonal_set_with_health_and_repairs(az: Az, daemon: Daemon) -> None:
    deploy(az, "zonal-health-repairs")
    scale_set = TestedSet(daemon, "calm", GROUP)
    wait_for(lambda: scale_set.are_ready(0, 1, 2, is_healthy=True), "all are healthy")
    assert {each["zones"][0] for each in az.line(f"az vmss list-instances -g {GROUP} -n calm")} == {"1", "2", "3"}


def test_what_is_wrong_is_said_cleanly_and_nothing_is_made(az: Az) -> None:
    said = az.refused(f"az deployment group create -n bad {files('autoscale', 'vmSku=No_Such_Size')}")
    assert "No_Such_Size" in said and "Traceback" not in said
    assert az.line(f"az resource list -g {GROUP}") == []
    said = az.refused(
        f"az vmss create -g {GROUP} -n bad --image Micro --vm-sku No_Such_Size --admin-username azureuser "
        "--generate-ssh-keys --orchestration-mode Uniform"
    )
    assert "No_Such_Size" in said and "Traceback" not in said
