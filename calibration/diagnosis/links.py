"""The graph of cameras that saw the board together: who hangs on few shots, and by whom the rig is held together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from calibration.detect import Detections
from calibration.guide import ENOUGH_SHARED
from capture.issues import Issue, issue

FEW_SHARED = ENOUGH_SHARED - 1  # shots; with as many a link stands, but a wrong one is not seen


def link_issues(detections: Detections, placed: Collection[str]) -> Iterator[Issue]:
    """Cameras or groups that fewer than five shots tie to the rest of the placed cameras.

    Only links that nothing goes round count: the rig is cut at each edge of its widest spanning tree (Kruskal 1956).
    """
    shots = {name: frozenset(detections[name]) for name in detections if name in placed}
    for a, b in _tree(shots):
        side = _reached(a, _tree(shots), without=(a, b))
        other = shots.keys() - side
        few, many = sorted((side, other), key=lambda g: (len(g), sorted(g) != sorted(side)))
        tie = frozenset.union(*(shots[n] for n in few)) & frozenset.union(*(shots[n] for n in many))
        if len(tie) >= FEW_SHARED:
            continue
        near, far = (a, b) if a in few else (b, a)
        where = f"camera {near}" if len(few) == 1 else f"cameras {', '.join(n for n in shots if n in few)}"
        yield issue(
            "CAMERA_WEAKLY_LINKED",
            where=where,
            expected=f"{ENOUGH_SHARED} board shots that {near} and {far} both see",
            found=f"{len(tie)} with all others together, {len(shots[near] & shots[far])} with {far}",
        )


def _tree(shots: Mapping[str, frozenset[str]]) -> list[tuple[str, str]]:
    """Edges of the widest spanning tree, or forest, of the cameras by shots that two share."""
    names = list(shots)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :] if shots[a] & shots[b]]
    group = {name: name for name in names}
    edges = []
    for a, b in sorted(pairs, key=lambda p: -len(shots[p[0]] & shots[p[1]])):
        first, second = group[a], group[b]
        if first != second:
            group = {name: first if g == second else g for name, g in group.items()}
            edges.append((a, b))
    return edges


def _reached(start: str, edges: list[tuple[str, str]], *, without: tuple[str, str]) -> set[str]:
    reached, waiting = {start}, [start]
    while waiting:
        name = waiting.pop()
        for edge in edges:
            if edge != without and name in edge:
                other = edge[1] if edge[0] == name else edge[0]
                if other not in reached:
                    reached.add(other)
                    waiting.append(other)
    return reached
