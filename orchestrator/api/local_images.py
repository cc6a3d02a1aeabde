"""/providers/Vmss.Local/images: the catalogue. It is written by ``vmss image``, beside the daemon."""

from __future__ import annotations

from fastapi import APIRouter

from orchestrator.api.context import Api, ApiDep
from orchestrator.errors import ImageError, NotFound
from orchestrator.images.versions import ImageVersion
from orchestrator.model.arm.statuses import Json

router = APIRouter()
IMAGES = "/providers/vmss.local/images"


def _show(image: ImageVersion) -> Json:
    return {
        "id": f"/providers/Vmss.Local/images/{image.name}/versions/{image.version}",
        "type": "Vmss.Local/images/versions",
        "name": image.name,
        "publisher": image.publisher,
        "offer": image.offer,
        "sku": image.sku,
        "version": image.version,
        "urn": image.urn,
        "osName": image.os_name,
        "architecture": image.architecture,
        "loginUser": image.login_user,
        "boot": image.boot.value,
        "sizeBytes": image.size_bytes,
        "virtualSizeBytes": image.virtual_size_bytes,
        "sha256": image.sha256,
        "createdAt": image.created_at.isoformat(),
    }


def _list(api: Api) -> list[ImageVersion]:
    return api.catalogue.list() if api.catalogue else []


@router.get(IMAGES)
async def list_images(api: ApiDep) -> Json:
    return {"value": [_show(image) for image in _list(api)]}


@router.get(f"{IMAGES}/{{name}}")
async def get_image(name: str, api: ApiDep) -> Json:
    """The newest version of an image."""
    return _show(_find(api, name, "latest"))


@router.get(f"{IMAGES}/{{name}}/versions")
async def list_versions(name: str, api: ApiDep) -> Json:
    return {"value": [_show(image) for image in _list(api) if image.name == name.lower()]}


@router.get(f"{IMAGES}/{{name}}/versions/{{version}}")
async def get_version(name: str, version: str, api: ApiDep) -> Json:
    return _show(_find(api, name, version))


def _find(api: Api, name: str, version: str) -> ImageVersion:
    if api.catalogue is None:
        raise NotFound(f"There is no image '{name[:80]}'.", code=ImageError.code)
    try:
        return api.catalogue.resolve_alias(name, version)
    except ImageError as error:
        raise NotFound(error.message, code=error.code) from None
