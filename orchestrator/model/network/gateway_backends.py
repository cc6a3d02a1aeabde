"""What stands behind an application gateway: pools, how they are spoken to, and how they are asked."""

from __future__ import annotations

import re
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Only, Refused, Whole, bad_value, not_possible
from orchestrator.model.network.common import Child, Port
from orchestrator.model.network.gateway_base import (
    PLAIN_HOST,
    PartProperties,
    ProbeReference,
    RootReference,
    Scheme,
)

_STATUSES = re.compile(r"^([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?$", re.ASCII)
_LINE = r"^[^\x00-\x1f\x7f]*$"
PlainHost = Annotated[str, StringConstraints(pattern=PLAIN_HOST)]


class PoolProperties(PartProperties):
    backend_addresses: Annotated[Any, Refused("instances come into a pool by the model of their scale set")] = ()


class Pool(Child):
    properties: PoolProperties = PoolProperties()


class Draining(ArmModel):
    enabled: Flag = False
    drain_timeout_in_sec: Annotated[Whole, Field(ge=1, le=3600)] = 1


class Affinity(ArmEnum):
    ENABLED = "Enabled"
    DISABLED = "Disabled"


class SettingsProperties(PartProperties):
    """``path`` stands before what is left of a request's path when the prefix of its path rule is taken away."""

    port: Port
    protocol: Scheme = Scheme.HTTP
    cookie_based_affinity: Affinity = Affinity.DISABLED
    affinity_cookie_name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,200}$")] | None = None
    request_timeout: Annotated[Whole, Field(ge=1, le=86_400)] = 30
    connection_draining: Draining | None = None
    host_name: PlainHost | None = None
    path: (
        Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*$", max_length=1024)] | None
    ) = None
    pick_host_name_from_backend_address: Annotated[
        Flag, Only((False,), "instances have no names that their gateway knows; use hostName")
    ] = False
    probe: ProbeReference | None = None
    probe_enabled: Flag | None = None
    sni_name: PlainHost | None = None
    validate_cert_chain_and_expiry: Flag = True
    validate_sni: Flag = Field(default=True, alias="validateSNI")
    trusted_root_certificates: tuple[RootReference, ...] = ()
    authentication_certificates: Annotated[Any, Refused("use trustedRootCertificates")] = None
    dedicated_backend_connection: Annotated[Flag | None, Only((False,), "connections to instances are shared")] = (
        None
    )

    @model_validator(mode="after")
    def _has_what_it_asks_for(self) -> Self:
        if self.affinity_cookie_name and self.cookie_based_affinity is not Affinity.ENABLED:
            raise bad_value("has affinityCookieName, which is for cookieBasedAffinity Enabled")
        if self.probe_enabled and self.probe is None:
            raise bad_value("has probeEnabled and no probe")
        return self

    @model_validator(mode="after")
    def _can_be_verified(self) -> Self:
        if self.protocol is not Scheme.HTTPS:
            if self.trusted_root_certificates or self.sni_name:
                raise bad_value("has trustedRootCertificates or sniName, which are for protocol Https")
            return self
        if not self.validate_cert_chain_and_expiry:
            if self.trusted_root_certificates:
                raise bad_value("has trustedRootCertificates, and validateCertChainAndExpiry is false")
            return self
        if not self.validate_sni:
            raise not_possible("cannot have validateSNI false alone: the name is verified with the certificate")
        if not (self.sni_name or self.host_name):
            words = "must have hostName or sniName to verify certificates by; or validateCertChainAndExpiry false"
            raise bad_value(words)
        return self


class Settings(Child):
    properties: SettingsProperties


def _statuses(value: str) -> str:
    found = _STATUSES.match(value)
    if found is None or int(found[2] or found[1]) < int(found[1]):
        raise bad_value(f"'{value[:40]}' is no status or range of them, as in 200 or 200-399")
    return value


class Match(ArmModel):
    """Which answers are good ones."""

    status_codes: tuple[Annotated[str, AfterValidator(_statuses)], ...] = ()
    body: Annotated[str, StringConstraints(pattern=_LINE, max_length=4090)] | None = None


class ProbeProperties(PartProperties):
    protocol: Scheme
    host: Annotated[str, StringConstraints(pattern=_LINE, max_length=255)] | None = None
    path: Annotated[str, StringConstraints(pattern=r"^/[!-~]*$", max_length=2048)]
    port: Port | None = None
    interval: Annotated[Whole, Field(ge=1, le=86_400)] = 30
    timeout: Annotated[Whole, Field(ge=1, le=86_400)] = 30
    unhealthy_threshold: Annotated[Whole, Field(ge=1, le=20)] = 3
    pick_host_name_from_backend_http_settings: Flag = False
    pick_host_name_from_backend_settings: Annotated[
        Flag | None, Only((False,), "there are no backends for other protocols")
    ] = None
    min_servers: Annotated[Whole, Only((0,), "who does not answer is out, however many are left")] = 0
    match: Match | None = None
    enable_probe_proxy_protocol_header: Annotated[Flag | None, Only((False,), "probes are plain HTTP")] = None

    @model_validator(mode="after")
    def _one_host(self) -> Self:
        if self.pick_host_name_from_backend_http_settings and self.host:
            raise bad_value("has both host and pickHostNameFromBackendHttpSettings; use one of them")
        return self


class Probe(Child):
    properties: ProbeProperties
