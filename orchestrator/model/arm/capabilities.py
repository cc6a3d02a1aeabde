"""``properties.additionalCapabilities`` (reference 1.2)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orchestrator.model.arm.base import ArmModel, Flag, Only


class AdditionalCapabilities(ArmModel):
    """``hibernation_enabled`` lets instances be deallocated with their memory saved."""

    hibernation_enabled: Flag = False
    ultra_ssd_enabled: Annotated[Flag | None, Only((False,), "Azure's kinds of disk do not exist here")] = Field(
        default=None, alias="ultraSSDEnabled"
    )
    enable_fips1403_encryption: Annotated[
        Flag | None, Only((False,), "guests' settings are not encrypted by a FIPS 140-3 module")
    ] = Field(default=None, alias="enableFips1403Encryption")
