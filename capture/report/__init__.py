"""Pages for people: one self-contained HTML file each, readable from two metres and on paper.

`page` wraps any body in the house page; `verdict`, `issue_list` and `figures` are the parts that every page has.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

import jinja2
from markupsafe import Markup, escape

from capture.issues import CATALOGUE, Report, Severity

Tone: TypeAlias = Literal["good", "warn", "bad"]

EXAMPLES = 3  # issues of one code that a page shows; the others are counted


@cache
def environment() -> jinja2.Environment:
    """Templates of this folder, with escaping on."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)


def page(title: str, body_html: str, *, extra_css: str = "", refresh_s: int = 0) -> str:
    """A whole HTML page around a body that is HTML already; style and pictures are inside, nothing is loaded.

    With `refresh_s` the browser reads the file again after so many seconds.
    """
    style = Markup(environment().get_template("style.css.j2").render() + extra_css)
    template = environment().get_template("page.html.j2")
    return template.render(title=title, style=style, body=Markup(body_html), refresh_s=refresh_s)


def verdict(line: str, *, tone: Tone, detail: str = "") -> Markup:
    """The one line at the top of a page, in large type: what is the case and what to do now."""
    return _part("verdict", line=line, tone=tone, detail=detail)


def issue_list(report: Report) -> Markup:
    """Issues grouped by code, errors first, at most three examples of each with the count and the remedy.

    Ignored ones are left to `ignored_list`, which belongs at the end of a page.
    """
    return _issues(report, ignored=False)


def ignored_list(report: Report) -> Markup:
    """What the rules of the shoot set aside, with the rules; empty where they set aside nothing."""
    return _issues(report, ignored=True)


def _issues(report: Report, *, ignored: bool) -> Markup:
    groups = [
        {
            "code": code,
            "entry": CATALOGUE[code],
            "severity": items[0].severity,
            "examples": items[:EXAMPLES],
            "more": len(items) - EXAMPLES,
            "n": len(items),
        }
        for code, items in report.grouped()
        if (items[0].severity is Severity.IGNORED) == ignored
    ]
    return _part("issues", groups=groups)


def figures(values: Mapping[str, str]) -> Markup:
    """A row of labelled figures, e.g. {"Frames": "480", "RMS": "0.21 px"}."""
    return _part("figures", values=values)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    """A plain table; a cell that looks like a number is set to the right. Cells may be Markup."""
    return _part("table", head=head, rows=rows, is_number=_is_number)


def picture(jpeg_or_png: bytes, *, alt: str) -> Markup:
    """An inline picture."""
    kind = "png" if jpeg_or_png[:4] == b"\x89PNG" else "jpeg"
    data = base64.b64encode(jpeg_or_png).decode("ascii")
    return Markup('<img src="data:image/{};base64,{}" alt="{}">').format(kind, data, alt)


def _part(name: str, **values: object) -> Markup:
    return Markup(environment().get_template(f"{name}.html.j2").render(**values).strip())


def _is_number(cell: object) -> bool:
    text = str(escape(cell)).strip()
    return bool(text) and text[0] in "+-−.0123456789"
