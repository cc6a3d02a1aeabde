"""``virtualMachineProfile.osProfile`` (reference 1.3)."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Annotated, Any, Self

from pydantic import field_validator, model_validator

from orchestrator.model.arm.base import ArmModel, Flag, Only, Refused, bad_value
from orchestrator.model.arm.linux import LinuxConfiguration

CUSTOM_DATA_MAX_BYTES = 65_535
_USER_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_-]{0,31}$", re.ASCII)
_PREFIX = re.compile(r"^[A-Za-z0-9][A-Za-z0-9-]{0,14}$", re.ASCII)
# Azure's list, plus the accounts that a Debian system brings along.
_RESERVED = """
1 123 a actuser adm admin admin1 admin2 administrator aspnet backup console david guest john owner root server sql
support support_388945a0 sys test test1 test2 test3 user user1 user2 user3 user4 user5
_apt bin daemon games gnats irc list lp mail man messagebus news nobody proxy sshd sync uucp www-data
"""
BANNED_USER_NAMES = frozenset(_RESERVED.split())


class OsProfile(ArmModel):
    """Who may log in and what runs at first boot. ``custom_data`` is write-only.

    ``allow_extension_operations`` of false forbids extensions, and does no more."""

    computer_name_prefix: str | None = None
    admin_username: str | None = None
    admin_password: Annotated[
        Any, Refused("guests are reached by key only (linuxConfiguration.ssh.publicKeys)")
    ] = None
    custom_data: str | None = None
    linux_configuration: LinuxConfiguration = LinuxConfiguration()
    windows_configuration: Annotated[Any, Refused("there are only Linux guests")] = None
    secrets: Annotated[Any, Refused("there are no key vaults; bring certificates by customData")] = None
    allow_extension_operations: Flag | None = None
    require_guest_provision_signal: Annotated[
        Flag | None,
        Only((True,), "a guest is always awaited, unless linuxConfiguration.provisionVMAgent is false"),
    ] = None

    @field_validator("computer_name_prefix")
    @classmethod
    def _prefix_fits(cls, value: str) -> str:
        if not _PREFIX.match(value):
            raise bad_value("must have 1 to 15 letters, digits and hyphens and begin with a letter or digit")
        return value

    @field_validator("admin_username")
    @classmethod
    def _name_fits(cls, value: str) -> str:
        if value.lower() in BANNED_USER_NAMES:
            raise bad_value(f"'{value}' is a reserved name")
        if not _USER_NAME.match(value):
            raise bad_value("must have 1 to 32 letters, digits, '_' and '-' and begin with a letter or '_'")
        return value

    @field_validator("custom_data")
    @classmethod
    def _data_fits(cls, value: str) -> str:
        try:
            decoded = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise bad_value("must be base64") from None
        if len(decoded) > CUSTOM_DATA_MAX_BYTES:
            raise bad_value(f"has {len(decoded)} bytes decoded; at most {CUSTOM_DATA_MAX_BYTES} are allowed")
        return value

    @model_validator(mode="after")
    def _keys_belong_to_the_user(self) -> Self:
        keys = self.linux_configuration.ssh.public_keys
        if keys and not self.admin_username:
            raise bad_value("has public keys, so adminUsername is required: it is whose keys they are")
        expected = f"/home/{self.admin_username}/.ssh/authorized_keys"
        if wrong := [key.path for key in keys if key.path not in (None, expected)]:
            raise bad_value(f"has a public key with the path {wrong[0]}; only {expected} is supported")
        return self

    @property
    def custom_data_bytes(self) -> bytes:
        """The decoded user data; empty when there is none."""
        return base64.b64decode(self.custom_data) if self.custom_data else b""

    @property
    def public_keys(self) -> tuple[str, ...]:
        return tuple(key.key_data for key in self.linux_configuration.ssh.public_keys)
