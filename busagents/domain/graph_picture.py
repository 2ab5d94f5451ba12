"""A graph as a picture: text for terminals, Mermaid for documents, SVG for browsers. Nothing is fetched or measured."""

from __future__ import annotations

from html import escape
from typing import Any

import msgspec

from busagents.domain.graph import Graph, GraphEdge, Node, function_name

_CHAR = 7.5  # width of a character, in pixels
_HEIGHT = 44
_GAP_X = 48
_GAP_Y = 76
_MARGIN = 32


def text_picture(graph: Graph) -> str:
    """The nodes in order of declaration, below each the edges out of it."""
    lines = [f"{graph.name}{': ' + graph.description if graph.description else ''}"]
    for node in graph.nodes.values():
        told = ", ".join(_remarks(graph, node))
        lines.append(f"  {node.id}{'  (' + told + ')' if told else ''}")
        lines += [f"    {_arrow(edge)} {edge.target}{_after(edge)}" for edge in graph.edges if edge.source == node.id]
    return "\n".join(lines)


def mermaid_picture(graph: Graph) -> str:
    """A Mermaid flowchart, as GitHub and others draw it."""
    names = {id: f"n{number}" for number, id in enumerate(graph.nodes)}  # an id may be a word of Mermaid's
    lines = ["flowchart TD"]
    for node in graph.nodes.values():
        left, right = ("([", "])") if node.id in graph.entries else ("[[", "]]") if node.over is not None else ("[", "]")
        lines.append(f'    {names[node.id]}{left}"{_for_mermaid("<br/>", *_label(node))}"{right}')
    for edge in graph.edges:
        arrow = "-.->" if edge.on_error else "-->"
        if label := _edge_label(edge):
            arrow += f'|"{_for_mermaid("", label)}"|'
        lines.append(f"    {names[edge.source]} {arrow} {names[edge.target]}")
    return "\n".join(lines)


def _for_mermaid(between: str, *texts: str) -> str:
    return between.join(escape(text).replace("&", "#").replace("|", "#124;") for text in texts)


def _arrow(edge: GraphEdge) -> str:
    return "↩" if edge.back else "→"


def _after(edge: GraphEdge) -> str:
    label = _edge_label(edge)
    return f"  {label}" if label else ""


def _edge_label(edge: GraphEdge) -> str:
    words = ["on error"] if edge.on_error else []
    if edge.when is not None:
        words.append(f"when {function_name(edge.when)}")
    return ", ".join(words)


def _label(node: Node) -> list[str]:
    kind = type(node.participant).__name__.lower()
    return [node.id, kind if node.participant.name == node.id else f"{kind} {node.participant.name}"]


def _remarks(graph: Graph, node: Node) -> list[str]:
    told = [_label(node)[1]]
    if node.id in graph.entries:
        told.append("entry")
    if node.over is not None:
        told.append(f"over {node.over if isinstance(node.over, str) else function_name(node.over)}")
    if node.join != "all":
        told.append(f"join {node.join}")
    if node.retries:
        told.append(f"retries {node.retries}")
    if node.max_runs is not None:
        told.append(f"at most {node.max_runs} runs")
    if node.on_error == "continue":
        told.append("may fail")
    return told


class _Box(msgspec.Struct, frozen=True):
    """Where a node is drawn: its middle, its upper edge, its width."""

    x: float
    y: float
    width: float


def svg_picture(graph: Graph) -> str:
    """An SVG image: each node below all that lead to it, edges back along the right side."""
    boxes = _layout(graph)
    right = max(box.x + box.width / 2 for box in boxes.values())
    backs = sum(edge.back for edge in graph.edges)
    label = max((len(_edge_label(edge)) for edge in graph.edges if edge.back), default=0)
    width = right + _MARGIN + backs * 26 + label * _CHAR
    height = max(box.y for box in boxes.values()) + _HEIGHT + _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
        ' font-family="sans-serif" font-size="13">',
        f"<title>{escape(graph.name)}</title>",
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    lane = right
    for edge in graph.edges:
        lane += 26 * edge.back
        lines += _svg_edge(edge, boxes[edge.source], boxes[edge.target], lane)
    lines += [line for node in graph.nodes.values() for line in _svg_node(graph, node, boxes[node.id])]
    return "\n".join((*lines, "</svg>"))


def _svg_node(graph: Graph, node: Node, box: _Box) -> list[str]:
    entry = node.id in graph.entries
    left = box.x - box.width / 2
    shape = f'x="{left:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{_HEIGHT}" rx="{_HEIGHT / 2 if entry else 6}"'
    style = f'fill="{"#e8f0fe" if entry else "#f6f6f6"}" stroke="#555"'
    name, kind = _label(node)
    drawn = [f"<rect {shape} {style}/>"]
    if node.over is not None:  # several at once
        drawn.insert(0, f'<rect {shape} {style} transform="translate(5 5)"/>')
    return [
        *drawn,
        f'<text x="{box.x:.1f}" y="{box.y + 19:.1f}" text-anchor="middle" font-weight="bold">{escape(name)}</text>',
        f'<text x="{box.x:.1f}" y="{box.y + 35:.1f}" text-anchor="middle" font-size="11" fill="#555">{escape(kind)}</text>',
    ]


def _svg_edge(edge: GraphEdge, source: _Box, target: _Box, lane: float) -> list[str]:
    if edge.back:
        x1, y1 = source.x + source.width / 2, source.y + _HEIGHT * 0.65
        x2, y2 = target.x + target.width / 2, target.y + _HEIGHT * 0.35
        path = f"M{x1:.1f} {y1:.1f}C{lane:.1f} {y1:.1f} {lane:.1f} {y2:.1f} {x2:.1f} {y2:.1f}"
        middle, anchor = (lane - 4, (y1 + y2) / 2), "start"
    else:
        x1, y1, x2, y2 = source.x, source.y + _HEIGHT, target.x, target.y
        bend = (y2 - y1) / 2
        path = f"M{x1:.1f} {y1:.1f}C{x1:.1f} {y1 + bend:.1f} {x2:.1f} {y2 - bend:.1f} {x2:.1f} {y2:.1f}"
        middle, anchor = ((x1 + x2) / 2, (y1 + y2) / 2), "middle"
    dashes = ' stroke-dasharray="5 4"' if edge.on_error else ""
    lines = [f'<path d="{path}" fill="none" stroke="#555"{dashes} marker-end="url(#arrow)"/>']
    label = _edge_label(edge)
    if label:
        place = f'x="{middle[0]:.1f}" y="{middle[1] + 4:.1f}" text-anchor="{anchor}"'
        halo = 'font-size="11" fill="#333" stroke="#fff" stroke-width="4" paint-order="stroke"'
        lines.append(f"<text {place} {halo}>{escape(label)}</text>")
    return lines


def _layout(graph: Graph) -> dict[str, _Box]:
    """Each node one layer below the last of those that lead to it; in a layer, side by side in order of declaration."""
    layers: dict[int, list[Node]] = {}
    for id, depth in _depths(graph).items():
        layers.setdefault(depth, []).append(graph.nodes[id])
    widths = {node.id: max(90.0, 28 + _CHAR * max(map(len, _label(node)))) for node in graph.nodes.values()}
    rows = {depth: sum(widths[node.id] for node in nodes) + _GAP_X * (len(nodes) - 1) for depth, nodes in layers.items()}
    boxes: dict[str, _Box] = {}
    for depth, nodes in layers.items():
        left = _MARGIN + (max(rows.values()) - rows[depth]) / 2
        for node in nodes:
            width = widths[node.id]
            boxes[node.id] = _Box(left + width / 2, _MARGIN + depth * (_HEIGHT + _GAP_Y), width)
            left += width + _GAP_X
    return boxes


def _depths(graph: Graph) -> dict[str, int]:
    """The length of the longest path to each node, edges back left out."""
    waiting = dict.fromkeys(graph.nodes, 0)
    outward: dict[str, list[str]] = {id: [] for id in graph.nodes}
    for edge in graph.edges:
        if not edge.back:
            waiting[edge.target] += 1
            outward[edge.source].append(edge.target)
    depths = dict.fromkeys(graph.nodes, 0)
    ready = [id for id, count in waiting.items() if not count]
    for id in ready:  # grows while it is gone through
        for target in outward[id]:
            depths[target] = max(depths[target], depths[id] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return depths


def as_data(graph: Graph) -> dict[str, Any]:
    """The nodes and edges as JSON values."""
    nodes = [
        {
            "id": node.id,
            "participant": node.participant.name,
            "kind": type(node.participant).__name__.lower(),
            "entry": id in graph.entries,
        }
        for id, node in graph.nodes.items()
    ]
    edges = [
        {
            "source": edge.source,
            "target": edge.target,
            "when": None if edge.when is None else function_name(edge.when),
            "on_error": edge.on_error,
            "back": edge.back,
        }
        for edge in graph.edges
    ]
    return {"name": graph.name, "description": graph.description, "max_steps": graph.max_steps, "nodes": nodes, "edges": edges}
