"""The recipes of base images, and where the files that travel with the code are found."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from orchestrator.errors import ImageError

_PACKAGE = Path(__file__).resolve().parent.parent

#: Raised by hand when the builder itself changes what it makes of the same recipe.
BUILDER_VERSION = 1


def data_folder(name: str) -> Path:
    """The folder ``images`` or ``cloud-init``: of the checkout, else as the installed package carries it."""
    for folder in (_PACKAGE.parent / name, _PACKAGE / "_data" / name):
        if folder.is_dir():
            return folder
    raise ImageError(f"The folder '{name}' is neither in this checkout nor in the installed package.")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is made of. ``suite`` is a Debian suite, or ``machine``: this machine's own.

    ``version`` is the first two numbers of the image's versions; the builder counts the third.
    """

    name: str
    folder: Path
    kind: Literal["micro", "system"]
    version: tuple[int, int]
    publisher: str
    offer: str
    sku: str
    os_name: str
    login_user: str
    suite: str
    disk_mib: int
    cmdline: str
    modules: tuple[str, ...]
    packages: dict[str, tuple[str, ...]]
    kernel: dict[str, str]
    programs: tuple[str, ...] = ()
    enabled: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()

    def packages_for(self, distribution: str) -> tuple[str, ...]:
        if distribution not in self.packages:
            raise ImageError(
                f"Image '{self.name}' cannot be built from {distribution} packages.", code="ImageNotAllowed"
            )
        return self.packages[distribution]

    def fingerprint(self, origin: str) -> str:
        """A hash of everything the image is made from here: the recipe's files, the builder and the origin."""
        digest = hashlib.sha256(f"{BUILDER_VERSION}\0{origin}\0".encode())
        for path in sorted([*self.folder.rglob("*"), *initramfs_folder().rglob("*")]):
            if path.is_file():
                digest.update(f"{path.relative_to(self.folder.parent)}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
        return digest.hexdigest()


def initramfs_folder() -> Path:
    return data_folder("images") / "initramfs"


def recipe_names() -> list[str]:
    return sorted(path.parent.name for path in data_folder("images").glob("*/recipe.toml"))


def load_recipe(name: str) -> Recipe:
    """Read ``images/NAME/recipe.toml``; raises ``ImageError`` for a name without a recipe."""
    names = recipe_names()
    if name not in names:
        raise ImageError(f"There is no recipe for an image '{name}'; there are: {', '.join(names)}.")
    folder = data_folder("images") / name
    raw: dict[str, Any] = tomllib.loads((folder / "recipe.toml").read_text())
    major, minor = raw["version"].split(".")
    raw["version"] = (int(major), int(minor))
    raw["modules"] = tuple(raw["modules"])
    raw["packages"] = {distribution: tuple(names) for distribution, names in raw["packages"].items()}
    raw["programs"] = tuple(raw.get("programs", {}).get("paths", ()))
    services = raw.pop("services", {})
    raw["enabled"], raw["masked"] = tuple(services.get("enabled", ())), tuple(services.get("masked", ()))
    return Recipe(name=name, folder=folder, **raw)
