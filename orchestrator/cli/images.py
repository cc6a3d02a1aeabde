"""``vmss image build|list|show|add|remove|verify``: work on the catalogue's files; no daemon is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.command import command
from orchestrator.cli.output import Column, at
from orchestrator.cli.session import Session
from orchestrator.cli.tables import local_time
from orchestrator.errors import BadInput, ImageError, NotFound
from orchestrator.images.build import DEFAULT_FOLDER, build
from orchestrator.images.catalogue import Catalogue
from orchestrator.images.recipes import recipe_names
from orchestrator.images.versions import ImageVersion, Urn
from orchestrator.model.guest import Boot

image_app = typer.Typer(help="Base images of guests.", no_args_is_help=True)

Folder = Annotated[
    Path, typer.Option("--images-dir", envvar="VMSS_IMAGES_DIR", help="The catalogue's folder.", show_default=True)
]
Name = Annotated[str, typer.Argument(metavar="IMAGE", help="NAME, NAME:VERSION or publisher:offer:sku:version.")]

_COLUMNS = (
    at("Name", "name"),
    at("Version", "version"),
    at("URN", "urn"),
    at("Boot", "boot"),
    at("User", "loginUser"),
    Column("Size MiB", lambda item: f"{item['sizeBytes'] / 2**20:.0f}", is_number=True),
    Column("Made", lambda item: local_time(item["createdAt"])),
    Column("sha256", lambda item: item["sha256"][:12]),
)


def _as_json(image: ImageVersion) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(image.to_json())
    return {**{_camel(name): value for name, value in raw.items() if value is not None}, "urn": image.urn}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _find(catalogue: Catalogue, name: str) -> ImageVersion:
    """Raises ``NotFound`` where the catalogue has no such image."""
    try:
        return catalogue.show(name)
    except ImageError as error:
        if error.code == ImageError.code:
            raise NotFound(error.message, code=error.code) from None
        raise


@command(image_app, "build")
def build_image(
    session: Session,
    names: Annotated[list[str], typer.Argument(metavar="NAME ...", help=f"Of {', '.join(recipe_names())}.")],
    force: Annotated[bool, typer.Option("--force", help="Even when nothing has changed since.")] = False,
    images_dir: Folder = DEFAULT_FOLDER,
) -> None:
    """Build images from their recipes, by mmdebstrap. One that is built already is left as it is."""
    catalogue = Catalogue(images_dir)
    built = [build(name, catalogue, session.note, force) for name in names]
    session.show([_as_json(image) for image in built], _COLUMNS)


@command(image_app, "list")
def list_images(session: Session, images_dir: Folder = DEFAULT_FOLDER) -> None:
    """List the catalogue: every version of every image."""
    session.show([_as_json(image) for image in Catalogue(images_dir).list()], _COLUMNS)


@command(image_app, "show")
def show_image(session: Session, name: Name, images_dir: Folder = DEFAULT_FOLDER) -> None:
    """Show one version of an image; the newest when none is named."""
    session.show(_as_json(_find(Catalogue(images_dir), name)))


@dataclass(frozen=True, slots=True)
class AddFlags:
    """Where a stranger's image comes from and what it is."""

    sha256: Annotated[str, typer.Option(help="Its checksum, from someone you trust.")]
    file: Annotated[Path | None, typer.Option(help="A qcow2 file of this machine.")] = None
    url: Annotated[str | None, typer.Option(help="Or where to fetch it: https, http.")] = None
    urn: Annotated[str | None, typer.Option(help="publisher:offer:sku[:version] [default: local:NAME:NAME]")] = None
    boot: Annotated[str, typer.Option(metavar="bios|uefi", help="How it boots.")] = Boot.BIOS.value
    login_user: Annotated[str, typer.Option(help="Whom it lets in.")] = "root"
    os_name: Annotated[str, typer.Option(help="What it is.")] = "linux"

    @property
    def source(self) -> str:
        """Raises ``BadInput`` unless exactly one of the two is given."""
        if (self.file is None) == (self.url is None):
            raise BadInput("give the image by either --file or --url")
        return str(self.file or self.url)


@command(image_app, "add")
def add_image(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The image's short name.")],
    flags: AddFlags,
    images_dir: Folder = DEFAULT_FOLDER,
) -> None:
    """Take in a qcow2 image. It must match its checksum and stand alone: no backing or data file inside."""
    if flags.boot.lower() not in ("bios", "uefi"):
        raise BadInput(f"--boot: bios or uefi, not {flags.boot}")
    added = Catalogue(images_dir).add(
        name,
        flags.source,
        flags.sha256,
        boot=Boot(flags.boot.lower()),
        urn=Urn.parse(flags.urn) if flags.urn else None,
        login_user=flags.login_user,
        os_name=flags.os_name,
        say=session.note,
    )
    session.show(_as_json(added), _COLUMNS)


@command(image_app, "remove")
def remove_image(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The image.")],
    version: Annotated[str | None, typer.Option(help="Only this version. [default: all]")] = None,
    images_dir: Folder = DEFAULT_FOLDER,
) -> None:
    """Remove an image, or one version of it, from the catalogue."""
    catalogue = Catalogue(images_dir)
    _find(catalogue, f"{name}:{version}" if version else name)
    catalogue.remove(name, version)
    session.answer(f"removed {name}{f' {version}' if version else ''}")


@command(image_app, "verify")
def verify_images(
    session: Session,
    names: Annotated[list[str] | None, typer.Argument(metavar="[IMAGE ...]", help="[default: all]")] = None,
    images_dir: Folder = DEFAULT_FOLDER,
) -> None:
    """Compare images with their checksums. Exit code 1 when one is damaged."""
    catalogue = Catalogue(images_dir)
    images = [_find(catalogue, name) for name in names] if names else catalogue.list()
    outcomes = [_verified(catalogue, image) for image in images]
    session.show(outcomes)
    if not all(outcome["ok"] for outcome in outcomes):
        raise typer.Exit(1)


def _verified(catalogue: Catalogue, image: ImageVersion) -> dict[str, Any]:
    try:
        catalogue.verify(image)
    except ImageError as error:
        return {"name": image.name, "version": image.version, "ok": False, "detail": error.message}
    return {"name": image.name, "version": image.version, "ok": True, "detail": ""}
