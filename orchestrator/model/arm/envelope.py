"""What stands around ``properties``: tags, plan, identity (reference 1.1)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, StringConstraints

from orchestrator.model.arm.base import ArmEnum, ArmModel, Only, Refused, bad_value

_TAGS_MAX = 50
_NO_IDENTITY = "guests have no managed identities: there is nobody here to give them tokens"
_Word = Annotated[str, StringConstraints(max_length=256)]


def _check_tags(tags: dict[str, str]) -> dict[str, str]:
    if len(tags) > _TAGS_MAX:
        raise bad_value(f"has {len(tags)} tags; at most {_TAGS_MAX} are allowed")
    if len({name.lower() for name in tags}) != len(tags):
        raise bad_value("has the same tag twice, in different case")
    for name, value in tags.items():
        if not 1 <= len(name) <= 512 or set(name) & set("<>%&\\?/") or not name.isprintable():
            raise bad_value("has a tag whose name is empty, above 512 characters or with one of < > % & \\ ? /")
        if len(value) > 256:
            raise bad_value(f"has a value above 256 characters for the tag {name}")
    return tags


Tags = Annotated[dict[str, str], AfterValidator(_check_tags)]


class Plan(ArmModel):
    """The offer of a marketplace that an image came from. Kept only; it holds the image to its offer."""

    name: _Word | None = None
    publisher: _Word | None = None
    product: _Word | None = None
    promotion_code: _Word | None = None


class IdentityType(ArmEnum):
    NONE = "None"
    SYSTEM_ASSIGNED = "SystemAssigned"
    USER_ASSIGNED = "UserAssigned"
    BOTH = "SystemAssigned, UserAssigned"


class Identity(ArmModel):
    """Only the wish for none is taken."""

    read_only: ClassVar[frozenset[str]] = frozenset({"principalid", "tenantid"})
    type: Annotated[IdentityType, Only((IdentityType.NONE,), _NO_IDENTITY)] = IdentityType.NONE
    user_assigned_identities: Annotated[Any, Refused(_NO_IDENTITY)] = None
