"""What tests of agents need: models that cost nothing, a model server and a NATS link that fail on demand.

from busagents.testing import FakeModelServer, ScriptedModel, call_tools, fail, say
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from busagents.testing.fake_model_server import FakeModelServer, Received
    from busagents.testing.link_proxy import Direction, LinkFault, LinkProxy
    from busagents.testing.openai_wire import Fault, Wire
    from busagents.testing.scripted_model import ScriptedModel, call_tools, fail, say

__all__ = [
    "Direction",
    "FakeModelServer",
    "Fault",
    "LinkFault",
    "LinkProxy",
    "Received",
    "ScriptedModel",
    "Wire",
    "call_tools",
    "fail",
    "say",
]

_HOMES = {
    "Direction": "link_proxy",
    "LinkFault": "link_proxy",
    "LinkProxy": "link_proxy",
    "FakeModelServer": "fake_model_server",
    "Fault": "openai_wire",
    "Received": "fake_model_server",
    "ScriptedModel": "scripted_model",
    "Wire": "openai_wire",
    "call_tools": "scripted_model",
    "fail": "scripted_model",
    "say": "scripted_model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
