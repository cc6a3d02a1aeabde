"""Every story: once in its natural order against its golden log, and in many shuffled orders.

``VMSS_WRITE_GOLDEN=1`` writes the logs anew; read the difference before committing it.
``VMSS_STORY_SEED`` plays one shuffled order again, ``VMSS_STORY_ORDERS`` says how many there are.
"""

from __future__ import annotations

import importlib
import os
import random
from pathlib import Path

import pytest

from orchestrator.hosts.simulated.virtual_time import run_virtually
from tests.simulation import stories
from tests.simulation.story import Story, Telling

GOLDEN = Path(__file__).parent / "golden"
FIRST = frozenset(stories.ALL)  # the main job
for _more in sorted(GOLDEN.parent.glob("*_stories.py")):  # each adds its own to stories.ALL
    if not _more.name.startswith("test_"):
        importlib.import_module(f"tests.simulation.{_more.stem}")
ORDERS = os.environ.get("VMSS_STORY_ORDERS")


async def play(story: Story, telling: Telling) -> str:
    await story.start()
    await telling(story)
    return story.log(story.told_kinds)


def _tell(name: str, shuffle: random.Random | None = None) -> str:
    telling = stories.ALL[name]
    return run_virtually(play(Story(**stories.SITES.get(name, {})), telling), shuffle=shuffle)


@pytest.mark.parametrize("name", stories.ALL)
def test_a_story_reads_as_its_golden_log(name: str) -> None:
    telling = stories.ALL[name]
    log = f"# {(telling.__doc__ or '').strip()}\n{_tell(name)}"
    path = GOLDEN / f"{name}.log"
    if os.environ.get("VMSS_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(log)
    assert log == path.read_text()


def _orders(name: str) -> int:
    """A hundred for the main job; fewer for the many stories beside it, and for those of hundreds of instances."""
    most = 100 if name in FIRST else 30
    return int(ORDERS) if ORDERS else min(most, stories.ORDERS.get(name, most))


@pytest.mark.parametrize("name", stories.ALL)
@pytest.mark.timeout(300)
def test_a_story_ends_the_same_in_any_of_many_orders(name: str) -> None:
    chosen = os.environ.get("VMSS_STORY_SEED")
    for seed in [int(chosen)] if chosen else range(_orders(name)):
        try:
            _tell(name, random.Random(seed))
        except BaseException as error:
            error.add_note(f"VMSS_STORY_SEED={seed}")
            raise
