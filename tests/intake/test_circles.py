"""Components of graphs: who can reach each other, in an order of dependence."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from refnot_fhir.trial.receive.naming import components


@st.composite
def graphs(draw: st.DrawFn) -> dict[int, set[int]]:
    size = draw(st.integers(1, 9))
    nodes = st.integers(0, size - 1)
    return {node: draw(st.sets(nodes, max_size=4)) for node in range(size)}


def reachable(graph: dict[int, set[int]], start: int) -> set[int]:
    found = {start}
    todo = [start]
    while todo:
        for target in graph[todo.pop()] - found:
            found.add(target)
            todo.append(target)
    return found


@given(graph=graphs())
def test_a_component_is_what_can_reach_each_other_and_comes_after_what_it_points_to(
    graph: dict[int, set[int]],
) -> None:
    found = list(components(graph))
    assert sorted(node for one in found for node in one) == sorted(graph)
    reach = {node: reachable(graph, node) for node in graph}
    seen: set[int] = set()
    for one in found:
        assert all(b in reach[a] for a in one for b in one)
        seen |= set(one)
        assert all(graph[node] <= seen for node in one)
    for a in graph:
        for b in reach[a]:
            if a in reach[b]:
                assert any(a in one and b in one for one in found)
