"""What refers to each other in circles, as one component each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping


def components(graph: Mapping[int, Collection[int]]) -> Iterator[list[int]]:
    """The strongly connected components of a graph, each after those that it points to.

    `graph` says for each node which nodes it points to, all of them nodes of the graph. Tarjan's
    algorithm (SIAM J. Comput. 1, 1972), without recursion: references can be thousands deep.
    """
    low: dict[int, int] = {}
    """The lowest place, of those not done, that each node can reach."""
    done: set[int] = set()
    open_: list[int] = []
    for root in graph:
        if root in low:
            continue
        path = [(root, iter(sorted(graph[root])))]
        # All of earlier roots is done, so the place in `open_` serves as the order of discovery.
        place = {root: 0}
        low[root] = 0
        open_.append(root)
        while path:
            node, targets = path[-1]
            target = next((one for one in targets if one not in done), None)
            if target is None:
                path.pop()
                if path:
                    above = path[-1][0]
                    low[above] = min(low[above], low[node])
                if low[node] == place[node]:
                    cut = place[node]
                    yield sorted(open_[cut:])
                    done.update(open_[cut:])
                    del open_[cut:]
            elif target in low:
                low[node] = min(low[node], low[target])
            else:
                place[target] = low[target] = len(open_)
                open_.append(target)
                path.append((target, iter(sorted(graph[target]))))
