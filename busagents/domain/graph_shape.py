"""The shape of a graph: which edges lead back, which nodes lie on a cycle, what can be reached. Names only; order is declaration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import gcd
from typing import TypeVar

T = TypeVar("T")

Links = Mapping[str, Sequence[str]]  # the targets of each node, in order of declaration


def back_edges(entries: Sequence[str], links: Links) -> frozenset[tuple[str, str]]:
    """The edges to an ancestor on the path of a depth-first walk from the entries. Without them there is no cycle."""
    back: set[tuple[str, str]] = set()
    seen: set[str] = set()
    for entry in entries:
        if entry in seen:
            continue
        seen.add(entry)
        path, on_path = [(entry, iter(links[entry]))], {entry}
        while path:
            node, rest = path[-1]
            target = next(rest, None)
            if target is None:
                path.pop()
                on_path.discard(node)
            elif target in on_path:
                back.add((node, target))
            elif target not in seen:
                seen.add(target)
                on_path.add(target)
                path.append((target, iter(links[target])))
    return frozenset(back)


def reachable(entries: Sequence[str], links: Links) -> set[str]:
    """The entries and every node a path from them leads to."""
    found = set(entries)
    rest = list(found)
    while rest:
        for target in links[rest.pop()]:
            if target not in found:
                found.add(target)
                rest.append(target)
    return found


def a_cycle(links: Links) -> list[str]:
    """The nodes of some cycle, in the order of its edges; empty if there is none."""
    done: set[str] = set()
    for start in links:
        if start in done:
            continue
        path, places = [(start, iter(links[start]))], {start: 0}
        while path:
            node, rest = path[-1]
            target = next(rest, None)
            if target is None:
                path.pop()
                del places[node]
                done.add(node)
            elif target in places:
                return [name for name, _ in path[places[target] :]]
            elif target not in done:
                places[target] = len(path)
                path.append((target, iter(links[target])))
    return []


def on_cycles(links: Links, back: frozenset[tuple[str, str]]) -> set[str]:
    """The nodes that can run again: those on a cycle, and those that follow one."""
    return reachable(sorted({target for _, target in back}), links) if back else set()


def without(links: Links, left_out: set[str]) -> dict[str, list[str]]:
    """The graph without some nodes."""
    return {
        node: [target for target in targets if target not in left_out] for node, targets in links.items() if node not in left_out
    }


def scattered(items: Sequence[T]) -> Iterator[T]:
    """The items in an order that has nothing to do with theirs. Whoever looks for one that is still open, among items that
    tend to end in order, so finds it after a few: looking again at each end costs n log n in all, not n².
    """
    count = len(items)
    stride = max(1, int(count * 0.618))
    while gcd(stride, count) > 1:
        stride += 1
    return (items[index * stride % count] for index in range(1, count + 1))
