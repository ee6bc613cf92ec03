"""Disclosure of renders: a visible "AI twin" strip below the picture and an XMP packet that machines read.

The packet holds the IPTC digital source type, which platforms look for, and, in a namespace of our own, the consent,
the twin and the adapter that the picture was made with. No picture leaves through here without a permit to render.
A plain re-save in most editors drops XMP; the strip is what remains for people.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from capture import VERSION
from capture.consent import Act, Permit
from capture.errors import ConsentRefused
from capture.store import write_atomic

U8 = NDArray[np.uint8]

LABEL = "AI twin"
TRAINED_MEDIA = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
XMP_KEY = "XML:com.adobe.xmp"  # the iTXt keyword that the XMP specification gives for PNG

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_XMP = "http://ns.adobe.com/xap/1.0/"
_IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_OWN = "urn:likeness:disclosure:1.0/"

_LEGIBLE_SIDE = 360  # px; below it a legible strip would outweigh the picture
_STRIP_SHARE = 0.065  # of the shorter side
_STRIP_PAPER, _STRIP_INK = (17, 17, 17), (255, 255, 255)
_JPEG_QUALITY = 92

_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{rdf}"><rdf:Description rdf:about=""
 xmlns:dc="{dc}" xmlns:xmp="{xmp}" xmlns:Iptc4xmpExt="{iptc}" xmlns:likeness="{own}">
<Iptc4xmpExt:DigitalSourceType>{source}</Iptc4xmpExt:DigitalSourceType>
<xmp:CreatorTool>{tool}</xmp:CreatorTool>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{description}</rdf:li></rdf:Alt></dc:description>
<likeness:Consent>{consent}</likeness:Consent>
<likeness:Twin>{twin}</likeness:Twin>
<likeness:AdapterDigest>{adapter}</likeness:AdapterDigest>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


@dataclass(frozen=True)
class Disclosure:
    """What a delivered picture says of itself."""

    digital_source_type: str
    creator_tool: str
    description: str
    consent: str
    twin: str
    adapter_digest: str


def enlargement(height: int, width: int) -> int:
    """Whole factor by which a small picture grows before it is labelled, so that the strip stays below 8 % of it."""
    return max(1, -(-_LEGIBLE_SIDE // min(height, width)))


def label(image: U8) -> U8:
    """The picture with a strip below it that says "AI twin"; no pixel of the picture is covered.

    `image` is (H, W, 3) BGR. A picture whose shorter side is below 360 px is first enlarged by a whole factor. The
    strip is 6.5 % of the shorter side high. Raises ValueError for another shape or type.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image to label is {image.shape} {image.dtype}; give (H, W, 3) uint8")
    factor = enlargement(*image.shape[:2])
    large = image
    if factor > 1:
        large = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    height, width = large.shape[:2]
    return np.vstack((large, _strip(width, max(20, round(_STRIP_SHARE * min(height, width))))))


def write_disclosed(
    path: Path, image: U8, *, permit: Permit, twin: str, adapter_digest: str, visible: bool = True
) -> None:
    """Write a render as PNG or JPEG (by suffix), labelled here and with its XMP packet, atomically.

    `image` is the unlabelled (H, W, 3) BGR render. `visible=False` leaves the strip away for pixels that only the
    comparison reads; the packet is written all the same. Raises ConsentRefused when the permit is not for rendering
    and ValueError for another suffix.
    """
    if permit.act is not Act.RENDER:
        raise ConsentRefused(
            f"consent {permit.consent!r}: the permit is for '{permit.act}', a render needs '{Act.RENDER}'; "
            "ask consent.require for it"
        )
    suffix = path.suffix.lower()
    if suffix not in (".png", ".jpg", ".jpeg"):
        raise ValueError(f"disclosed picture {path.name!r} has suffix {suffix!r}; use .png, .jpg or .jpeg")
    packet = _packet(permit.consent, twin, adapter_digest)
    pixels = label(image) if visible else image
    picture = Image.fromarray(np.ascontiguousarray(pixels[..., ::-1]))
    stream = io.BytesIO()
    if suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt(XMP_KEY, packet)
        picture.save(stream, "PNG", pnginfo=info)
    else:
        picture.save(stream, "JPEG", quality=_JPEG_QUALITY, subsampling=0, xmp=packet.encode())
    write_atomic(path, stream.getvalue())


def read_disclosure(path: Path) -> Disclosure | None:
    """What the picture's XMP packet says, or None when it names no digital source type.

    Raises ValueError when the file is no picture or its packet is not XML.
    """
    try:
        with Image.open(path) as picture:
            raw = picture.info.get(XMP_KEY) or picture.info.get("xmp")
    except OSError as err:
        raise ValueError(f"picture {path.name!r} cannot be read: {err}; give a PNG or JPEG file") from None
    if not raw:
        return None
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    root = _parse(text, path.name)
    source = _text(root, _IPTC_EXT, "DigitalSourceType")
    if not source:
        return None
    line = root.find(f".//{{{_DC}}}description//{{{_RDF}}}li")
    return Disclosure(
        digital_source_type=source,
        creator_tool=_text(root, _XMP, "CreatorTool"),
        description=(line.text or "") if line is not None else "",
        consent=_text(root, _OWN, "Consent"),
        twin=_text(root, _OWN, "Twin"),
        adapter_digest=_text(root, _OWN, "AdapterDigest"),
    )


@lru_cache(maxsize=8)
def _strip(width: int, height: int) -> U8:
    strip = Image.new("RGB", (width, height), _STRIP_PAPER)
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(round(0.72 * height))
    draw.text((round(0.4 * height), height / 2), LABEL, font=font, fill=_STRIP_INK, anchor="lm")
    return np.asarray(strip)[..., ::-1].copy()


def _packet(consent: str, twin: str, adapter_digest: str) -> str:
    fields = {
        "source": TRAINED_MEDIA,
        "tool": f"Likeness {VERSION}",
        "description": f"AI twin: generated picture, not a photograph. Twin {twin}.",
        "consent": consent,
        "twin": twin,
        "adapter": adapter_digest,
    }
    packet = _PACKET.format(
        rdf=_RDF, dc=_DC, xmp=_XMP, iptc=_IPTC_EXT, own=_OWN, **{k: escape(v) for k, v in fields.items()}
    )
    _parse(packet, "XMP packet")  # a control character in a name would make a packet that nobody can read
    return packet


def _parse(text: str, name: str) -> ElementTree.Element:
    # a document type is the door to entity bombs, and no XMP packet has one
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError(f"XMP of {name!r} declares a document type; write the file again without it")
    try:
        return ElementTree.fromstring(text.strip("\x00 \r\n\t\ufeff"))
    except ElementTree.ParseError as err:
        raise ValueError(f"XMP of {name!r} is not XML: {err}; write the file again") from None


def _text(root: ElementTree.Element, namespace: str, name: str) -> str:
    """A simple property, which RDF allows as an element or as an attribute of its description."""
    element = root.find(f".//{{{namespace}}}{name}")
    if element is not None:
        return (element.text or element.get(f"{{{_RDF}}}resource") or "").strip()
    for node in root.iter(f"{{{_RDF}}}Description"):
        value = node.get(f"{{{namespace}}}{name}")
        if value:
            return value.strip()
    return ""
