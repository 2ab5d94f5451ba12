"""`busagents graph show`: pictures of what the services declare. No bus runs."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from support.running_system import busagents

REPORT = """
from busagents.domain.graph import Edge, Graph
from busagents.domain.participant import Participant

def good(state): return True

inner = Graph("inner", nodes=[Participant("x")])
report = Graph("report", [Edge(Participant("a"), Participant("b"), good), Edge("b", inner)])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose services declare a graph with another in it."""
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "report.py").write_text(REPORT)
    return tmp_path


async def test_a_graph_is_shown_as_text_unless_told_otherwise(project: Path) -> None:
    code, out, err = await busagents("graph", "show", "report", cwd=project)
    assert code == 0, err
    assert out.splitlines()[:3] == ["report", "  a  (participant, entry)", "    → b  when good"]


async def test_a_graph_inside_another_can_be_shown_as_mermaid(project: Path) -> None:
    code, out, err = await busagents("graph", "show", "inner", "--format", "mermaid", "services/report.py", cwd=project)
    assert code == 0, err
    assert out.startswith("flowchart TD\n")


async def test_an_svg_can_be_written_to_a_file(project: Path) -> None:
    code, out, err = await busagents("graph", "show", "report", "--format", "svg", "--output", "report.svg", cwd=project)
    assert (code, out) == (0, ""), err
    assert ET.fromstring((project / "report.svg").read_text()).tag.endswith("svg")


async def test_json_has_nodes_and_edges(project: Path) -> None:
    code, out, err = await busagents("graph", "show", "report", "--json", cwd=project)
    assert code == 0, err
    shown = json.loads(out)
    assert [node["id"] for node in shown["nodes"]] == ["a", "b", "inner"]
    assert shown["edges"][0] == {"source": "a", "target": "b", "when": "good", "on_error": False, "back": False}


async def test_a_graph_that_is_not_there_is_named_with_those_that_are(project: Path) -> None:
    code, _, err = await busagents("graph", "show", "nothing", cwd=project)
    assert code == 7
    assert "inner, report" in err
    assert "did you mean" not in err
    assert "did you mean 'report'?" in (await busagents("graph", "show", "raport", cwd=project))[2]


async def test_a_format_that_is_not_known_is_refused(project: Path) -> None:
    code, _, err = await busagents("graph", "show", "report", "--format", "png", cwd=project)
    assert code == 2
    assert "svg" in err
