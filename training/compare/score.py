"""Scores of one arm: every render of a set against its photograph, and what they add up to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from capture.errors import IncompleteInput
from capture.issues import JsonValue
from capture.store import Artefact
from training.compare.colour import mean_delta_e
from training.compare.invented import invented
from training.compare.marks import MarkVerdict, Verdict, score_marks
from training.compare.pairs import find_reference, parse_row
from training.compare.photographs import Photographs, read_picture, render_surface
from training.compare.quality import psnr_db, ssim
from training.compare.shares import Share
from training.compare.thresholds import Thresholds
from training.dataset.frames import Frame

_CM2_PER_MM2 = 0.01


@dataclass(frozen=True)
class Rendered:
    """One render of a set and the row it was asked for."""

    file: str
    raw: str
    seed: int
    of: Frame


@dataclass(frozen=True)
class PairScore:
    """One render against its photograph; `reason` says why there is none, and then everything else is empty.

    Colour, quality and invented marks need pixels that correspond and are None for a neighbouring view.
    """

    file: str
    raw: str
    request: str  # key of the row that the render was asked for
    reference: str = ""
    reason: str = ""
    aligned: bool = False
    held_out: bool = False  # the photograph was kept out of training
    view_deg: float = 0.0
    light_deg: float = 0.0
    marks: tuple[MarkVerdict, ...] = ()
    invented: tuple[tuple[float, float, float], ...] | None = None  # u, v, diameter in px
    skin_cm2: float = 0.0  # as seen, not unrolled
    delta_e: float | None = None
    psnr_db: float | None = None
    ssim: float | None = None

    def count(self, verdict: Verdict) -> int:
        """Marks of this pair with that verdict."""
        return sum(m.verdict is verdict for m in self.marks)


@dataclass(frozen=True)
class ArmScore:
    """All renders of one arm."""

    name: str
    pairs: tuple[PairScore, ...]

    @property
    def scored(self) -> tuple[PairScore, ...]:
        """The pairs that could be compared."""
        return tuple(p for p in self.pairs if not p.reason)

    def count(self, verdict: Verdict) -> int:
        """Mark sightings with that verdict over all pairs."""
        return sum(p.count(verdict) for p in self.pairs)

    @property
    def kept(self) -> Share:
        """Kept sightings out of the observable ones."""
        return kept_share([m for p in self.pairs for m in p.marks])

    @property
    def invented_per_image(self) -> float | None:
        """Mean number of invented marks over the pairs where they could be looked for."""
        return _mean([None if p.invented is None else float(len(p.invented)) for p in self.pairs])

    @property
    def invented_per_100_cm2(self) -> float | None:
        """Invented marks per 100 cm2 of skin as seen."""
        looked = [p for p in self.pairs if p.invented is not None]
        area = sum(p.skin_cm2 for p in looked)
        return 100 * sum(len(p.invented or ()) for p in looked) / area if area else None

    @property
    def delta_e(self) -> float | None:
        """Mean CIEDE2000 inside the mask."""
        return _mean([p.delta_e for p in self.pairs])

    @property
    def psnr_db(self) -> float | None:
        """Mean PSNR inside the mask."""
        return _mean([p.psnr_db for p in self.pairs])

    @property
    def ssim(self) -> float | None:
        """Mean SSIM inside the mask."""
        return _mean([p.ssim for p in self.pairs])


def kept_share(marks: Sequence[MarkVerdict]) -> Share:
    """Kept marks out of the observable ones."""
    observable = [m for m in marks if m.verdict is not Verdict.NOT_OBSERVABLE]
    return Share(sum(m.verdict is Verdict.KEPT for m in observable), len(observable))


def read_frames(renders: Artefact) -> tuple[Rendered, ...]:
    """The frames of a render set. Raises IncompleteInput when its json does not follow the contract."""
    frames = renders.result.get("frames")
    if not isinstance(frames, list) or not frames:
        raise IncompleteInput(f"render set {renders.folder.name!r} lists no frames; run `twin render` again")
    return tuple(_frame(item, f"renders.json frame {i}") for i, item in enumerate(frames))


def score_arm(
    name: str,
    renders: Artefact,
    rows: Sequence[Frame],
    photographs: Photographs,
    limits: Thresholds,
    on_pair: Callable[[PairScore], None] | None = None,
) -> ArmScore:
    """Compare every render of a set with its photograph. `on_pair` is told of each pair as it is done."""
    pairs = []
    for frame in read_frames(renders):
        scored = _score(frame, renders, rows, photographs, limits)
        pairs.append(scored)
        if on_pair is not None:
            on_pair(scored)
    return ArmScore(name, tuple(pairs))


def _score(
    frame: Rendered, renders: Artefact, rows: Sequence[Frame], photographs: Photographs, limits: Thresholds
) -> PairScore:
    pair = find_reference(frame.of, rows, limits)
    if isinstance(pair, str):
        return PairScore(frame.file, frame.raw, frame.of.key, reason=pair)
    photograph = photographs.get(pair.reference)
    render = read_picture(renders, frame.raw)
    if render.shape != photograph.image.shape:
        (height, width), (h, w) = render.shape[:2], photograph.image.shape[:2]
        reason = f"the render has {width} x {height} pixels, the photograph {w} x {h}"
        return PairScore(frame.file, frame.raw, frame.of.key, pair.reference.key, reason)
    prepared = render_surface(render, photograph, pair)
    verdicts = score_marks(photograph.surface, pair.reference.marks, prepared, frame.of.marks, limits)
    same, mask = pair.aligned, photograph.mask
    area = float(np.count_nonzero(photograph.surface.trusted)) * pair.reference.mm_per_px**2 * _CM2_PER_MM2
    return PairScore(
        file=frame.file,
        raw=frame.raw,
        request=frame.of.key,
        reference=pair.reference.key,
        aligned=same,
        held_out=pair.reference.split == "test",
        view_deg=pair.view_deg,
        light_deg=pair.light_deg,
        marks=verdicts,
        invented=invented(photograph.surface, prepared, verdicts, limits) if same else None,
        skin_cm2=area,
        delta_e=mean_delta_e(photograph.image, render, mask) if same else None,
        psnr_db=psnr_db(photograph.image, render, mask) if same else None,
        ssim=ssim(photograph.image, render, mask) if same else None,
    )


def _frame(item: JsonValue, where: str) -> Rendered:
    if not isinstance(item, dict):
        raise IncompleteInput(f"{where} is {item!r}, expected an object; run `twin render` again")
    missing = [k for k in ("file", "raw", "seed", "of") if k not in item]
    if missing:
        raise IncompleteInput(f"{where} has no {missing[0]!r}; run `twin render` again")
    return Rendered(str(item["file"]), str(item["raw"]), int(str(item["seed"])), parse_row(item["of"], where))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return statistics.fmean(known) if known else None
