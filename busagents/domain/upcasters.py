"""How the data of an older version of an event type becomes the next version's: the way in for every change of an event.

To change what a stored field means: raise the type's `tv` in events.py by one and add a step here, from the old version to
the next. Steps are pure and stay for ever: logs written by any released version stay readable. A new field with a default
needs neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTERS: dict[tuple[str, int], Upcaster] = {}  # (type, old tv) -> its data as of tv + 1; every type is at 1 today
