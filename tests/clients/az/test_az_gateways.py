"""Application gateways as Azure's documentation makes them with az: by a template, and then part by part."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from az_client import Az

from tests.network.certificate_files import authority, signed

GROUP = "gates"
PASSWORD = "Canary-Pa55word"
_GATEWAY = f"az network application-gateway {{}} -g {GROUP} --gateway-name gate"


@pytest.fixture(scope="module", autouse=True)
def group(az: Az) -> Iterator[str]:
    az.line(f"az group create -n {GROUP} -l local")
    yield GROUP
    az.line(f"az group delete -n {GROUP} --yes")


def a_file(folder: Path, host: str) -> Path:
    path = folder / f"{host}.pfx"
    path.write_bytes(base64.b64decode(signed(host, authority()).pfx(PASSWORD)))
    return path


def on(verb: str, rest: str) -> str:
    return f"{_GATEWAY.format(verb)} {rest}"


def test_a_gateway_with_certificates_redirects_and_probes(az: Az, tmp_path: Path) -> None:
    one, two = a_file(tmp_path, "one.example"), a_file(tmp_path, "two.example")
    az.line(
        f"az network application-gateway create -g {GROUP} -n gate --sku Standard_v2 --priority 100 "
        "--public-ip-address ip --vnet-name net --subnet apps --vnet-address-prefix 10.60.0.0/16 "
        f"--subnet-address-prefix 10.60.0.0/24 --cert-file {one} --cert-password {PASSWORD} --frontend-port 443 "
        "--http2 Enabled"
    )
    az.line(on("ssl-cert create", f"-n two --cert-file {two} --cert-password {PASSWORD}"))
    said = az.refused(on("ssl-cert create", f"-n bad --cert-file {two} --cert-password wrong"))
    assert "ApplicationGatewaySslCertificateInvalidDataOrPassword" in said
    front = "--frontend-ip appGatewayFrontendIP"
    safe = "--frontend-port appGatewayFrontendPort --ssl-cert two --host-name two.example"
    pool = "--address-pool more --http-settings named"
    for verb, rest in [
        ("frontend-port create", "-n plain --port 80"),
        ("http-listener create", f"-n plain --frontend-port plain {front}"),
        ("http-listener create", f"-n two {safe} {front}"),
        ("redirect-config create", "-n to --type Permanent --target-listener appGatewayHttpListener"),
        ("rule create", "-n plain --http-listener plain --rule-type Basic --redirect-config to --priority 200"),
        ("probe create", "-n well --protocol Http --path /healthz --host-name-from-http-settings true"),
        ("http-settings create", "-n named --port 8080 --host-name inner.example --path /app/ --probe well"),
        ("address-pool create", "-n more"),
        ("rule create", f"-n two --http-listener two --rule-type Basic {pool} --priority 300"),
        ("ssl-policy set", "--policy-type Predefined -n AppGwSslPolicy20220101S"),
    ]:
        az.line(on(verb, rest))
    shown = az.line(f"az network application-gateway show -g {GROUP} -n gate")
    assert [each["name"] for each in shown["sslCertificates"]] == ["gateSslCert", "two"]
    assert PASSWORD not in str(shown)
    assert "data" not in az.line(on("ssl-cert show", "-n two"))
