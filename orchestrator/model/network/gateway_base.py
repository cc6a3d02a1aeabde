"""What the parts of an application gateway share: why some things are not done, and references within it."""

from __future__ import annotations

from typing import ClassVar

from orchestrator.model.arm.base import ArmEnum
from orchestrator.model.arm.references import GATEWAY, Reference
from orchestrator.model.network.common import ChildProperties

NO_VAULT = "there are no key vaults; give the certificate as data"
NO_LINK = "there are no services of Azure's to reach"
NO_WALL = "no request is looked at"
NO_REWRITE = "no request or answer is rewritten"
NO_CLIENTS = "clients are not asked for certificates"
HOST = r"^[A-Za-z0-9*?]([A-Za-z0-9.*?-]{0,253}[A-Za-z0-9*?])?$"
PLAIN_HOST = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?$"


class FrontendReference(Reference):
    types = (f"{GATEWAY}/frontendIPConfigurations",)


class PortReference(Reference):
    types = (f"{GATEWAY}/frontendPorts",)


class SettingsReference(Reference):
    types = (f"{GATEWAY}/backendHttpSettingsCollection",)


class ListenerReference(Reference):
    types = (f"{GATEWAY}/httpListeners",)


class PathMapReference(Reference):
    types = (f"{GATEWAY}/urlPathMaps",)


class ProbeReference(Reference):
    types = (f"{GATEWAY}/probes",)


class RedirectReference(Reference):
    types = (f"{GATEWAY}/redirectConfigurations",)


class SslCertificateReference(Reference):
    types = (f"{GATEWAY}/sslCertificates",)


class RootReference(Reference):
    types = (f"{GATEWAY}/trustedRootCertificates",)


class Scheme(ArmEnum):
    HTTP = "Http"
    HTTPS = "Https"


class PartProperties(ChildProperties):
    """Of a child; what refers to it is not shown."""

    read_only: ClassVar[frozenset[str]] = ChildProperties.read_only | {
        "backendipconfigurations",
        "httplisteners",
        "requestroutingrules",
    }
