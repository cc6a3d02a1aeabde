"""The catalogue of VM sizes: Azure's names with Azure's figures, small ones of our own, and the site's. No I/O."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from orchestrator.errors import BadInput
from orchestrator.model.azure_sizes import azure_figures

_NAME_MAX = 64
LAB_FAMILY = "labFamily"


@dataclass(frozen=True, slots=True)
class Size:
    """What ``sku.name`` stands for. ``os_disk_gib`` of ``None`` keeps the image's own disk size. ``family`` groups
    sizes of one make; it is shown only, and empty for a site's own sizes."""

    name: str
    vcpus: int
    memory_mib: int
    os_disk_gib: int | None = None
    family: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= _NAME_MAX:
            raise BadInput(f"A size's name has 1 to {_NAME_MAX} characters.", target="sizes")
        if self.vcpus < 1 or self.memory_mib < 32 or (self.os_disk_gib is not None and self.os_disk_gib < 1):
            raise BadInput(
                f"Size {self.name}: needs at least 1 vCPU, 32 MiB of memory and, if given, 1 GiB of disk.",
                target=f"sizes.{self.name}",
            )


LAB_SIZES = (Size("Lab_Micro", 1, 96, family=LAB_FAMILY), Size("Lab_Small", 1, 512, family=LAB_FAMILY))


# A site without the memory for one of them answers AllocationFailed.
AZURE_SIZES = tuple(
    Size(name, vcpus, memory_mib, family=family) for family, name, vcpus, memory_mib in azure_figures()
)


class SizeCatalogue:
    """Sizes by name, whatever the case. A site's own size replaces a built-in one of the same name."""

    def __init__(self, own: Iterable[Size] = ()) -> None:
        self._sizes = {size.name.lower(): size for size in (*LAB_SIZES, *AZURE_SIZES, *own)}

    def __iter__(self) -> Iterator[Size]:
        return iter(sorted(self._sizes.values(), key=lambda size: size.name))

    def find(self, name: str) -> Size | None:
        return self._sizes.get(name.lower())

    def get(self, name: str) -> Size:
        """Raises ``BadInput`` (target ``sku.name``), with the nearest names."""
        if size := self.find(name):
            return size
        near = difflib.get_close_matches(name.lower(), self._sizes, n=3, cutoff=0.5)
        hint = f" Did you mean {', '.join(self._sizes[key].name for key in near)}?" if near else ""
        raise BadInput(f"There is no VM size '{name}'.{hint}", target="sku.name")
