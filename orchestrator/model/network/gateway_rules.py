"""Where an application gateway sends requests: rules, maps of paths and redirects."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from orchestrator.model.arm.base import ArmEnum, Flag, Refused, Whole, bad_value
from orchestrator.model.arm.references import GatewayPoolReference
from orchestrator.model.network.common import Child
from orchestrator.model.network.gateway_base import (
    NO_REWRITE,
    NO_WALL,
    ListenerReference,
    PartProperties,
    PathMapReference,
    RedirectReference,
    SettingsReference,
)

_PATH = r"^/[!-)+-~]*\*?$"  # a star stands at its end only
_URL = r"^https?://[A-Za-z0-9._~\[\]:-]+(/[A-Za-z0-9._~!$&'()*+,;=:@%/?#-]*)?$"
_NO_SHARES = "requests are shared among a pool's instances alike"
Path = Annotated[str, StringConstraints(pattern=_PATH, max_length=2048)]


def _check_one_way(pool: object, settings: object, redirect: object, name: str) -> None:
    """Either to a pool, as its settings say, or elsewhere."""
    if (pool is None) != (settings is None) or (pool is None) == (redirect is None):
        raise bad_value(f"must have either {name}AddressPool and {name}HttpSettings, or a redirect configuration")


class RuleType(ArmEnum):
    BASIC = "Basic"
    PATHS = "PathBasedRouting"


class RuleProperties(PartProperties):
    """``Basic`` has a pool with its settings or a redirect, ``PathBasedRouting`` a map of paths."""

    rule_type: RuleType = RuleType.BASIC
    priority: Annotated[Whole, Field(ge=1, le=20_000)] | None = None
    http_listener: ListenerReference
    backend_address_pool: GatewayPoolReference | None = None
    backend_http_settings: SettingsReference | None = None
    url_path_map: PathMapReference | None = None
    redirect_configuration: RedirectReference | None = None
    rewrite_rule_set: Annotated[Any, Refused(NO_REWRITE)] = None
    load_distribution_policy: Annotated[Any, Refused(_NO_SHARES)] = None
    entra_jwt_validation_config: Annotated[Any, Refused("tokens are not looked at")] = Field(
        default=None, alias="entraJWTValidationConfig"
    )

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        own = (self.backend_address_pool, self.backend_http_settings, self.redirect_configuration)
        if self.rule_type is RuleType.BASIC:
            _check_one_way(*own, "backend")
            if self.url_path_map is not None:
                raise bad_value("has urlPathMap, which is for ruleType PathBasedRouting")
        elif own != (None, None, None) or self.url_path_map is None:
            raise bad_value("must have urlPathMap, and no pool or redirect of its own, as it is PathBasedRouting")
        return self


class Rule(Child):
    properties: RuleProperties


class PathRuleProperties(PartProperties):
    paths: Annotated[tuple[Path, ...], Field(min_length=1)]
    backend_address_pool: GatewayPoolReference | None = None
    backend_http_settings: SettingsReference | None = None
    redirect_configuration: RedirectReference | None = None
    rewrite_rule_set: Annotated[Any, Refused(NO_REWRITE)] = None
    firewall_policy: Annotated[Any, Refused(NO_WALL)] = None
    load_distribution_policy: Annotated[Any, Refused(_NO_SHARES)] = None

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        pool, settings, redirect = (
            self.backend_address_pool,
            self.backend_http_settings,
            self.redirect_configuration,
        )
        _check_one_way(pool, settings, redirect, "backend")
        return self


class PathRule(Child):
    properties: PathRuleProperties


class PathMapProperties(PartProperties):
    """What no rule's paths take goes to the default."""

    default_backend_address_pool: GatewayPoolReference | None = None
    default_backend_http_settings: SettingsReference | None = None
    default_redirect_configuration: RedirectReference | None = None
    default_rewrite_rule_set: Annotated[Any, Refused(NO_REWRITE)] = None
    default_load_distribution_policy: Annotated[Any, Refused(_NO_SHARES)] = None
    path_rules: tuple[PathRule, ...] = ()

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        pool, settings = self.default_backend_address_pool, self.default_backend_http_settings
        _check_one_way(pool, settings, self.default_redirect_configuration, "defaultBackend")
        return self


class PathMap(Child):
    properties: PathMapProperties


class RedirectType(ArmEnum):
    PERMANENT = "Permanent"
    FOUND = "Found"
    SEE_OTHER = "SeeOther"
    TEMPORARY = "Temporary"


class RedirectProperties(PartProperties):
    """To another listener of this gateway, or to a URL; with the request's own path and query where it says so."""

    read_only: ClassVar[frozenset[str]] = PartProperties.read_only | {"urlpathmaps", "pathrules"}
    redirect_type: RedirectType
    target_listener: ListenerReference | None = None
    target_url: Annotated[str, StringConstraints(pattern=_URL, max_length=2048)] | None = None
    include_path: Flag = False
    include_query_string: Flag = False

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.target_listener is None) == (self.target_url is None):
            raise bad_value("must have either targetListener or targetUrl")
        marks = set(self.target_url or "") & {"?", "#"}
        if marks and (self.include_path or self.include_query_string):
            raise bad_value("has targetUrl with a query or fragment, to which the request's own cannot be added")
        return self


class Redirect(Child):
    properties: RedirectProperties
