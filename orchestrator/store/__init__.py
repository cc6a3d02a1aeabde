"""Durable state. ``Store`` reads, ``Store.write()`` gives a ``Transaction``."""

from orchestrator.store.seal import Seal
from orchestrator.store.store import Store, make_engine
from orchestrator.store.transaction import Transaction

__all__ = ["Seal", "Store", "Transaction", "make_engine"]
