"""The step: colours of every camera under every light from a session's chart and board, into derived/colour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np

from calibration.colour.chart import Card, facing, read_chart
from calibration.colour.correction import Correction, Quality, WhiteSeen, unknown
from calibration.colour.fit import LINEAR, ROOT, Fit, fit_colours
from calibration.colour.grey import PAPER, BoardColours, Whites, board_light, compare_cameras, measure_whites
from calibration.colour.profile import read_srgb
from calibration.colour.reference import LUMINANCE, published
from calibration.pose import Floats, Pose
from calibration.target import Target, target_of
from capture import store
from capture.decode.picture import ImageError
from capture.issues import Issue, JsonObject, Report, issue
from capture.session import ShotKind

if TYPE_CHECKING:
    from calibration.rig import RigCalibration
    from capture.validate import Original, ValidatedSession
    from capture.vault import SessionFolder

ARTEFACT = "colour"
_METHOD = 1  # raise it when the same pictures give other corrections
_THREADS = 4
_MOST_SHOTS = 24  # of the board: more of them only repeat each other
Model = Literal["linear", "root-polynomial"]


@dataclass(frozen=True, eq=False)
class Colours:
    """The corrections of a session, one for each camera under each light."""

    corrections: tuple[Correction, ...]
    lights: Mapping[str, Floats]  # light -> (3,) linear RGB as the rig sees it, luminance 1
    whites: tuple[WhiteSeen, ...]  # light on the card and the board, where the rig is known
    measured: bool  # by a chart or a board; without either, nothing is corrected

    def of(self, camera: str, light: str) -> Correction:
        """The correction of one camera under one light; the one that changes nothing where there is none."""
        for correction in self.corrections:
            if (correction.camera, correction.light) == (camera, light):
                return correction
        return unknown(camera, light)


@dataclass(frozen=True, eq=False)
class _Read:
    """One picture of the card."""

    camera: str
    light: str
    fit: Fit
    card: Card
    other: Fit  # by the model that was not chosen


def calibrate_colour(
    validated: ValidatedSession, rig: RigCalibration | None = None, *, model: Model = "linear", force: bool = False
) -> tuple[Colours, Report]:
    """Measure the colours of a session into derived/colour.

    Where a camera has a picture of the card under a light, the card decides. Elsewhere the white squares of the board
    do, for which the rig must be calibrated. What neither shows stays as it is, named by COLOUR_NOT_MEASURED. Does
    nothing when the result is there already, unless `force`.
    """
    folder = validated.folder.derived(ARTEFACT)
    inputs = {"ingest": validated.digest}
    if rig is not None:
        inputs["calibration"] = store.read(validated.folder.derived("calibration"), "calibration").digest
    settings: JsonObject = {"model": model, "method": _METHOD}
    if not force and store.current(folder, ARTEFACT, inputs=inputs, settings=settings):
        done = Report.from_json((folder / "report.json").read_text(encoding="utf-8"))
        return load_colours(validated.folder), Report(done.step, done.issues, {**done.facts, "skipped": True})
    store.reopen(folder, ARTEFACT)
    colours, report = measure(validated, rig, model=model)
    store.write_json(folder / "report.json", report.to_json())
    lights: JsonObject = {name: [float(v) for v in white] for name, white in colours.lights.items()}
    result: JsonObject = {
        "measured": colours.measured,
        "lights": lights,
        "whites": [w.to_json() for w in colours.whites],
        "corrections": [c.to_json() for c in colours.corrections],
    }
    consent = validated.session.session.consent
    store.finish(folder, ARTEFACT, consent=consent, inputs=inputs, settings=settings, result=result)
    return colours, report


def load_colours(folder: SessionFolder) -> Colours:
    """What `calibrate_colour` wrote. Raises IncompleteInput when it has not run or did not finish."""
    result = store.read(folder.derived(ARTEFACT), ARTEFACT).result
    rows = cast("list[JsonObject]", result["corrections"])
    lights = cast("dict[str, list[float]]", result["lights"])
    return Colours(
        tuple(Correction.from_json(row) for row in rows),
        {name: np.array(white) for name, white in lights.items()},
        tuple(WhiteSeen.from_json(row) for row in cast("list[JsonObject]", result["whites"])),
        bool(result["measured"]),
    )


def measure(validated: ValidatedSession, rig: RigCalibration | None, *, model: Model) -> tuple[Colours, Report]:
    """The colours of a session and what is wrong with its charts and board; nothing is written."""
    reads, issues = _charts(validated, model)
    board, more = _board(validated, rig) if rig is not None else (None, [])
    session = validated.session
    lit = "", 0.0, np.ones(3)
    if board is not None and rig is not None:
        lit = board_light(board.levels, rig.boards, session.light)
    whites = _whites(validated, reads, board, lit)
    by_place = {(r.camera, r.light): r for r in reads}
    corrections = []
    for camera in session.camera:
        gain = board.gains.get(camera.id) if board is not None else None
        for light in session.light:
            read = by_place.get((camera.id, light.id))
            if read is not None:
                corrections.append(_by_chart(read, gain, whites[light.id]))
            elif gain is not None:
                corrections.append(_by_board((camera.id, light.id), gain, whites[light.id], lit[1]))
            else:
                corrections.append(unknown(camera.id, light.id))
    issues += [*more, *_not_measured(corrections, len(session.light))]
    measured = any(c.method != "none" for c in corrections)
    seen = () if rig is None else tuple(_whites_seen(reads, rig, board, lit[0]))
    facts = _facts(corrections, board, lit)
    return Colours(tuple(corrections), whites, seen, measured), Report("colour", tuple(issues), facts)


def _charts(validated: ValidatedSession, model: Model) -> tuple[list[_Read], list[Issue]]:
    published()  # loads the library once, before the threads ask for it
    terms, other = (LINEAR, ROOT) if model == "linear" else (ROOT, LINEAR)

    def read(original: Original) -> tuple[_Read | None, tuple[Issue, ...]]:
        shot = original.shot
        try:
            picture = read_srgb(original.path)
        except ImageError as err:
            return None, (issue(err.code, where=shot.stem, found=err.detail),)
        fit, card, found = read_chart(picture, where=shot.stem)
        if fit is None or card is None:
            return None, found
        fits = [fit_colours(card.linear, usable=~card.clipped, terms=t) for t in (terms, other)]
        return _Read(shot.camera, shot.light, fits[0], card, fits[1]), found

    with ThreadPoolExecutor(_THREADS) as pool:
        results = list(pool.map(read, validated.of_kind(ShotKind.CHART)))
    return [r for r, _ in results if r is not None], [i for _, found in results for i in found]


def _board(validated: ValidatedSession, rig: RigCalibration) -> tuple[BoardColours | None, list[Issue]]:
    declared = validated.session.calibration.board
    pictures = [o for o in validated.of_kind(ShotKind.BOARD) if o.frames == 1 and o.shot.group in rig.boards]
    if declared is None or not pictures:
        return None, []
    target = target_of(declared)
    shots = sorted({o.shot.group for o in pictures})
    chosen = set(shots[:: -(-len(shots) // _MOST_SHOTS)])
    known = {camera.id for camera in rig.cameras}
    used = [o for o in pictures if o.shot.group in chosen and o.shot.camera in known]

    def look(original: Original) -> tuple[Whites | None, Issue | None]:
        return _whites_of(original, rig, rig.boards[original.shot.group], target)

    with ThreadPoolExecutor(_THREADS) as pool:
        results = list(pool.map(look, used))
    found = compare_cameras([w for w, _ in results if w is not None])
    return (found if found.gains else None), [i for _, i in results if i is not None]


def _whites_of(
    original: Original, rig: RigCalibration, pose: Pose, target: Target
) -> tuple[Whites | None, Issue | None]:
    shot = original.shot
    try:
        picture = read_srgb(original.path)
    except ImageError as err:
        return None, issue(err.code, where=shot.stem, found=err.detail)
    return measure_whites(picture, rig.camera(shot.camera), pose, target, shot=shot.group), None


def _whites(
    validated: ValidatedSession, reads: list[_Read], board: BoardColours | None, lit: tuple[str, float, Floats]
) -> dict[str, Floats]:
    """Colour (3,) of each light, luminance 1: by the cards, else by the board, else as session.toml declares it."""
    whites = {}
    for light in validated.session.light:
        seen = [
            _shared(r.fit.white, board.gains.get(r.camera) if board else None) for r in reads if r.light == light.id
        ]
        if seen:
            white = np.exp(np.mean(np.log(seen), axis=0))
        else:
            white = lit[2] if lit[0] == light.id else np.array(light.colour)
        whites[light.id] = white / float(white @ LUMINANCE)
    return whites


def _shared(white: Floats, gain: Floats | None) -> Floats:
    """The light (3,) as the mean camera of the rig would see it."""
    return white if gain is None else white / gain


def _whites_seen(
    reads: list[_Read], rig: RigCalibration, board: BoardColours | None, light: str
) -> Iterator[WhiteSeen]:
    known = {camera.id: camera for camera in rig.cameras}
    for read in reads:
        normal = facing(read.card, known[read.camera]) if read.camera in known else None
        if normal is not None:
            gain = board.gains.get(read.camera) if board else None
            yield WhiteSeen("chart", read.light, normal, _shared(read.fit.white / read.fit.exposure, gain))
    for shot, level in board.levels.items() if board and light else ():
        yield WhiteSeen("board", light, -rig.boards[shot].rotation[:, 2], level / PAPER)


def _by_chart(read: _Read, gain: Floats | None, white: Floats) -> Correction:
    fit, left_out = read.fit, read.fit.left_out
    # The card faces each camera, not the light: how bright it is says nothing of the camera. The board does.
    level = 1.0 if gain is None else float(gain @ LUMINANCE)
    quality = Quality(
        float(fit.raw.mean()),
        float(fit.errors.mean()),
        float(left_out.mean()),
        float(left_out.max()),
        float(read.other.left_out.mean()),
        int(fit.usable.sum()),
    )
    balance = fit.white[1] / fit.white
    rig = white[:, None] * fit.matrix / level
    return Correction(read.camera, read.light, "chart", fit.exposure, balance, fit.matrix, rig, quality)


def _by_board(place: tuple[str, str], gain: Floats, white: Floats, level: float) -> Correction:
    seen = gain * white
    luminance = float(seen @ LUMINANCE)
    exposure = PAPER / (level * luminance) if level > 0 else 1.0
    matrix = np.diag(luminance / seen)
    return Correction(*place, "board", exposure, seen[1] / seen, matrix, np.diag(1 / gain))


def _not_measured(corrections: list[Correction], lights: int) -> Iterator[Issue]:
    missing: dict[str, list[str]] = {}
    for correction in corrections:
        if correction.method == "none":
            missing.setdefault(correction.camera, []).append(correction.light)
    if missing and all(c.method == "none" for c in corrections):
        found = "neither chart nor board can be read in any camera"
        yield issue("COLOUR_NOT_MEASURED", where="session", expected="chart or board", found=found)
        return
    for camera, names in missing.items():
        found = "under any light" if len(names) == lights else f"under {', '.join(names)}"
        yield issue("COLOUR_NOT_MEASURED", where=f"camera {camera}", expected="chart or board", found=found)


def _facts(corrections: list[Correction], board: BoardColours | None, lit: tuple[str, float, Floats]) -> JsonObject:
    charts = [c.quality for c in corrections if c.quality is not None]
    methods: JsonObject = {m: sum(c.method == m for c in corrections) for m in ("chart", "board", "none")}
    facts: JsonObject = {"methods": methods}
    if charts:
        facts["left_out_mean"] = float(np.mean([q.left_out for q in charts]))
        facts["left_out_worst"] = max(q.left_out for q in charts)
    if board is not None:
        gains: JsonObject = {name: [float(v) for v in gain] for name, gain in board.gains.items()}
        facts["gains"] = gains
        facts["gain_spread"] = {name: spread for name, spread in board.spread.items()}
        facts["board_light"] = lit[0] or None
    return facts
