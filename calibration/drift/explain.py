"""Changes of cameras found one after the other, coarse before fine; each is taken out before the next is sought."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.camera import Camera
from calibration.drift.constraints import Block, reduce, turned
from calibration.drift.effects import Effect, Kind, fit_since, profile, rows_of, stands, strongest, told
from calibration.drift.features import Moment, Seen
from calibration.drift.tracks import tracks_of
from calibration.pose import Floats

# Degrees from the epipolar line, and the noise there: a wide gate finds large moves among many wrong matches.
_PASSES = ((3.0, 4.0), (0.6, 1.0))
_MOST = 6  # changes
LEAST_TURN_PX = 0.6  # in the file; ingest says less of a moved camera neither
LEAST_LAG_FRAMES = 0.25
_NEAR_MOMENTS = 4  # two findings about one camera that begin within so many are one


@dataclass(frozen=True, eq=False)
class Change:
    """What happened to one camera. She is not deep enough to tell a push from a turn, so it is said as a turn."""

    camera: str
    kind: Kind
    since: int  # moment
    size: Floats  # turn: (3,) radians about its own axes; lag: (1,) frames
    sigma: Floats  # of each number
    tracks: int
    distance_m: float  # from the camera to what was seen, median
    rivals: tuple[str, ...]  # cameras that may have changed instead: the points do not tell which

    @property
    def degrees(self) -> float:
        """Of a turn."""
        return float(np.degrees(np.linalg.norm(self.size)))


@dataclass(frozen=True, eq=False)
class Explained:
    """The changes, and what each camera shows of them moment by moment."""

    changes: tuple[Change, ...]
    contradicted: tuple[Change, ...]  # turns that points tell of cameras whose own background stands still
    tracks: dict[str, int]  # camera -> tracks that bear on it
    told: frozenset[str]  # cameras of which tracks say anything, once the changes are taken out
    stands: frozenset[str]  # those that they show to be where calibration says
    shift_px: dict[str, Floats]  # camera -> (M, 2) where its picture lies off, right and down; NaN where unknown
    lag: dict[str, Floats]  # camera -> (M,) frames; NaN where unknown


def explain(
    moments: Sequence[Moment],
    cameras: Sequence[Camera],
    *,
    noise_px: float,
    every: int = 1,
    steady: Collection[str] = (),
) -> Explained:
    """Look for cameras that turned or run late in one recording, or in the takes of a session.

    `noise_px` is what a good calibration leaves; `every` says how many frames lie between two moments. `steady` are
    cameras that their own plates show to stand: no turn of theirs explains anything. Raises ValueError for fewer than
    two cameras.
    """
    if len(cameras) < 2:
        raise ValueError(f"drift needs two cameras or more, got {len(cameras)}; calibrate them together")
    still = [(k, Kind.TURN) for k, c in enumerate(cameras) if c.id in steady]
    asked = [(k, kind) for k in range(len(cameras)) for kind in Kind if (k, kind) not in still]
    found: list[Effect] = []
    current = list(moments)
    against: dict[int, Effect] = {}
    for gate, coarse in _PASSES:
        while True:
            blocks = reduce(tracks_of(current, cameras, gate_deg=gate), cameras)
            effect = strongest(blocks, asked, noise_px=coarse * noise_px) if len(found) < _MOST else None
            if effect is None or not _matters(effect, cameras[effect.camera], coarse * noise_px):
                break
            found.append(effect)
            current = _corrected(current, cameras[effect.camera], effect, every)
        for one in still:
            effect = strongest(blocks, [one], noise_px=coarse * noise_px)
            if effect is not None and _matters(effect, cameras[effect.camera], coarse * noise_px):
                against[effect.camera] = effect
    changes = tuple(_change(_refined(e, blocks, noise_px), blocks, cameras) for e in _merged(found))
    contradicted = tuple(_change(e, blocks, cameras) for e in against.values())
    shift, lag = _profiles(blocks, cameras, changes, (len(moments), noise_px))
    counts = {c.id: sum(int((b.cameras == i).sum()) for b in blocks) for i, c in enumerate(cameras)}
    turns = {c.id: rows_of(blocks, i, Kind.TURN) for i, c in enumerate(cameras)}
    known, still_there = (
        frozenset(name for name, rows in turns.items() if says(rows, noise_px=noise_px)) for says in (told, stands)
    )
    return Explained(changes, contradicted, counts, known, still_there, shift, lag)


def _profiles(
    blocks: Sequence[Block], cameras: Sequence[Camera], changes: Sequence[Change], over: tuple[int, float]
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Pixels and frames that each camera is off moment by moment; `over` are the moments and the noise."""
    count, noise_px = over
    shift, lag = {}, {}
    for index, camera in enumerate(cameras):
        rows = (rows_of(blocks, index, kind) for kind in (Kind.TURN, Kind.LAG))
        turns, lags = (profile(r, count, noise_px=noise_px) for r in rows)
        for change in changes:
            if change.camera == camera.id:
                left = turns if change.kind is Kind.TURN else lags
                left[change.since :] += change.size
        # Content moves left where the camera turns right about its y axis, and down where it turns up about x.
        shift[camera.id] = np.stack([-camera.fx * turns[:, 1], camera.fy * turns[:, 0]], axis=1)
        lag[camera.id] = lags[:, 0]
    return shift, lag


def _matters(effect: Effect, camera: Camera, noise_px: float) -> bool:
    """Whether it is more than a calibration that holds may show."""
    if effect.kind is Kind.LAG:
        return bool(abs(effect.size[0]) > LEAST_LAG_FRAMES)
    return bool(camera.fx * np.linalg.norm(effect.size[:2]) > max(LEAST_TURN_PX, noise_px))


def _corrected(moments: Sequence[Moment], camera: Camera, effect: Effect, every: int) -> list[Moment]:
    """The footage as it would be without an effect."""
    out: list[dict[str, Seen]] = [dict(moment) for moment in moments]
    whole = round(float(effect.size[0]) / every) if effect.kind is Kind.LAG else 0
    for index in range(effect.since, len(moments)):
        out[index].pop(camera.id, None)
        # A camera that is late by n frames showed this moment n frames ago.
        source = index - whole
        if effect.since <= source < len(moments) and camera.id in moments[source]:
            out[index][camera.id] = _undone(moments[source][camera.id], camera, effect, whole * every)
    return list[Moment](out)


def _undone(seen: Seen, camera: Camera, effect: Effect, whole: int) -> Seen:
    if effect.kind is Kind.LAG:
        uv = seen.uv - (float(effect.size[0]) - whole) * seen.velocity
    else:
        there = camera.placed(turned(camera.world_from_camera, effect.size))
        uv, _ = camera.project(camera.centre + there.rays(seen.uv))
    good = np.isfinite(uv).all(axis=1)
    return Seen(uv[good], seen.velocity[good], seen.descriptor[good])


def _merged(found: Sequence[Effect]) -> list[Effect]:
    """Later findings about the same thing refine the first: their sizes are added, the largest says since when."""
    out: list[Effect] = []
    for effect in found:
        for at, other in enumerate(out):
            same = (other.camera, other.kind) == (effect.camera, effect.kind)
            if same and abs(other.since - effect.since) <= _NEAR_MOMENTS:
                larger = max((other, effect), key=lambda e: float(np.linalg.norm(e.size)))
                out[at] = replace(effect, size=other.size + effect.size, since=larger.since)
                break
        else:
            out.append(effect)
    return out


def _refined(effect: Effect, blocks: Sequence[Block], noise_px: float) -> Effect:
    """An effect with what the last blocks, from which it is taken out, still add to it."""
    rows = rows_of(blocks, effect.camera, effect.kind)
    rest = fit_since(rows, effect.since, (effect.camera, effect.kind), noise_px=noise_px)
    if rest is None:
        return effect
    return replace(effect, size=effect.size + rest.size, covariance=rest.covariance, tracks=rest.tracks)


def _change(effect: Effect, blocks: Sequence[Block], cameras: Sequence[Camera]) -> Change:
    camera = cameras[effect.camera]
    away = [np.linalg.norm(b.point[(b.cameras == effect.camera).any(axis=1)] - camera.centre, axis=1) for b in blocks]
    distance = float(np.median(np.concatenate(away))) if sum(map(len, away)) else float("nan")
    sigma = np.sqrt(np.diag(effect.covariance))
    rivals = tuple(cameras[k].id for k in effect.rivals)
    return Change(
        camera.id, effect.kind, effect.since, effect.size, sigma, effect.tracks, distance, rivals
    )  # fmt: skip
