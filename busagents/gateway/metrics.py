"""What the gateway counts, in Prometheus' text format 0.0.4. Labels are from closed sets: no names of callers, tasks or agents."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from functools import lru_cache

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
_OWN = frozenset({"/livez", "/readyz", "/metrics", "/version"})
_VERBS = re.compile(r".*/(message:(?:send|stream)|tasks/[^/]+:(cancel|subscribe)|tasks(?:/[^/]+)?(/pushNotificationConfigs.*)?)")


@lru_cache(1024)
def route_of(path: str) -> str:
    """What kind of path it is: one of a dozen words, whatever callers send."""
    if path in _OWN:
        return path
    if "/.well-known/" in path:
        return "card"
    if path.endswith(("/extendedAgentCard", "/v1/card")):
        return "extended-card"
    found = _VERBS.fullmatch(path)
    if found is None:
        return "plain" if "/v1/" in path or path == "/openapi.json" else "rpc"
    if found[2]:
        return f"tasks:{found[2]}"
    if found[3]:
        return "push"
    return found[1] if found[1].startswith("message:") else "tasks"


class Metrics:
    """Counters of one process; they start at zero with it."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._refused: Counter[str] = Counter()
        self._buckets: dict[str, list[int]] = {}
        self._seconds: dict[str, float] = {}
        self.open_calls = 0
        self.open_streams = 0

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """The head of an answer went out, `seconds` after the request came in."""
        self._requests[(method if method in _METHODS else "other", route, status)] += 1
        buckets = self._buckets.get(route)
        if buckets is None:
            buckets = self._buckets[route] = [0] * (len(_BUCKETS) + 1)
        buckets[bisect_left(_BUCKETS, seconds)] += 1
        self._seconds[route] = self._seconds.get(route, 0.0) + seconds

    def refused(self, reason: str) -> None:
        """A guard turned a request away. `reason` is one of its words."""
        self._refused[reason] += 1

    def text(self, *, ready: bool) -> bytes:
        """All of it."""
        lines = [
            *_head("busagents_gateway_info", "gauge", "The version that runs."),
            f'busagents_gateway_info{{version="{self._version}"}} 1',
            *_head("busagents_gateway_ready", "gauge", "1 while the bus answers and the gateway takes work."),
            f"busagents_gateway_ready {int(ready)}",
            *_head("busagents_gateway_open_calls", "gauge", "Requests and streams that are open."),
            f"busagents_gateway_open_calls {self.open_calls}",
            *_head("busagents_gateway_open_streams", "gauge", "Streams that are open."),
            f"busagents_gateway_open_streams {self.open_streams}",
            *_head("busagents_gateway_refused_total", "counter", "Requests that a guard turned away."),
        ]
        lines += [f'busagents_gateway_refused_total{{reason="{key}"}} {count}' for key, count in sorted(self._refused.items())]
        lines += _head("busagents_gateway_requests_total", "counter", "Requests answered.")
        lines += [
            f'busagents_gateway_requests_total{{method="{method}",route="{route}",status="{status}"}} {count}'
            for (method, route, status), count in sorted(self._requests.items())
        ]
        lines += _head("busagents_gateway_request_seconds", "histogram", "Seconds until the head of the answer.")
        for route, buckets in sorted(self._buckets.items()):
            lines += self._histogram(route, buckets)
        return ("\n".join(lines) + "\n").encode()

    def _histogram(self, route: str, buckets: list[int]) -> list[str]:
        name, total, lines = "busagents_gateway_request_seconds", 0, []
        for bound, count in zip((*_BUCKETS, "+Inf"), buckets, strict=True):
            total += count
            lines.append(f'{name}_bucket{{route="{route}",le="{bound}"}} {total}')
        return [*lines, f'{name}_sum{{route="{route}"}} {self._seconds[route]:.6f}', f'{name}_count{{route="{route}"}} {total}']


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
