"""The network verbs of az that a scale set needs, as Azure's documentation writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from az_client import Az

GROUP = "fronts"


@pytest.fixture(scope="module", autouse=True)
def group(az: Az) -> Iterator[str]:
    az.line(f"az group create -n {GROUP} -l local")
    yield GROUP
    az.line(f"az group delete -n {GROUP} --yes")


def shown(az: Az, text: str) -> dict[str, Any]:
    found: dict[str, Any] = az.line(text)
    return found


def test_a_virtual_network_and_its_subnets(az: Az) -> None:
    made = shown(
        az,
        f"az network vnet create -g {GROUP} -n net --address-prefixes 10.40.0.0/16 "
        "--subnet-name one --subnet-prefixes 10.40.1.0/24",
    )
    assert made["newVNet"]["subnets"][0]["addressPrefix"] == "10.40.1.0/24"
    az.line(f"az network vnet subnet create -g {GROUP} --vnet-name net -n two --address-prefixes 10.40.2.0/24")
    names = [each["name"] for each in az.line(f"az network vnet subnet list -g {GROUP} --vnet-name net")]
    assert names == ["one", "two"]
    refused = az.refused(
        f"az network vnet subnet create -g {GROUP} --vnet-name net -n three --address-prefixes 10.40.2.0/25"
    )
    assert "Overlap" in refused or "overlap" in refused
    assert len(az.line(f"az network vnet subnet list -g {GROUP} --vnet-name net")) == 2, "nothing is half made"


def test_a_public_address_is_given_and_kept(az: Az) -> None:
    made = shown(az, f"az network public-ip create -g {GROUP} -n ip --sku Standard --allocation-method Static")
    address = made["publicIp"]["ipAddress"]
    assert address.startswith("10.91.")
    assert shown(az, f"az network public-ip show -g {GROUP} -n ip")["ipAddress"] == address


def test_a_balancer_with_its_parts(az: Az) -> None:
    az.line(
        f"az network lb create -g {GROUP} -n lb --sku Standard --public-ip-address ip --frontend-ip-name front "
        "--backend-pool-name pool"
    )
    on = f"-g {GROUP} --lb-name lb"
    az.line(
        f"az network lb probe create {on} -n well --protocol Http --port 80 --path /healthz --interval 5 "
        "--probe-threshold 2"
    )
    az.line(
        f"az network lb rule create {on} -n web --protocol Tcp --frontend-port 80 --backend-port 8080 "
        "--frontend-ip-name front --backend-pool-name pool --probe-name well --idle-timeout 10"
    )
    az.line(f"az network lb address-pool create {on} -n other")
    az.line(
        f"az network lb inbound-nat-pool create {on} -n ssh --protocol Tcp --frontend-port-range-start 50000 "
        "--frontend-port-range-end 50119 --backend-port 22 --frontend-ip-name front"
    )
    balancer = shown(az, f"az network lb show -g {GROUP} -n lb")
    [rule] = balancer["loadBalancingRules"]
    assert (rule["frontendPort"], rule["backendPort"], rule["idleTimeoutInMinutes"]) == (80, 8080, 10)
    assert rule["probe"]["id"].endswith("/probes/well")
    assert [each["name"] for each in az.line(f"az network lb address-pool list {on}")] == ["pool", "other"]
    assert [each["name"] for each in az.line(f"az network lb inbound-nat-pool list {on}")] == ["ssh"]
    az.line(f"az network lb rule update {on} -n web --backend-port 80")
    assert shown(az, f"az network lb rule show {on} -n web")["backendPort"] == 80
    az.line(f"az network lb address-pool delete {on} -n other")


def test_what_is_wrong_with_a_balancer_is_said_and_changes_nothing(az: Az) -> None:
    on = f"-g {GROUP} --lb-name lb"
    before = shown(az, f"az network lb show -g {GROUP} -n lb")
    taken = az.refused(
        f"az network lb rule create {on} -n twice --protocol Tcp --frontend-port 80 --backend-port 81 "
        "--frontend-ip-name front --backend-pool-name pool"
    )
    assert "RulesUseSameFrontendPortProtocolAndVIP" in taken
    unknown = az.refused(
        f"az network lb rule create {on} -n nobody --protocol Tcp --frontend-port 81 --backend-port 81 "
        "--frontend-ip-name front --backend-pool-name nobodys"
    )
    assert "nobodys" in unknown
    assert "well" in az.refused(f"az network lb probe delete {on} -n well")
    assert az.refused(f"az network public-ip delete -g {GROUP} -n ip")
    after = shown(az, f"az network lb show -g {GROUP} -n lb")
    assert json.dumps(after, sort_keys=True) == json.dumps(before, sort_keys=True)


def test_a_security_group_and_its_rules(az: Az) -> None:
    az.line(f"az network nsg create -g {GROUP} -n guard")
    az.line(
        f"az network nsg rule create -g {GROUP} --nsg-name guard -n web --priority 100 --access Allow "
        "--protocol Tcp --destination-port-ranges 80"
    )
    az.line(f"az network nsg rule update -g {GROUP} --nsg-name guard -n web --access Deny")
    [rule] = az.line(f"az network nsg rule list -g {GROUP} --nsg-name guard")
    assert (rule["access"], rule["destinationPortRange"]) == ("Deny", "80")


def test_an_application_gateway(az: Az) -> None:
    az.line(f"az network public-ip create -g {GROUP} -n gate --sku Standard --allocation-method Static")
    az.line(
        f"az network application-gateway create -g {GROUP} -n gate --sku Standard_v2 --capacity 1 "
        "--public-ip-address gate --vnet-name net --subnet one --http-settings-port 80 --frontend-port 80 "
        "--priority 100"
    )
    made = shown(az, f"az network application-gateway show -g {GROUP} -n gate")
    assert made["requestRoutingRules"][0]["priority"] == 100
    assert made["backendAddressPools"]
    az.line(f"az network application-gateway delete -g {GROUP} -n gate")
