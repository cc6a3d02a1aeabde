"""``osProfile.linuxConfiguration`` (reference 1.3): the way into a guest, and what Azure's agent would do there."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Only, Refused, bad_value

_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
_NOBODY_PATCHES = "nothing here installs updates in guests; bring a newer image"


def _check_public_key(text: str) -> str:
    """One OpenSSH public key on one line. What is not one would end up in authorized_keys as it is."""
    line = text.strip()
    parts = line.split(None, 2)
    if len(line.splitlines()) != 1 or len(parts) < 2 or not line.isprintable():
        raise bad_value("must be one OpenSSH public key on one line")
    if parts[0] not in _KEY_TYPES:
        raise bad_value(f"must begin with one of {', '.join(_KEY_TYPES)}")
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (binascii.Error, ValueError):
        raise bad_value("is damaged: its second word must be base64") from None
    length = int.from_bytes(blob[:4], "big")
    if blob[4 : 4 + length] != parts[0].encode() or len(blob) <= 4 + length:
        raise bad_value(f"is damaged: what it encodes is not a key of type {parts[0]}")
    return line


class SshPublicKey(ArmModel):
    path: str | None = None
    key_data: Annotated[str, AfterValidator(_check_public_key)]


class SshConfiguration(ArmModel):
    public_keys: tuple[SshPublicKey, ...] = ()


class PatchMode(ArmEnum):
    """Who installs updates, and who looks for them."""

    IMAGE_DEFAULT = "ImageDefault"
    AUTOMATIC_BY_PLATFORM = "AutomaticByPlatform"


_ByTheImage = Annotated[PatchMode | None, Only((PatchMode.IMAGE_DEFAULT,), _NOBODY_PATCHES)]


class LinuxPatchSettings(ArmModel):
    """``ImageDefault`` is how it is anyway: the image's own settings stand."""

    patch_mode: _ByTheImage = None
    assessment_mode: _ByTheImage = None
    automatic_by_platform_settings: Annotated[Any, Refused(_NOBODY_PATCHES)] = None


class LinuxConfiguration(ArmModel):
    """``provision_vm_agent`` of false stands for a guest that SSH cannot reach: nothing is awaited or run in it."""

    disable_password_authentication: Annotated[Flag, Only((True,), "guests are reached by key only")] = True
    ssh: SshConfiguration = SshConfiguration()
    provision_vm_agent: Flag = Field(default=True, alias="provisionVMAgent")
    patch_settings: LinuxPatchSettings | None = None
    enable_vm_agent_platform_updates: Flag | None = Field(default=None, alias="enableVMAgentPlatformUpdates")
