"""The built-in model that needs no key and no network: word matching, not a language model."""

from __future__ import annotations

from busagents.adapters.offline.model import OfflineModel

__all__ = ["OfflineModel"]
