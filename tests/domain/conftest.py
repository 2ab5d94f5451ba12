"""Settings for every property test here."""

from __future__ import annotations

from hypothesis import settings

# How long one example takes says nothing on a busy machine; the time limit of a whole test stands in pyproject.toml.
settings.register_profile("domain", deadline=None)
settings.load_profile("domain")
