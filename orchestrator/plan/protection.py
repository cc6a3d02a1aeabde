"""Instance protection (reference 4.4): what each of the two flags keeps away from an instance.

| | scale-in | actions on the whole set | repair | what names the instance | deletion of the set |
|---|---|---|---|---|---|
| ``protectFromScaleIn`` | kept away | allowed | kept away | allowed | allowed |
| ``protectFromScaleSetActions`` | kept away | kept away | kept away | allowed | allowed |

Actions on the whole set are verbs that name no instance. Draining a host and evening out zones leave both kinds
alone. A dead guest of a protected instance is started again in place: that takes nothing away. Where protection
keeps more than are wanted, they stay, and a note says so.
"""

from __future__ import annotations

from orchestrator.model.instance import Instance


def is_protected(row: Instance) -> bool:
    """From scale-in and repair. ``protectFromScaleSetActions`` implies ``protectFromScaleIn``."""
    return row.protection.from_scale_in or row.protection.from_scale_set_actions


def is_protected_from_set_actions(row: Instance) -> bool:
    return row.protection.from_scale_set_actions
