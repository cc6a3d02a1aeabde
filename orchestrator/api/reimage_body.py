"""The body of a reimage (reference 3.1): whom, and on which exact version of the image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.api.context import Api
from orchestrator.errors import BadInput, ErrorDetail, NotFound
from orchestrator.model.arm.base import ArmModel, Flag
from orchestrator.model.arm.problems import parsed, raise_problems
from orchestrator.model.arm.storage import StorageProfile
from orchestrator.model.scale_set import ScaleSet


class ReimageParameters(ArmModel):
    """``tempDisk`` and ``forceUpdateOSDiskForEphemeral`` may be false only: there are no such disks here."""

    instance_ids: list[Any] | None = None
    temp_disk: Flag = False
    exact_version: str | None = None
    os_profile: dict[str, Any] | None = None
    force_update_os_disk_for_ephemeral: Flag = False


def read_reimage(body: Mapping[str, Any] | None) -> ReimageParameters:
    """Raises ``BadInput`` naming every offence at once."""
    parameters = parsed(ReimageParameters, _with_azures_spelling(body or {}))
    refused = {
        "tempDisk": parameters.temp_disk and "there are no temporary disks",
        "forceUpdateOSDiskForEphemeral": parameters.force_update_os_disk_for_ephemeral
        and "there are no ephemeral disks",
        "osProfile": parameters.os_profile is not None
        and "customData and passwords come from the model: change it there, then reimage",
    }
    raise_problems([ErrorDetail(BadInput.code, f"{name}: {why}.", name) for name, why in refused.items() if why])
    return parameters


def _with_azures_spelling(body: Mapping[str, Any]) -> dict[str, Any]:
    """Azure writes ``OSDisk`` in capitals, which no rule makes of a Python name."""
    return {"forceUpdateOsDiskForEphemeral" if _is_ephemeral(key) else key: value for key, value in body.items()}


def _is_ephemeral(key: str) -> bool:
    return key.lower() == "forceupdateosdiskforephemeral"


def exact_image(api: Api, record: ScaleSet, parameters: ReimageParameters) -> str | None:
    """The version asked for, once the catalogue has it. Raises ``BadInput`` for one that it has not."""
    version = parameters.exact_version
    if version is None:
        return None
    profile = StorageProfile.model_validate(record.model["properties"]["virtualMachineProfile"]["storageProfile"])
    reference = profile.image_reference.of_version(version)
    try:
        api.site().find_image(reference)
    except NotFound as error:
        raise BadInput(f"exactVersion: {error.message}", code="ImageNotFound", target="exactVersion") from error
    return version
