"""A set's model goes back to that of an older version, as a new version: ids of models only count up."""

from __future__ import annotations

from typing import Any

from orchestrator.model.arm.extension_numbers import next_numbers
from orchestrator.model.arm.scale_set import parse_scale_set
from orchestrator.model.arm.write_only import join_secrets, split_secrets
from orchestrator.model.scale_set import ScaleSet


def reverted(record: ScaleSet, older: ScaleSet, now: float) -> ScaleSet:
    """``record`` with the size and the virtual machine profile of ``older``; capacity, policies and tags stay.

    An extension whose configuration differs from the newest one gets a new number: where the newer ran, the older
    one runs again. Where it never ran, the content is the same, and nothing is done (``upgrade_cost``). The new
    version is proven as the older one was: it is never reverted itself, so going back ends."""
    before = join_secrets(record.model, record.secrets)
    then = join_secrets(older.model, older.secrets)
    after: dict[str, Any] = {
        **before,
        "sku": {**then["sku"], "capacity": before["sku"]["capacity"]},
        "properties": {
            **before["properties"],
            "virtualMachineProfile": then["properties"]["virtualMachineProfile"],
        },
    }
    old, new = (parse_scale_set(body, name=record.name) for body in (before, after))
    model, hidden = split_secrets(new.to_json())
    return record.but(
        model=model,
        secrets=hidden,
        version=record.version + 1,
        model_version=record.model_version + 1,
        proven_model_version=record.model_version + 1,
        changed_at=now,
        extension_sequences=next_numbers(record.extension_sequences, old, new),
    )
