"""The certificates of an application gateway, and which TLS it speaks."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from orchestrator.model.arm.base import ArmEnum, ArmModel, Only, Refused, bad_value, not_possible
from orchestrator.model.network.certificates import CertificateError, root_pem
from orchestrator.model.network.common import Child
from orchestrator.model.network.gateway_base import NO_VAULT, PartProperties

SECRETS = {"sslCertificates": ("data", "password", "pem")}
"""Write-only: what a client gives, and what is made of it when it is taken (``pem``)."""
_NO_OLD = "TLS 1.0 and 1.1 are not spoken; use AppGwSslPolicy20220101"


class SslCertificateProperties(PartProperties):
    """``data`` is needed once: a body without ``data`` and ``password`` keeps those that were given before."""

    read_only: ClassVar[frozenset[str]] = PartProperties.read_only | {"publiccertdata"}
    data: str | None = None
    password: Annotated[str, Field(max_length=1024)] | None = None
    key_vault_secret_id: Annotated[Any, Refused(NO_VAULT)] = None
    hsm: Annotated[Any, Refused("there are no hardware security modules")] = None

    @model_validator(mode="after")
    def _come_together(self) -> Self:
        if self.password is not None and self.data is None:
            raise bad_value("has password without data; they come together")
        return self


class SslCertificate(Child):
    properties: SslCertificateProperties = SslCertificateProperties()


def _root(value: str) -> str:
    try:
        root_pem(value)
    except CertificateError as error:
        raise bad_value(str(error)) from None
    return value


class RootProperties(PartProperties):
    data: Annotated[str, AfterValidator(_root)]
    key_vault_secret_id: Annotated[Any, Refused(NO_VAULT)] = None


class TrustedRoot(Child):
    properties: RootProperties


class PolicyType(ArmEnum):
    PREDEFINED = "Predefined"
    CUSTOM = "Custom"
    CUSTOM_V2 = "CustomV2"


class PolicyName(ArmEnum):
    OF_2015 = "AppGwSslPolicy20150501"
    OF_2017 = "AppGwSslPolicy20170401"
    OF_2017_STRICT = "AppGwSslPolicy20170401S"
    OF_2022 = "AppGwSslPolicy20220101"
    OF_2022_STRICT = "AppGwSslPolicy20220101S"


_SPOKEN = (PolicyName.OF_2017_STRICT, PolicyName.OF_2022, PolicyName.OF_2022_STRICT)


class TlsVersion(ArmEnum):
    V1_0 = "TLSv1_0"
    V1_1 = "TLSv1_1"
    V1_2 = "TLSv1_2"
    V1_3 = "TLSv1_3"


class SslPolicy(ArmModel):
    """The least version of TLS that clients may speak: 1.2, or 1.3 where a policy of one's own says so."""

    policy_type: PolicyType | None = None
    policy_name: Annotated[PolicyName | None, Only(_SPOKEN, _NO_OLD)] = None
    min_protocol_version: Annotated[TlsVersion | None, Only((TlsVersion.V1_2, TlsVersion.V1_3), _NO_OLD)] = None
    cipher_suites: Annotated[Any, Refused("the balancer takes ECDHE with AES-GCM or ChaCha20 alone")] = None
    disabled_ssl_protocols: tuple[TlsVersion, ...] = ()

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.policy_type in {PolicyType.CUSTOM, PolicyType.CUSTOM_V2} and self.policy_name:
            raise bad_value("has policyName, which is for policyType Predefined")
        if self.policy_type is PolicyType.PREDEFINED and self.policy_name is None:
            raise bad_value("must have policyName, as its policyType is Predefined")
        if self.policy_name and self.min_protocol_version:
            raise bad_value("has minProtocolVersion, which is for policyType Custom")
        if {TlsVersion.V1_2, TlsVersion.V1_3} & set(self.disabled_ssl_protocols):
            raise not_possible("cannot disable TLS 1.2 or 1.3 so; use minProtocolVersion of a Custom policy")
        return self
