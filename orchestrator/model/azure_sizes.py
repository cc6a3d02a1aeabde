"""Azure's sizes for general use, by family: figures of its size documentation. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

_MIB = 1024
_TO_64 = (2, 4, 8, 16, 32, 48, 64)
_TO_96 = (*_TO_64, 96)

# Family, name with a place for the number of vCPUs, those numbers, GiB of memory for each vCPU.
_EVEN: tuple[tuple[str, str, tuple[int, ...], int], ...] = (
    ("standardDv3Family", "D{}_v3", _TO_64, 4),
    ("standardDSv3Family", "D{}s_v3", _TO_64, 4),
    ("standardDSv4Family", "D{}s_v4", _TO_64, 4),
    ("standardDASv4Family", "D{}as_v4", _TO_96, 4),
    ("standardDv5Family", "D{}_v5", _TO_96, 4),
    ("standardDSv5Family", "D{}s_v5", _TO_96, 4),
    ("standardDASv5Family", "D{}as_v5", _TO_96, 4),
    ("standardDLSv5Family", "D{}ls_v5", _TO_96, 2),
    ("standardFSv2Family", "F{}s_v2", (*_TO_64, 72), 2),
    ("standardAv2Family", "A{}_v2", (1, 2, 4, 8), 2),
    ("standardAv2Family", "A{}m_v2", (2, 4, 8), 8),
    ("standardBsv2Family", "B{}ls_v2", (4, 8, 16, 32), 2),
    ("standardBsv2Family", "B{}s_v2", (2, 4, 8, 16, 32), 4),
    ("standardBSFamily", "B{}ms", (2, 4, 8, 12, 16, 20), 4),
    ("standardESv3Family", "E{}s_v3", (2, 4, 8, 16, 20, 32, 48), 8),
    ("standardESv4Family", "E{}s_v4", (2, 4, 8, 16, 20, 32, 48), 8),
    ("standardESv5Family", "E{}s_v5", (2, 4, 8, 16, 20, 32, 48, 64), 8),
    ("standardEASv5Family", "E{}as_v5", (2, 4, 8, 16, 20, 32, 48, 64), 8),
)

# Family, name, vCPUs, MiB of memory: those that keep to no proportion.
_ODD: tuple[tuple[str, str, int, int], ...] = (
    ("standardBSFamily", "B1ls", 1, 512),
    ("standardBSFamily", "B1s", 1, 1 * _MIB),
    ("standardBSFamily", "B1ms", 1, 2 * _MIB),
    ("standardBSFamily", "B2s", 2, 4 * _MIB),
    ("standardBsv2Family", "B2ts_v2", 2, 1 * _MIB),
    ("standardBsv2Family", "B2ls_v2", 2, 4 * _MIB),
    ("standardESv3Family", "E64s_v3", 64, 432 * _MIB),
    ("standardESv4Family", "E64s_v4", 64, 504 * _MIB),
    ("standardESv5Family", "E96s_v5", 96, 672 * _MIB),
    ("standardEASv5Family", "E96as_v5", 96, 672 * _MIB),
)


def azure_figures() -> Iterator[tuple[str, str, int, int]]:
    """Family, name, vCPUs and MiB of memory of each."""
    for family, pattern, counts, gib in _EVEN:
        for vcpus in counts:
            yield family, f"Standard_{pattern.format(vcpus)}", vcpus, vcpus * gib * _MIB
    for family, name, vcpus, memory_mib in _ODD:
        yield family, f"Standard_{name}", vcpus, memory_mib
