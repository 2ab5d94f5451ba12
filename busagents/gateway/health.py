"""What an operator's machinery asks: is it alive, does it take work, what does it count, which version is it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from busagents.gateway.cards import Reply
from busagents.gateway.metrics import CONTENT_TYPE, Metrics

PATHS = frozenset({"/livez", "/readyz", "/metrics", "/version"})
_HEADERS = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))

Check = Callable[[], Awaitable[str]]
"""Says what is wrong, "" if nothing."""


class Health:
    """Answers `/livez`, `/readyz`, `/metrics` and `/version`. `draining` is set once it takes no more work."""

    def __init__(self, checks: Mapping[str, Check], metrics: Metrics, version: str) -> None:
        self._checks = checks
        self._metrics = metrics
        self._version = version
        self.draining = False

    async def reply(self, path: str) -> Reply:
        """The answer to a path of PATHS."""
        match path:
            case "/livez":
                return Reply(200, _HEADERS, b'{"status":"alive"}')
            case "/version":
                body = {"name": "busagents", "version": self._version, "a2a": ["1.0", "0.3"]}
                return Reply(200, _HEADERS, msgspec.json.encode(body))
            case "/metrics":
                headers = ((b"content-type", CONTENT_TYPE), (b"cache-control", b"no-store"))
                wrong = await self._wrong()
                return Reply(200, headers, self._metrics.text(ready=not any(wrong.values())))
            case _:
                return self._readiness(await self._wrong())

    async def _wrong(self) -> dict[str, str]:
        found = {"accepting": "it is being stopped" if self.draining else ""}
        for name, check in self._checks.items():
            found[name] = await check()
        return found

    @staticmethod
    def _readiness(wrong: Mapping[str, str]) -> Reply:
        checks = [{"name": name, "ok": not text, **({"why": text} if text else {})} for name, text in wrong.items()]
        failed = any(wrong.values())
        body = msgspec.json.encode({"status": "unready" if failed else "ready", "checks": checks})
        return Reply(503 if failed else 200, _HEADERS, body)
