"""``virtualMachineProfile.securityProfile`` (reference 1.3): nothing of it can be promised here yet."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from orchestrator.model.arm.base import ArmEnum, ArmModel, Flag, Only, Refused

_FIRMWARE = "guests boot without measured or secured firmware"
_False = (False,)


class SecurityType(ArmEnum):
    STANDARD = "Standard"
    TRUSTED_LAUNCH = "TrustedLaunch"
    CONFIDENTIAL_VM = "ConfidentialVM"


class UefiSettings(ArmModel):
    secure_boot_enabled: Annotated[Flag | None, Only(_False, _FIRMWARE)] = None
    v_tpm_enabled: Annotated[Flag | None, Only(_False, _FIRMWARE)] = Field(default=None, alias="vTpmEnabled")


class SecurityProfile(ArmModel):
    """What asks for protection is refused, so that nobody believes to have it."""

    uefi_settings: UefiSettings | None = None
    encryption_at_host: Annotated[
        Flag | None, Only(_False, "disks are as encrypted as the host's storage pool, which vmss does not rule")
    ] = None
    security_type: Annotated[SecurityType | None, Only((SecurityType.STANDARD,), _FIRMWARE)] = None
    encryption_identity: Annotated[Any, Refused("there are no managed identities")] = None
    proxy_agent_settings: Annotated[Any, Refused("there is no metadata service to guard")] = None
