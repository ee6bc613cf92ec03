"""Which cameras saw the board together: a ring with lines as thick as what two share, and a matrix for many cameras."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from markupsafe import Markup

_SIDE, _RADIUS = 620, 225  # CSS pixels
_LABELLED = 8  # cameras, up to which every line bears its number
_CELL_PX = 26
_NUMBERED = 40  # cameras, up to which every cell of the matrix bears its number

Pairs = Mapping[tuple[str, str], int]


def pair_graph(names: Sequence[str], pairs: Pairs, weak: Collection[str] = ()) -> Markup:
    """The cameras on a ring in the given order, a line for every pair that shares shots, red to those named `weak`."""
    place = {
        name: (
            _SIDE / 2 + _RADIUS * math.sin(2 * math.pi * n / len(names)),
            _SIDE / 2 - _RADIUS * math.cos(2 * math.pi * n / len(names)),
        )
        for n, name in enumerate(names)
    }
    most = max(pairs.values(), default=1)
    parts = [Markup('<svg class="ring" viewBox="0 0 {0} {0}" role="img" aria-label="{1}">').format(_SIDE, _said(pairs))]
    for (a, b), count in sorted(pairs.items(), key=lambda item: item[1]):
        if count:
            (x1, y1), (x2, y2) = place[a], place[b]
            few = "few" if (a in weak) != (b in weak) else "tie"
            width = 1 + 7 * math.sqrt(count / most)
            line = '<path class="{}" stroke-width="{:.1f}" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"><title>{}</title></path>'
            parts.append(Markup(line).format(few, width, x1, y1, x2, y2, f"{a} and {b}: {count} shots"))
    if len(names) <= _LABELLED:
        for n, ((a, b), count) in enumerate(pairs.items()):
            if count:
                at = 0.42 if n % 2 else 0.36  # off the middle, where lines cross
                x, y = (place[a][k] * (1 - at) + place[b][k] * at for k in (0, 1))
                parts.append(Markup('<text class="count" x="{:.1f}" y="{:.1f}">{}</text>').format(x, y + 5, count))
    for name, (x, y) in place.items():
        out_x, out_y = ((c - _SIDE / 2) / _RADIUS for c in (x, y))
        side = "mid" if abs(out_x) < 0.3 else "start" if out_x > 0 else "end"
        kind = "few" if name in weak else "node"
        parts.append(Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="7"/>').format(kind, x, y))
        label = Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>')
        parts.append(label.format(side, x + 14 * out_x, y + 22 * out_y + 5, name))
    return Markup("").join([*parts, Markup("</svg>")])


def pair_matrix(names: Sequence[str], pairs: Pairs) -> Markup:
    """Shots that every two cameras share, as shaded cells, for rigs whose ring has too many lines to read."""
    if len(names) <= _LABELLED:
        return Markup("")
    most, left = max(pairs.values(), default=1), 12 + 9 * max(map(len, names))
    side = left + _CELL_PX * len(names)
    parts = [
        Markup('<svg class="matrix" viewBox="0 0 {} {}" style="max-width:{}px" role="img" aria-label="{}">').format(
            side, side, side, _said(pairs)
        )
    ]
    for n, name in enumerate(names):
        y = left + n * _CELL_PX + 18
        parts.append(Markup('<text class="end" x="{}" y="{}">{}</text>').format(left - 6, y, name))
        turned = '<text transform="translate({} {}) rotate(-90)">{}</text>'
        parts.append(Markup(turned).format(y, left - 6, name))
    for (a, b), count in pairs.items():
        for row, column in ((names.index(a), names.index(b)), (names.index(b), names.index(a))):
            x, y = left + column * _CELL_PX, left + row * _CELL_PX
            shade = 0.08 + 0.72 * math.sqrt(count / most) if count else 0.0
            cell = '<rect x="{}" y="{}" width="{}" height="{}" fill="#2a6fdb" fill-opacity="{:.2f}"/>'
            parts.append(Markup(cell).format(x, y, _CELL_PX - 1, _CELL_PX - 1, shade))
            if count and len(names) <= _NUMBERED:
                parts.append(Markup('<text class="mid" x="{}" y="{}">{}</text>').format(x + 12.5, y + 18, count))
    return Markup("").join([*parts, Markup("</svg>")])


def _said(pairs: Pairs) -> str:
    shared = [count for count in pairs.values() if count]
    return f"{len(shared)} of {len(pairs)} pairs of cameras share board shots, {sum(shared)} in all"
