"""One daemon on simulated hosts, a small world in it, and schemathesis let loose on it."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.api.test_cli_daemon import Daemon

Json = dict[str, Any]
V = "?api-version=2024-11-01"
HOOKS = Path(__file__).with_name("hooks.py")
SET = (
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute"
    "/virtualMachineScaleSets/{vmScaleSetName}"
)
DEPLOYMENT = (
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Resources"
    "/deployments/{name}"
)
_NETWORK = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Network"
_ONE_OF = {
    "virtualNetworks": "virtualNetwork",
    "publicIPAddresses": "publicIPAddress",
    "loadBalancers": "loadBalancer",
    "networkSecurityGroups": "networkSecurityGroup",
}
_RULE = {"protocol": "Tcp", "access": "Allow", "direction": "Inbound", "priority": 100}
_ANY = {
    "sourcePortRange": "*",
    "destinationPortRange": "22",
    "sourceAddressPrefix": "*",
    "destinationAddressPrefix": "*",
}
NETWORK: dict[str, Json] = {
    "virtualNetworks/net": {
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": "one", "properties": {"addressPrefix": "10.0.0.0/24"}}],
        }
    },
    "publicIPAddresses/address": {
        "properties": {"publicIPAllocationMethod": "Static"},
        "sku": {"name": "Standard"},
    },
    "loadBalancers/balancer": {
        "sku": {"name": "Standard"},
        "properties": {
            "backendAddressPools": [{"name": "one"}],
            "probes": [{"name": "one", "properties": {"protocol": "Tcp", "port": 80}}],
        },
    },
    "networkSecurityGroups/guard": {
        "properties": {"securityRules": [{"name": "one", "properties": {**_RULE, **_ANY}}]}
    },
}
SPARE: Json = {
    "resourceGroups": ["spare-a", "spare-b"],
    "virtualMachineScaleSets": ["spare0", "spare1"],
    "hosts": ["spare"],
    "principals": ["somebody", "nobody"],
    "runCommands": ["spare"],
    "deployments": ["spare"],
}
"""What may be lost."""
# Those that say what a caller should have sent, or follow ids that others delete meanwhile, do not fit an API that
# reads numbers and booleans as text, too, and is asked by several at once.
_NOT_CHECKED = (
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "use_after_free",
    "ensure_resource_availability",
    "object_level_authorization",
)
_ANSWER_WITHIN_S = 5


@dataclass(frozen=True)
class Storm:
    """One run of schemathesis, and the folder with what it says."""

    process: subprocess.Popen[bytes]
    folder: Path

    def end(self) -> None:
        """At once, if it has not ended by itself."""
        self.process.kill()
        self.process.wait()

    def requests(self, within_s: float) -> int:
        """How many it sent, once it has ended. Raises ``AssertionError`` with what it found."""
        code = self.process.wait(within_s)
        said = (self.folder / "out").read_text()
        assert code == 0, said[-20_000:]
        report = json.loads((self.folder / "report.json").read_text())
        print(f"{self.folder.name}: {report}")
        return int(report["requests"])


class Endpoint:
    """The daemon's HTTPS port, as one principal asks it."""

    def __init__(self, daemon: Daemon) -> None:
        transport = httpx.HTTPTransport(uds=str(daemon.socket))
        with httpx.Client(transport=transport, base_url="http://vmssd", timeout=30) as first:
            first.get("/metadata/endpoints")  # it is answered when the daemon has made all that it needs
        self.folder = daemon.socket.parent
        self.owner: Json = json.loads((self.folder / "state" / "owner.json").read_text())
        context = ssl.create_default_context(cafile=self.owner["caFile"])
        self.http = httpx.Client(base_url=self.owner["endpoint"], verify=context, trust_env=False, timeout=30)
        self.token = self.log_in(self.owner["clientId"], self.owner["clientSecret"])

    def log_in(self, client_id: str, secret: str) -> str:
        form = {"client_id": client_id, "client_secret": secret, "grant_type": "client_credentials"}
        form["scope"] = f"{self.owner['endpoint']}/.default"
        return str(self.http.post("/adfs/oauth2/token", data=form).json()["access_token"])

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        return self.http.request(method, path if "?" in path else path + V, json=body, headers=headers)

    def made(self, method: str, path: str, body: Any = None) -> Json:
        """Ask for it, and wait until it is done."""
        answer = self.ask(method, path, body)
        assert answer.status_code < 400, f"{method} {path}: {answer.text}"
        if link := answer.headers.get("azure-asyncoperation"):
            self.wait(link)
        return dict(answer.json()) if answer.content else {}

    def wait(self, link: str, within_s: float = 60.0) -> Json:
        deadline = time.monotonic() + within_s
        while True:
            found: Json = self.ask("GET", link).json()
            if found["status"] != "InProgress":
                return found
            assert time.monotonic() < deadline, found
            time.sleep(0.05)

    def all_of(self, path: str) -> list[Json]:
        """A list, over all its pages."""
        page: Json = self.ask("GET", path).json()
        found: list[Json] = list(page["value"])
        while "nextLink" in page:
            page = self.ask("GET", page["nextLink"]).json()
            found += page["value"]
        return found

    def document(self) -> Json:
        found: Json = self.ask("GET", "/openapi.json?").json()
        return found

    def close(self) -> None:
        self.http.close()


def a_daemon(folder: Path) -> Daemon:
    """With limits that no storm reaches, on a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    limits = {"reads_per_minute": 10_000_000, "writes_per_minute": 10_000_000}
    return Daemon(folder, https_listen=f"127.0.0.1:{port}", **limits)


def a_set(mode: str = "Uniform") -> Json:
    script = {"publisher": "Microsoft.Azure.Extensions", "type": "CustomScript", "typeHandlerVersion": "2.1"}
    script["settings"] = {"commandToExecute": "true"}  # type: ignore[assignment]
    return {
        "location": "local",
        "sku": {"name": "Lab_Micro", "capacity": 2},
        "properties": {
            "orchestrationMode": mode,
            "upgradePolicy": {"mode": "Manual"},
            "virtualMachineProfile": {
                "osProfile": {"adminUsername": "azureuser"},
                "storageProfile": {"imageReference": {"publisher": "vmss", "offer": "micro", "sku": "1"}},
                "extensionProfile": {"extensions": [{"name": "script", "properties": script}]},
            },
        },
    }


def make_world(endpoint: Endpoint) -> Json:
    """Groups, sets, instances and the rest, and their names for the hooks."""
    subscription = f"/subscriptions/{endpoint.owner['subscriptionId']}"
    for group in ("rg", "other"):
        endpoint.made("PUT", f"{subscription}/resourceGroups/{group}", {"location": "local", "tags": {"a": "b"}})
    sets = f"{subscription}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachineScaleSets"
    endpoint.made("PUT", f"{sets}/web", a_set())
    endpoint.made("PUT", f"{sets}/flex", a_set("Flexible"))
    made = endpoint.made("PUT", f"{sets}/web/virtualMachines/0/extensions/own", an_extension())
    assert made["name"] == "own"
    endpoint.made("PUT", f"{sets}/web/virtualMachines/0/runCommands/look", a_run_command())
    network = f"{subscription}/resourceGroups/rg/providers/Microsoft.Network"
    for kind, body in NETWORK.items():
        endpoint.made("PUT", f"{network}/{kind}", {"location": "local", **body})
    running = endpoint.ask("POST", f"{sets}/web/start").headers["azure-asyncoperation"]
    return {
        "endpoint": endpoint.owner["endpoint"],
        "caFile": endpoint.owner["caFile"],
        "token": endpoint.token,
        "sets": {
            name: {"set": f"{sets}/{name}{V}", "list": f"{sets}/{name}/virtualMachines{V}"}
            for name in ("web", "flex")
        },
        "kept": ["rg", "web", "flex", "owner", "h0", "h1", "h2"],
        "there": _names(endpoint, httpx.URL(running).path.rpartition("/")[2]),
        "spare": SPARE,
        "bodies": _bodies(),
    }


def _names(endpoint: Endpoint, operation_id: str) -> Json:
    """What is there, by the part of a path that it follows."""
    return {
        "subscriptions": [endpoint.owner["subscriptionId"]],
        "resourceGroups": ["rg", "rg", "rg", "other"],
        "virtualMachineScaleSets": ["web", "web", "web", "web", "flex", "flex", "flex"],
        "locations": ["local"],
        "operations": [operation_id],
        "operationResults": [operation_id],
        "extensions": ["script", "own"],
        "runCommands": ["look"],
        "rollingUpgrades": ["latest", "cancel"],
        "tags": ["default"],
        "providers": ["Microsoft.Compute", "Microsoft.Resources"],
        "adfs": [endpoint.owner["tenantId"], "common"],
        "": [endpoint.owner["tenantId"], "common"],
        "hosts": ["h0", "h1", "h2"],
        "principals": ["owner"],
        "images": ["micro"],
        "deployments": ["first"],
        **{kind: [name] for kind, name in (path.split("/") for path in NETWORK)},
        **{kind: ["one"] for kind in ("subnets", "backendAddressPools", "probes", "securityRules")},
    }


def _bodies() -> Json:
    """For each request, one that is right."""
    return {
        f"PUT {SET}": a_set(),
        f"PATCH {SET}": a_set(),
        f"PUT {SET}/extensions/{{extension}}": an_extension(),
        f"PUT {SET}/virtualMachines/{{instanceId}}/extensions/{{extension}}": an_extension(),
        f"PUT {SET}/virtualMachines/{{instanceId}}/runCommands/{{command}}": a_run_command(),
        "PUT /subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}": {"location": "local"},
        "PUT /providers/Vmss.Local/hosts/{name}": {"uri": "simulated:///"},
        f"PUT {DEPLOYMENT}": a_deployment(),
        f"POST {DEPLOYMENT}/validate": a_deployment(),
        f"POST {DEPLOYMENT}/whatIf": a_deployment(),
        **{
            f"PUT {_NETWORK}/{kind}/{{{_ONE_OF[kind]}Name}}": {"location": "local", **body}
            for kind, body in ((path.partition("/")[0], body) for path, body in NETWORK.items())
        },
    }


def a_deployment() -> Json:
    address = {"type": "Microsoft.Network/publicIPAddresses", "apiVersion": "2022-01-01", "name": "deployed"}
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [{**address, "location": "[resourceGroup().location]"}],
    }
    return {"properties": {"mode": "Incremental", "template": template}}


def an_extension() -> Json:
    given = {"publisher": "Microsoft.Azure.Extensions", "type": "CustomScript", "typeHandlerVersion": "2.1"}
    return {"properties": {**given, "settings": {"commandToExecute": "true"}}}


def a_run_command() -> Json:
    return {"location": "local", "properties": {"source": {"script": "true"}}}


def storm(endpoint: Endpoint, world: Json, *, python: Path, seed: int, examples: int, within_s: int) -> Storm:
    """Begin one run of schemathesis, of so many examples for each operation, in so many seconds at most."""
    folder = endpoint.folder / f"storm-{seed}"
    folder.mkdir()
    (folder / "openapi.json").write_text(json.dumps(endpoint.document()))
    (folder / "world.json").write_text(json.dumps(world))
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": str(HOOKS),
        "VMSS_FUZZ_WORLD": str(folder / "world.json"),
        "VMSS_FUZZ_REPORT": str(folder / "report.json"),
        "VMSS_FUZZ_SEED": str(seed),
    }
    command = [str(python), "-m", "schemathesis.cli", "run", str(folder / "openapi.json")]
    command += ["--url", endpoint.owner["endpoint"], "--tls-verify", endpoint.owner["caFile"]]
    command += ["-H", f"Authorization: Bearer {endpoint.token}", "--seed", str(seed), "-n", str(examples)]
    command += ["--max-time", str(within_s), "--exclude-checks", ",".join(_NOT_CHECKED)]
    command += ["--max-response-time", str(_ANSWER_WITHIN_S), "--request-timeout", "20", "--continue-on-failure"]
    command += ["--no-shrink", "--generation-database", "none", "--suppress-health-check", "all"]
    command += ["--warnings", "off", "--no-color", "--output-truncate", "true"]
    with (folder / "out").open("wb") as out:
        return Storm(subprocess.Popen(command, env=environment, stdout=out, stderr=out, cwd=folder), folder)
