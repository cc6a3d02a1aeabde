"""Images by alias, by publisher, offer and sku, and as managed images; extensions that can be had (reference 3.1).

Lists of Azure's here are bare arrays, not ``{"value": …}``. Hosts that are simulated take any image, so any that is
asked for by name has one version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from orchestrator.api.context import Api, ApiDep, Subscription
from orchestrator.api.queries import Query, expand, takes, top
from orchestrator.api.requests import query_value, query_whole
from orchestrator.errors import BadInput, NotFound
from orchestrator.images.versions import ImageVersion
from orchestrator.model.arm.extensions import APPLICATION_HEALTH, CUSTOM_SCRIPT
from orchestrator.model.arm.image_views import Offered, alias_document, image_version, listed, managed_image
from orchestrator.model.arm.scale_set import canonical_location
from orchestrator.model.arm.statuses import Json
from orchestrator.model.custom_script import VERSIONS as SCRIPT_VERSIONS
from orchestrator.model.guest import Boot
from orchestrator.model.health_extension import VERSIONS as HEALTH_VERSIONS

router = APIRouter()
SUBSCRIPTION = "/subscriptions/{subscription_id}"
LOCATION = f"{SUBSCRIPTION}/providers/microsoft.compute/locations/{{location}}"
PUBLISHERS = f"{LOCATION}/publishers"
OFFERS = f"{PUBLISHERS}/{{publisher}}/artifacttypes/vmimage/offers"
SKUS = f"{OFFERS}/{{offer}}/skus"
VERSIONS = f"{SKUS}/{{sku}}/versions"
TYPES = f"{PUBLISHERS}/{{publisher}}/artifacttypes/vmextension/types"
IMAGES = f"{SUBSCRIPTION}/resourcegroups/{{group}}/providers/microsoft.compute/images"
_EXTENSIONS = {CUSTOM_SCRIPT: SCRIPT_VERSIONS, APPLICATION_HEALTH: HEALTH_VERSIONS}
_ORDER = Query("$orderby", "name asc or name desc; newest first without it.", {"type": "string"})
_TOP_MAX = 1000


async def check_location(_subscription: Subscription, location: str, api: ApiDep) -> str:
    site = api.site()
    if canonical_location(location) != site.location:
        raise NotFound(f"There is no location '{location}'; it is '{site.location}'.", code="LocationNotFound")
    return site.location


def offered(api: Api) -> list[Offered]:
    """Every version of every image of the catalogue."""
    return [_offered(image) for image in api.catalogue.list()] if api.catalogue else []


def _offered(image: ImageVersion) -> Offered:
    return Offered(
        image.name,
        image.publisher,
        image.offer,
        image.sku,
        image.version,
        image.architecture,
        image.boot is Boot.UEFI,
        image.virtual_size_bytes,
    )


def _matching(api: Api, publisher: str, offer: str, sku: str) -> list[Offered]:
    """The versions of an image, newest first. Raises ``NotFound`` for one that is not there."""
    if api.catalogue is None:
        return [Offered(offer.lower(), publisher, offer, sku, "1.0.0", "x86_64", False, 1 << 30)]
    wanted = (publisher.lower(), offer.lower(), sku.lower())
    found = [each for each in offered(api) if each.urn == wanted]
    if not found:
        words = f"Artifact: VMImage was not found: there is no image {publisher}:{offer}:{sku} in the catalogue."
        raise NotFound(words, code="NotFound")
    return sorted(found, key=lambda each: each.order, reverse=True)


@router.get("/metadata/aliases")
async def get_aliases(api: ApiDep) -> Json:
    """Short names of images, for clients that know no better. Needs no token, as in Azure."""
    return alias_document(offered(api))


Pick = Callable[[Offered], str]
Keep = Callable[[Offered], bool]


def _names(request: Request, api: Api, pick: Pick, keep: Keep) -> JSONResponse:
    names = {pick(each).lower(): pick(each) for each in offered(api) if keep(each)}
    return _array(request, api, names.values())


def _array(request: Request, api: Api, names: Iterable[str]) -> JSONResponse:
    location = api.site().location
    return JSONResponse([listed(request.url.path, name, location) for name in sorted(names)])


@router.get(PUBLISHERS, dependencies=[Depends(check_location)])
async def list_publishers(request: Request, api: ApiDep) -> JSONResponse:
    names = {each.publisher for each in offered(api)} | {publisher for publisher, _ in _EXTENSIONS}
    return _array(request, api, names)


@router.get(OFFERS, dependencies=[Depends(check_location)])
async def list_offers(request: Request, publisher: str, api: ApiDep) -> JSONResponse:
    return _names(request, api, lambda each: each.offer, lambda each: each.publisher.lower() == publisher.lower())


@router.get(SKUS, dependencies=[Depends(check_location)])
async def list_skus(request: Request, publisher: str, offer: str, api: ApiDep) -> JSONResponse:
    wanted = (publisher.lower(), offer.lower())
    return _names(
        request, api, lambda each: each.sku, lambda each: (each.publisher.lower(), each.offer.lower()) == wanted
    )


@router.get(VERSIONS, dependencies=[Depends(check_location)])
@takes(expand("properties"), top(_TOP_MAX), _ORDER)
async def list_versions(request: Request, publisher: str, offer: str, sku: str, api: ApiDep) -> JSONResponse:
    order = (query_value(request, "$orderby") or "name desc").lower().split()
    if order not in (["name"], ["name", "asc"], ["name", "desc"]):
        raise BadInput("Versions are ordered by name asc or name desc.", target="$orderby")
    is_whole = (query_value(request, "$expand") or "").lower() == "properties"
    found = _matching(api, publisher, offer, sku)
    if order != ["name", "desc"]:
        found = found[::-1]
    limit = query_whole(request, "$top", _TOP_MAX, 1, _TOP_MAX)
    location, base = api.site().location, request.url.path
    return JSONResponse(
        [
            image_version(base, each, location) if is_whole else listed(base, each.version, location)
            for each in found[:limit]
        ]
    )


@router.get(f"{VERSIONS}/{{version}}", dependencies=[Depends(check_location)])
async def get_version(request: Request, publisher: str, offer: str, sku: str, version: str, api: ApiDep) -> Json:
    found = _matching(api, publisher, offer, sku)
    wanted = found[0].version if version.lower() == "latest" else version
    image = next((each for each in found if each.version == wanted), None)
    if image is None:
        raise NotFound(f"There is no version {version[:40]} of {publisher}:{offer}:{sku}.", code="NotFound")
    return image_version(request.url.path.rpartition("/")[0], image, api.site().location)


@router.get(TYPES, dependencies=[Depends(check_location)])
async def list_extension_types(request: Request, publisher: str, api: ApiDep) -> JSONResponse:
    return _array(request, api, [name for owner, name in _EXTENSIONS if owner.lower() == publisher.lower()])


@router.get(f"{TYPES}/{{kind}}/versions", dependencies=[Depends(check_location)])
@takes(top(_TOP_MAX), _ORDER, expand("properties"))
async def list_extension_versions(request: Request, publisher: str, kind: str, api: ApiDep) -> JSONResponse:
    return _array(request, api, _extension_versions(publisher, kind))


@router.get(f"{TYPES}/{{kind}}/versions/{{version}}", dependencies=[Depends(check_location)])
async def get_extension_version(request: Request, publisher: str, kind: str, version: str, api: ApiDep) -> Json:
    if version not in _extension_versions(publisher, kind):
        raise NotFound(f"There is no version {version[:40]} of {publisher}.{kind}.", code="NotFound")
    properties = {
        "operatingSystem": "Linux",
        "computeRole": "IaaS",
        "vmScaleSetEnabled": True,
        "supportsMultipleExtensions": False,
    }
    base = request.url.path.rpartition("/")[0]
    return {**listed(base, version, api.site().location), "properties": properties}


def _extension_versions(publisher: str, kind: str) -> list[str]:
    for (owner, name), versions in _EXTENSIONS.items():
        if (owner.lower(), name.lower()) == (publisher.lower(), kind.lower()):
            return sorted(versions)
    raise NotFound(f"There is no extension {publisher[:80]}.{kind[:80]} here.", code="NotFound")


def _newest(api: Api) -> dict[str, Offered]:
    """By name: what an id of a managed image stands for."""
    return {each.name: each for each in sorted(offered(api), key=lambda each: each.order)}


@router.get(IMAGES)
async def list_images(_subscription: Subscription, group: str, api: ApiDep) -> Json:
    """The catalogue belongs to the installation; each group shows all of it."""
    found = api.find_group(group)
    return {"value": [managed_image(found.id, each, api.site().location) for each in _newest(api).values()]}


@router.get(f"{IMAGES}/{{name}}")
async def get_image(_subscription: Subscription, group: str, name: str, api: ApiDep) -> Json:
    found = api.find_group(group)
    image = _newest(api).get(name.lower())
    if image is None:
        raise NotFound(f"The resource 'Microsoft.Compute/images/{name}' was not found in the catalogue.")
    return managed_image(found.id, image, api.site().location)
