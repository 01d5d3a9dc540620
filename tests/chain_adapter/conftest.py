"""The fixtures of this folder; what they are made of is in `chain_ledgers`."""

from chain_ledgers import anvil, anvil_factory, backend

__all__ = ["anvil", "anvil_factory", "backend"]
