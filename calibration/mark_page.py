"""The page on which a person says which proposals are birthmarks: one card per number, with large ringed
crops.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.images import encode_jpeg, read_image
from capture.store import write_atomic

Image = NDArray[np.uint8]

_CROP_PX = 300
_STYLE = """
body{font:16px/1.4 system-ui,sans-serif;margin:0;background:#f4f2ef;color:#222}
header{padding:18px 28px;background:#222;color:#fff}
header h1{margin:0 0 6px;font-size:22px} header p{margin:2px 0;font-size:17px}
code{background:#444;color:#fff;border-radius:4px;padding:1px 6px}
main{padding:14px 28px;display:grid;grid-template-columns:repeat(auto-fill,minmax(660px,1fr));gap:14px}
section{display:flex;gap:18px;background:#fff;border-radius:10px;padding:14px;box-shadow:0 1px 3px #0003}
.who{width:150px;flex:none} .who b{display:block;font-size:64px;line-height:1}
.who span{display:block;color:#444}
.crops{display:grid;grid-template-columns:1fr 1fr;gap:8px} figure{margin:0}
img{display:block;width:230px;height:230px;border-radius:6px} figcaption{font-size:13px;color:#666}
.issues{margin:14px 28px;background:#fff4e0;border-radius:10px;padding:10px 18px}
"""


@dataclass(frozen=True)
class Crop:
    """One view of a mark on the page."""

    picture: Path
    u: float  # pixels
    v: float
    radius_px: float
    caption: str


@dataclass(frozen=True)
class Card:
    """One mark on the page."""

    name: str  # in huge type
    lines: tuple[str, ...]
    crops: tuple[Crop, ...]


def write_page(path: Path, cards: Sequence[Card], *, title: str, instruction: str, issues: Sequence[str] = ()) -> None:
    """Write the self-contained page. `instruction` may hold `code` in backticks.

    Raises ImageError when a picture can no longer be read.
    """
    pictures = sorted({c.picture for card in cards for c in card.crops})
    encoded: dict[Crop, str] = {}
    for picture in pictures:  # one decoded photograph in memory at a time
        image = read_image(picture)
        for card in cards:
            encoded |= {c: _data_uri(ringed(image, c)) for c in card.crops if c.picture == picture}
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'>",
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>",
        f"<header><h1>{html.escape(title)}</h1><p>{_with_code(instruction)}</p></header>",
    ]
    if issues:
        lines = "".join(f"<li>{html.escape(i)}</li>" for i in issues)
        parts.append(f"<div class='issues'><ul>{lines}</ul></div>")
    parts += ["<main>", *(_card(card, encoded) for card in cards), "</main></html>"]
    write_atomic(path, "\n".join(parts))


def ringed(image: Image, crop: Crop) -> Image:
    """A square cut-out (300, 300, 3) around a mark, brightened, with a ring that leaves the mark itself
    free.
    """
    side = int(np.clip(12 * crop.radius_px, 48, max(image.shape[:2])))
    scale = _CROP_PX / side
    shift = np.array([[scale, 0, _CROP_PX / 2 - scale * crop.u], [0, scale, _CROP_PX / 2 - scale * crop.v]])
    cut = cv2.warpAffine(image, shift, (_CROP_PX, _CROP_PX), flags=cv2.INTER_LINEAR if scale > 1 else cv2.INTER_AREA)
    gain = min(2.5, 225 / max(float(np.percentile(cut, 97)), 1.0))
    bright = np.clip(cut.astype(np.float32) * max(gain, 1.0), 0, 255).astype(np.uint8)
    radius = round(scale * max(1.9 * crop.radius_px, crop.radius_px + 3))
    middle = (_CROP_PX // 2, _CROP_PX // 2)
    cv2.circle(bright, middle, radius, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.circle(bright, middle, radius, (80, 255, 255), 2, cv2.LINE_AA)
    return np.asarray(bright)


def _card(card: Card, encoded: dict[Crop, str]) -> str:
    lines = "".join(f"<span>{html.escape(line)}</span>" for line in card.lines)
    crops = "".join(
        f"<figure><img alt='{html.escape(c.caption)}' src='{encoded[c]}'>"
        f"<figcaption>{html.escape(c.caption)}</figcaption></figure>"
        for c in card.crops
    )
    name = html.escape(card.name)
    return f"<section id='{name}'><div class='who'><b>{name}</b>{lines}</div><div class='crops'>{crops}</div></section>"


def _with_code(text: str) -> str:
    pieces = html.escape(text).split("`")
    return "".join(f"<code>{p}</code>" if k % 2 else p for k, p in enumerate(pieces))


def _data_uri(image: Image) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image, 88)).decode()
