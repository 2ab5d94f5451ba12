"""Pictures of a graph."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from graph_line import people, yes

from busagents.domain.graph import Edge, Graph, Node
from busagents.domain.graph_picture import mermaid_picture, svg_picture, text_picture

A, B, C, END = people(["a", "b", "c", "end"])
SVG = "{http://www.w3.org/2000/svg}"


def looped() -> Graph:
    edges = [Edge(A, B), Edge(B, A, yes), Edge(B, END), Edge(A, C, on_error=True)]
    return Graph(
        "g", edges, nodes=[A, Node(B, over="a", retries=1), Node(C, "twice")], entry=A, max_steps=5, description="does it"
    )


def test_the_text_lists_nodes_and_the_edges_out_of_them() -> None:
    assert text_picture(looped()).splitlines() == [
        "g: does it",
        "  a  (participant, entry)",
        "    → b",
        "    → twice  on error",
        "  b  (participant, over a, retries 1)",
        "    ↩ a  when yes",
        "    → end",
        "  twice  (participant c)",
        "  end  (participant)",
    ]


def test_mermaid_gets_names_that_are_no_words_of_its_own() -> None:
    assert mermaid_picture(looped()).splitlines() == [
        "flowchart TD",
        '    n0(["a<br/>participant"])',
        '    n1[["b<br/>participant"]]',
        '    n2["twice<br/>participant c"]',
        '    n3["end<br/>participant"]',
        "    n0 --> n1",
        '    n1 -->|"when yes"| n0',
        "    n1 --> n3",
        '    n0 -.->|"on error"| n2',
    ]


def named(name: str) -> Graph:
    def condition(state: object) -> bool:
        return True

    condition.__name__ = name
    return Graph("g", [Edge(A, B, condition)])


def test_the_svg_is_well_formed_and_holds_every_node_and_edge() -> None:
    root = ET.fromstring(svg_picture(looped()))
    words = [text.text for text in root.iter(f"{SVG}text")]
    assert {"a", "b", "twice", "end", "when yes", "on error"} <= set(words)
    assert len([path for path in root.iter(f"{SVG}path") if path.get("marker-end")]) == 4


@pytest.mark.parametrize("name", ['<script>"x"</script>', "a|b", "<lambda>"])
def test_what_a_function_is_called_cannot_break_a_picture(name: str) -> None:
    root = ET.fromstring(svg_picture(named(name)))
    assert f"when {name}" in [text.text for text in root.iter(f"{SVG}text")]
    assert root.find(f".//{SVG}script") is None
    drawn = mermaid_picture(named(name)).splitlines()[-1]
    assert re.fullmatch(r'    n0 -->\|"[^"|<>]*"\| n1', drawn)


def test_a_node_stands_below_all_that_lead_to_it() -> None:
    root = ET.fromstring(svg_picture(Graph("g", [Edge(A, B), Edge(B, C), Edge(A, C)])))
    at = {text.text: float(text.get("y", "")) for text in root.iter(f"{SVG}text")}
    assert at["a"] < at["b"] < at["c"]


def test_nodes_of_a_layer_do_not_overlap() -> None:
    root = ET.fromstring(svg_picture(Graph("g", nodes=people("abcdef"))))
    boxes = sorted((float(r.get("x", "")), float(r.get("width", ""))) for r in root.iter(f"{SVG}rect") if r.get("rx"))
    assert len(boxes) == 6
    assert all(x + width < after for (x, width), (after, _) in pairwise(boxes))
