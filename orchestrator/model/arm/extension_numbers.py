"""Configuration numbers of extensions: a guest runs each number once (reference 4.9)."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.model.arm.scale_set import ScaleSetResource


def next_numbers(numbers: Mapping[str, int], old: ScaleSetResource, new: ScaleSetResource) -> dict[str, int]:
    """Raised when an extension's configuration changes, kept when it is removed, so that no number ever stands
    for two configurations."""
    known = {each.name: each.fingerprint for each in old.profile.extension_profile.extensions}
    result = dict(numbers)
    for each in new.profile.extension_profile.extensions:
        if known.get(each.name) != each.fingerprint:
            result[each.name] = result.get(each.name, 0) + 1
    return result
