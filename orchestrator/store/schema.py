"""Brings a database to the newest schema, by Alembic's migrations."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

_MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(engine: Engine) -> None:
    """Create or upgrade. A database that is newer than this build is refused by Alembic."""
    from alembic import command  # noqa: PLC0415  slow to import, and only needed once
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
