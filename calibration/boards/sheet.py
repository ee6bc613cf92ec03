"""Boards as sheets for the printer, SVG and PDF, in true size with a scale to measure the print by."""

from __future__ import annotations

from dataclasses import dataclass

from calibration.boards.artwork import Rectangle, artwork
from capture.session import Board

PAPERS_MM = {"A4": (210, 297), "A3": (297, 420), "A2": (420, 594), "A1": (594, 841), "A0": (841, 1189)}
MARGIN_MM = 8.0  # no printer reaches the edge; a board needs a white rim as well
_FOOT_MM = 14.0  # below the board, for what it is and the scale
_SCALE_MM = 100.0
_SCALE_TEXT = f"{_SCALE_MM:.0f} mm when printed at 100 %"
_POINT_MM = 25.4 / 72


@dataclass(frozen=True)
class Sheet:
    """A page with the board in its middle. Millimetres, x right and y down from the top left of the paper."""

    width: float
    height: float
    rectangles: tuple[Rectangle, ...]  # black: left, top, width, height
    white: tuple[Rectangle, ...]  # drawn before the black
    caption: str
    foot: tuple[float, float]  # left end of the base line of the caption


def lay_out(board: Board, paper: str = "") -> Sheet:
    """Place a board on a paper of `PAPERS_MM`, lying or standing, or on a page of its own size where none is named.

    Raises ValueError for an unknown paper, and for a board that the paper does not hold, with the smallest that does.
    """
    art = artwork(board)
    needed = (art.size[0] * 1000 + 2 * MARGIN_MM, art.size[1] * 1000 + 2 * MARGIN_MM + _FOOT_MM)
    width, height = _page(needed, paper) if paper else needed
    left = (width - art.size[0] * 1000) / 2
    top = (height - _FOOT_MM - art.size[1] * 1000) / 2
    black = tuple((left + x * 1000, top + y * 1000, w * 1000, h * 1000) for x, y, w, h in art.black.tolist())
    white: tuple[Rectangle, ...] = ()
    if board.inverted:
        rim = MARGIN_MM * 0.75
        around = (left - rim, top - rim, art.size[0] * 1000 + 2 * rim, art.size[1] * 1000 + 2 * rim)
        white, black = black, (around,)
    return Sheet(width, height, black, white, _caption(board), (max(left, MARGIN_MM), height - MARGIN_MM))


def to_svg(sheet: Sheet) -> str:
    """The sheet as SVG whose units are millimetres."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{sheet.width:.3f}mm" height="{sheet.height:.3f}mm" '
        f'viewBox="0 0 {sheet.width:.3f} {sheet.height:.3f}" shape-rendering="crispEdges">',
        f'<rect width="{sheet.width:.3f}" height="{sheet.height:.3f}" fill="white"/>',
    ]
    for colour, rectangles in _layers(sheet):
        lines.append(f'<g fill="{colour}">')
        lines += [f'<rect x="{x:.4f}" y="{y:.4f}" width="{w:.4f}" height="{h:.4f}"/>' for x, y, w, h in rectangles]
        lines.append("</g>")
    x, y = sheet.foot
    lines.append(f'<rect x="{x:.3f}" y="{y - 6.5:.3f}" width="{_SCALE_MM:.3f}" height="1.5" fill="black"/>')
    for left, base, text in ((x + _SCALE_MM + 2, y - 5, _SCALE_TEXT), (x, y, sheet.caption)):
        lines.append(f'<text x="{left:.3f}" y="{base:.3f}" font-family="sans-serif" font-size="3.2">{text}</text>')
    return "\n".join([*lines, "</svg>", ""])


def to_pdf(sheet: Sheet) -> bytes:
    """The sheet as PDF 1.4 (ISO 32000-1): one page of rectangles and two lines of Helvetica, in points of 1/72 inch."""
    content = [f"{1 / _POINT_MM:.9f} 0 0 {-1 / _POINT_MM:.9f} 0 {sheet.height / _POINT_MM:.6f} cm"]  # mm, y down
    for colour, rectangles in _layers(sheet):
        content.append("0 g" if colour == "black" else "1 g")
        content += [f"{x:.4f} {y:.4f} {w:.4f} {h:.4f} re" for x, y, w, h in rectangles]
        content.append("f" if rectangles else "n")
    x, y = sheet.foot
    content.append(f"0 g {x:.4f} {y - 6.5:.4f} {_SCALE_MM:.4f} 1.5 re f")
    for left, base, text in ((x + _SCALE_MM + 2, y - 5, _SCALE_TEXT), (x, y, sheet.caption)):
        content.append(f"BT /F1 3.2 Tf 1 0 0 -1 {left:.4f} {base:.4f} Tm ({text}) Tj ET")
    stream = "\n".join(content).encode("ascii")
    box = f"[0 0 {sheet.width / _POINT_MM:.4f} {sheet.height / _POINT_MM:.4f}]"
    objects = [
        # The viewer's own scaling is switched off: a board that was fitted to the page is a board of another size.
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /PrintScaling /None >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox {box} /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>".encode(),
        b"<< /Length " + str(len(stream)).encode() + b" >>\nstream\n" + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    return _pdf_file(objects)


def _pdf_file(objects: list[bytes]) -> bytes:
    """Objects numbered from 1, the table of where each begins, and the trailer that points to it."""
    data = b"%PDF-1.4\n"
    starts: list[int] = []
    for number, body in enumerate(objects, 1):
        starts.append(len(data))
        data += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = b"".join(f"{start:010d} 00000 n \n".encode() for start in starts)
    size = len(objects) + 1
    end = f"trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF\n".encode()
    return data + f"xref\n0 {size}\n0000000000 65535 f \n".encode() + table + end


def _layers(sheet: Sheet) -> list[tuple[str, tuple[Rectangle, ...]]]:
    """Colours in the order in which they are laid on: of an inverted board the white squares come last."""
    return [("black", sheet.rectangles), ("white", sheet.white)]


def _page(needed: tuple[float, float], paper: str) -> tuple[float, float]:
    if paper not in PAPERS_MM:
        raise ValueError(f"paper {paper!r} is unknown; give one of {', '.join(PAPERS_MM)}")
    fitting = [name for name, size in PAPERS_MM.items() if _fits(needed, size) or _fits(needed, size[::-1])]
    if paper not in fitting:
        smallest = f"{fitting[0]} holds it" if fitting else "no paper up to A0 does; leave --paper out for a plotter"
        raise ValueError(f"paper {paper} is too small for a board of {needed[0]:.0f} x {needed[1]:.0f} mm; {smallest}")
    across, along = PAPERS_MM[paper]
    return (across, along) if _fits(needed, (across, along)) else (along, across)


def _fits(needed: tuple[float, float], size: tuple[float, ...]) -> bool:
    return needed[0] <= size[0] and needed[1] <= size[1]


def _caption(board: Board) -> str:
    """What the board is, in the words of session.toml; no brackets, which XML and PDF read as their own."""
    parts = [f"kind = {board.kind}", f"columns = {board.columns}", f"rows = {board.rows}"]
    parts.append(f"square_m = {board.square_m:g}")
    if board.marker_m:
        parts.append(f"marker_m = {board.marker_m:g}")
    if board.dictionary:
        parts.append(f"dictionary = {board.dictionary}")
    if board.first_marker:
        parts.append(f"first_marker = {board.first_marker}")
    parts += [word for word, on in (("inverted", board.inverted), ("legacy", board.legacy)) if on]
    return "; ".join(parts)
