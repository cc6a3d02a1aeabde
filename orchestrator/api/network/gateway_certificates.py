"""The certificates of application gateways: opened when they are given, and only then."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestrator.api.context import Api
from orchestrator.errors import BadInput
from orchestrator.model.arm.statuses import Json
from orchestrator.model.network.certificates import (
    CertificateError,
    ExpiredError,
    PasswordOrDataError,
    public_data,
    server_pem,
)
from orchestrator.model.network.secret_members import secret_path
from orchestrator.model.resource import StoredResource
from orchestrator.model.resource_id import ResourceId

_COLLECTION = "sslCertificates"
_CODES: dict[type[CertificateError], str] = {
    PasswordOrDataError: "ApplicationGatewaySslCertificateInvalidDataOrPassword",
    ExpiredError: "ApplicationGatewaySslCertificateExpired",
    CertificateError: "ApplicationGatewaySslCertificateInvalidData",
}


def with_certificates(api: Api, own: ResourceId, before: StoredResource | None, made: Json) -> Json:
    """With what the balancer needs of each certificate, and what is shown of it. One that is given as it was is not
    opened again: that it has expired since keeps nobody from changing something else. Raises ``BadInput``."""
    for number, child in enumerate(made["properties"][_COLLECTION]):
        properties = child["properties"]
        if not properties.get("data"):
            words = f"{own.child(_COLLECTION, child['name'])} needs data, as there is none from before."
            raise BadInput(words, code="ApplicationGatewaySslCertificateDataMustBeSpecified", target=_path(number))
        pem = _kept(before, child) or _opened(api, own, number, child)
        properties |= {"pem": pem, "publicCertData": public_data(pem)}
    return made


def _path(number: int) -> str:
    return f"properties.{_COLLECTION}[{number}].properties.data"


def _kept(before: StoredResource | None, child: Json) -> str | None:
    """What was made of the same data and password."""
    held = before.secrets if before else {}
    names = ("data", "password", "pem")
    data, password, pem = (held.get(secret_path(_COLLECTION, child["name"], name)) for name in names)
    own = child["properties"]
    return pem if (data, password) == (own["data"], own.get("password")) else None


def _opened(api: Api, own: ResourceId, number: int, child: Json) -> str:
    given = child["properties"]
    try:
        return server_pem(given["data"], given.get("password"), datetime.fromtimestamp(api.now(), UTC))
    except CertificateError as error:
        words = f"Certificate {own.child(_COLLECTION, child['name'])} {error}."
        raise BadInput(words, code=_CODES[type(error)], target=_path(number)) from None
