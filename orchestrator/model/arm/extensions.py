"""``virtualMachineProfile.extensionProfile`` (reference 1.3, 4.9): the two extensions that are built in."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import StringConstraints, field_validator

from orchestrator.model.arm.base import ArmModel, Duration, Flag, Refused, Within, bad_value, not_possible
from orchestrator.model.arm.names import is_extension_name
from orchestrator.model.extension_order import extension_order

CUSTOM_SCRIPT = ("Microsoft.Azure.Extensions", "CustomScript")
APPLICATION_HEALTH = ("Microsoft.ManagedServices", "ApplicationHealthLinux")
_KNOWN = {tuple(word.lower() for word in kind): kind for kind in (CUSTOM_SCRIPT, APPLICATION_HEALTH)}

BUDGET_MIN = timedelta(seconds=10)
BUDGET_MAX = timedelta(minutes=120)
_COUNT_MAX = 32

Settings = dict[str, Any]


class ExtensionProperties(ArmModel):
    """``protected_settings`` is write-only. ``auto_upgrade_minor_version`` and ``enable_automatic_upgrade``
    are kept and shown only: extensions come with the daemon (docs/azure-differences.md)."""

    read_only: ClassVar[frozenset[str]] = frozenset({"provisioningstate"})
    publisher: str
    type: str
    type_handler_version: Annotated[str, StringConstraints(pattern=r"^\d{1,3}\.\d{1,3}(\.\d{1,5}){0,2}$")]
    auto_upgrade_minor_version: Flag = True
    enable_automatic_upgrade: Flag | None = None
    settings: Settings | None = None
    protected_settings: Settings | None = None
    protected_settings_from_key_vault: Annotated[
        Any, Refused("there are no key vaults; give the secrets as protectedSettings")
    ] = None
    force_update_tag: Annotated[str, StringConstraints(max_length=256)] | None = None
    provision_after_extensions: tuple[str, ...] = ()
    suppress_failures: Flag = False

    @field_validator("force_update_tag", mode="before")
    @classmethod
    def _tag_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @property
    def kind(self) -> tuple[str, str]:
        """Publisher and type in their canonical case, or as given when this version does not know them."""
        return _KNOWN.get((self.publisher.lower(), self.type.lower()), (self.publisher, self.type))


class Extension(ArmModel):
    """One extension of the model. Its configuration number rises when ``fingerprint`` changes."""

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "type"})
    name: str
    properties: ExtensionProperties

    @field_validator("name")
    @classmethod
    def _name_fits(cls, value: str) -> str:
        if not is_extension_name(value):
            raise bad_value("must have 1 to 80 letters, digits, '_', '-' and '.' and begin with a letter or digit")
        return value

    @field_validator("properties")
    @classmethod
    def _kind_is_known(cls, value: ExtensionProperties) -> ExtensionProperties:
        publisher, kind = value.kind
        if (publisher, kind) not in _KNOWN.values():
            known = " and ".join("/".join(pair) for pair in _KNOWN.values())
            raise not_possible(f"names an extension that this version does not have; it has {known}")
        return value.model_copy(update={"publisher": publisher, "type": kind})

    @property
    def is_custom_script(self) -> bool:
        return self.properties.kind == CUSTOM_SCRIPT

    @property
    def is_application_health(self) -> bool:
        return self.properties.kind == APPLICATION_HEALTH

    @property
    def fingerprint(self) -> str:
        """Changes when the extension has to run again: other settings, secrets, version or force tag."""
        properties = self.properties
        parts = [
            *properties.kind,
            properties.type_handler_version,
            properties.settings,
            properties.protected_settings,
            properties.force_update_tag,
        ]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class ExtensionProfile(ArmModel):
    extensions: tuple[Extension, ...] = ()
    extensions_time_budget: Annotated[Duration, Within(BUDGET_MIN, BUDGET_MAX)] = timedelta(minutes=90)

    @field_validator("extensions")
    @classmethod
    def _fit_together(cls, value: tuple[Extension, ...]) -> tuple[Extension, ...]:
        if len(value) > _COUNT_MAX:
            raise bad_value(f"has {len(value)} extensions; at most {_COUNT_MAX} are allowed")
        names = [extension.name.lower() for extension in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise bad_value(f"has more than one extension named {', '.join(twice)}")
        if sum(extension.is_application_health for extension in value) > 1:
            raise bad_value("has more than one Application Health extension")
        _check_order(value)
        proper = {extension.name.lower(): extension.name for extension in value}
        return tuple(_with_proper_names(extension, proper) for extension in value)

    def find(self, name: str) -> Extension | None:
        return next((e for e in self.extensions if e.name.lower() == name.lower()), None)


def scripts_before(extensions: Sequence[Extension]) -> dict[str, tuple[str, ...]]:
    """By name, the scripts that each is provisioned after: through one that runs nothing (it is provisioned as soon
    as those before it are), those that it comes after itself."""
    by_name = {each.name.lower(): each for each in extensions}

    def before(extension: Extension) -> set[str]:
        found: set[str] = set()
        for name in extension.properties.provision_after_extensions:
            other = by_name[name.lower()]
            found |= {other.name} if other.is_custom_script else before(other)
        return found

    return {each.name: tuple(sorted(before(each))) for each in extensions}


def _with_proper_names(extension: Extension, proper: Mapping[str, str]) -> Extension:
    """``provisionAfterExtensions`` in the case that the extensions are written in themselves."""
    after = tuple(proper[name.lower()] for name in extension.properties.provision_after_extensions)
    properties = extension.properties.model_copy(update={"provision_after_extensions": after})
    return extension.model_copy(update={"properties": properties})


def _check_order(extensions: Sequence[Extension]) -> None:
    """Raises a value error for a name that is not there and for a circle."""
    order = extension_order((each.name, each.properties.provision_after_extensions) for each in extensions)
    if order.missing:
        waits = ", ".join(f"{name} provisioned after {after}" for name, after in order.missing)
        raise bad_value(f"has {waits}, which is not in the model")
    if order.in_circle:
        raise bad_value(f"has a circle in provisionAfterExtensions: {', '.join(sorted(order.in_circle))}")
