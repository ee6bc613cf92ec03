"""Films of movement that say what they are: the strip in every frame, the file's own tags, and a JSON beside it.

The statement is that of the pictures (training/disclose.py). Most platforms drop a film's tags as they drop a picture's
packet, so the strip is what remains for people, and the JSON is for whoever is handed the folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture import VERSION
from capture.consent import Act, Permit
from capture.errors import ConsentRefused
from capture.store import write_json
from capture.video import write_video
from training.disclose import LABEL, TRAINED_MEDIA, Disclosure, label

U8 = NDArray[np.uint8]

_CRF = 17  # thin lines and the edge of a limb stay clean


def disclosure_file(film: Path) -> Path:
    """The JSON beside a film."""
    return film.with_suffix(".disclosure.json")


def write_film(path: Path, frames: Iterable[U8], fps: float, *, permit: Permit, twin: str, adapter_digest: str) -> int:
    """Write unlabelled frames (H, W, 3) BGR as H.264 in MP4, labelled here; returns how many they were.

    The JSON is written first and the film renamed last, so that none is ever without its statement. Raises
    ConsentRefused when the permit is not for rendering.
    """
    if permit.act is not Act.RENDER:
        raise ConsentRefused(
            f"consent {permit.consent!r}: the permit is for '{permit.act}', a film needs '{Act.RENDER}'; "
            "ask consent.require for it"
        )
    said = Disclosure(
        digital_source_type=TRAINED_MEDIA,
        creator_tool=f"Likeness {VERSION}",
        description=f"{LABEL}: generated film, not a recording. Twin {twin or 'none'}.",
        consent=permit.consent,
        twin=twin,
        adapter_digest=adapter_digest,
    )
    tags = {
        "title": said.description,
        "comment": f"consent={said.consent}; twin={said.twin}; adapter={said.adapter_digest}",
        "description": f"{said.digital_source_type} {said.creator_tool}",
    }
    write_json(disclosure_file(path), {**asdict(said)})
    return write_video(path, _labelled(frames), fps, crf=_CRF, tags=tags)


def _labelled(frames: Iterable[U8]) -> Iterator[U8]:
    for frame in frames:
        picture = label(frame)
        # A film has even sizes: the strip grows by one row of its own paper.
        yield np.vstack((picture, picture[-1:])) if picture.shape[0] % 2 else picture
