"""What both witnesses say of each camera in each recording, as issues that say what the technician does now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from calibration.camera import Camera
from calibration.drift.background import Step, degrees_of, find_step
from calibration.drift.effects import Kind
from calibration.drift.explain import Change, Explained
from calibration.drift.footage import PLATE, Recording
from calibration.pose import Floats
from capture.checks.moved import MOVED_PX
from capture.issues import Issue, JsonObject, issue

_APART = 0.25  # of the larger move: two witnesses that differ by less agree
_LEAST_SEEN = 0.5  # of the moments; a background that is measured in fewer says nothing
_SIGMAS = 3.0


@dataclass(frozen=True, eq=False)
class Reading:
    """One recording: what was found in it, and what each background did."""

    recording: Recording
    explained: Explained
    steps: Mapping[str, Step | None]  # camera -> move of its background

    def change(self, camera: str, kind: Kind) -> Change | None:
        """The first change of that kind that was found for a camera."""
        return next((c for c in self.explained.changes if (c.camera, c.kind) == (camera, kind)), None)

    def told(self, camera: str) -> bool:
        """Whether points say anything of a camera."""
        return camera in self.explained.told or any(c.camera == camera for c in self.explained.changes)

    def sees_background(self, camera: str) -> bool:
        """Whether its background says anything in half of the moments."""
        shift = self.recording.background.get(camera)
        return shift is not None and _seen(shift)

    def denied(self, camera: str) -> Change | None:
        """A turn of which the points tell, of a camera whose background stood still while it should have turned."""
        known = [c for c in self.explained.contradicted if c.camera == camera]
        turn = self.change(camera, Kind.TURN)
        # a first picture cannot deny what was before it
        if turn is not None and turn.since and self.steps.get(camera) is None and self.sees_background(camera):
            known.append(turn)
        return known[0] if known else None


def read(recording: Recording, explained: Explained) -> Reading:
    """Both witnesses of one recording."""
    return Reading(recording, explained, {c: find_step(s) for c, s in recording.background.items()})


def steady(recording: Recording) -> tuple[str, ...]:
    """Cameras of which their own plates say that they stood where they stood when the studio was empty."""
    return tuple(
        camera
        for camera, shift in recording.background.items()
        if recording.against.get(camera) == PLATE and _seen(shift) and find_step(shift) is None
    )


def _seen(shift: Floats) -> bool:
    return bool(np.isfinite(shift[:, 0]).mean() >= _LEAST_SEEN)


def issues_of(readings: Sequence[Reading], cameras: Sequence[Camera]) -> Iterator[Issue]:
    """One issue for each camera that moved or is out of step, however many recordings show it."""
    for camera in cameras:
        moved = [text for r in readings if (text := _moved(r, camera))]
        if moved:
            expected = f"within {MOVED_PX:g} px of where it was calibrated"
            yield issue("CAMERA_DRIFTED", where=f"camera {camera.id}", expected=expected, found="; ".join(moved))
        late = [_late(r, c) for r in readings if (c := r.change(camera.id, Kind.LAG))]
        if late:
            expected = "the moments that the others show"
            yield issue("CAMERA_OUT_OF_STEP", where=f"camera {camera.id}", expected=expected, found="; ".join(late))
        apart = [text for r in readings if (text := _apart(r, camera))]
        if apart:
            yield issue("DRIFT_DISAGREES", where=f"camera {camera.id}", expected="one move", found="; ".join(apart))
        if not any(r.told(camera.id) or r.sees_background(camera.id) for r in readings):
            found = "no point that it shares with another camera, and a backdrop without a place"
            yield issue("DRIFT_NOT_MEASURED", where=f"camera {camera.id}", found=found)


def facts_of(reading: Reading, camera: Camera) -> JsonObject:
    """What is known of a camera in one recording, as numbers."""
    turn, lag = (reading.change(camera.id, kind) for kind in (Kind.TURN, Kind.LAG))
    step = reading.steps.get(camera.id)
    shift, lags = reading.explained.shift_px[camera.id], reading.explained.lag[camera.id]
    names = reading.recording.names
    return {
        "tracks": reading.explained.tracks[camera.id],
        "shift_px_median": _median(np.hypot(*shift.T)),
        "lag_frames_median": _median(lags),
        "turned": None if turn is None else {
            "since": names[turn.since], "degrees": turn.degrees,
            "turn_deg": np.degrees(turn.size).tolist(), "sigma_deg": np.degrees(turn.sigma).tolist(),
            "shift_px": float(np.hypot(*_shift(turn, camera))), "tracks": turn.tracks,
            "or_instead": list(turn.rivals),
        },
        "late": None if lag is None else {
            "since": names[lag.since], "frames": float(lag.size[0]), "sigma_frames": float(lag.sigma[0]),
            "tracks": lag.tracks, "or_instead": list(lag.rivals),
        },
        "background": None if step is None else {
            "since": names[step.since], "shift_px": [step.x, step.y], "spread_px": step.spread_px,
            "degrees": degrees_of(np.array([step.x, step.y]), camera),
        },
    }  # fmt: skip


def _median(values: Floats) -> float | None:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else None


def _shift(turn: Change, camera: Camera) -> Floats:
    """(2,) pixels by which the middle of the picture moves to the right and down."""
    return np.array([-camera.fx * turn.size[1], camera.fy * turn.size[0]])


def _moved(reading: Reading, camera: Camera) -> str:
    """Said of a camera that moved, or ''."""
    turn, step = reading.change(camera.id, Kind.TURN), reading.steps.get(camera.id)
    if reading.denied(camera.id):
        return ""
    if turn is not None:
        sigma = float(np.degrees(np.hypot(*turn.sigma[:2])))
        shift = float(np.hypot(*_shift(turn, camera)))
        aside = 1000 * float(np.tan(np.radians(turn.degrees))) * turn.distance_m
        text = f"turned by {turn.degrees:.2f} ± {max(sigma, 0.005):.2f} degrees ({shift:.1f} px, {aside:.0f} mm at her)"
        text += f" since {_when(reading, turn.since)}"
        if step is not None:
            by = degrees_of(np.array([step.x, step.y]), camera)
            text += f"; its background says {by:.2f} degrees since {reading.recording.names[step.since]}"
        return text + _instead(turn)
    if step is None or camera.id in reading.explained.stands:
        return ""
    by = degrees_of(np.array([step.x, step.y]), camera)
    return (
        f"turned by {by:.2f} degrees ({step.length_px:.1f} px) since {_when(reading, step.since)}, "
        "by its background alone"
    )


def _late(reading: Reading, lag: Change) -> str:
    frames, sigma = float(lag.size[0]), float(lag.sigma[0])
    word = "late" if frames > 0 else "early"
    time = f", {1000 * abs(frames) / reading.recording.fps:.0f} ms" if reading.recording.fps else ""
    text = f"{abs(frames):.2f} ± {max(sigma, 0.01):.2f} frames {word}{time}, since {_when(reading, lag.since)}"
    return text + _instead(lag)


def _instead(change: Change) -> str:
    """The cameras that may have changed in its place, or ''."""
    rivals = " or ".join(change.rivals)
    return f"; or {rivals} the other way, as too few cameras share points to tell" if rivals else ""


def _apart(reading: Reading, camera: Camera) -> str:
    """Where both witnesses can speak and one contradicts the other, both figures; else ''."""
    turn, step = reading.denied(camera.id) or reading.change(camera.id, Kind.TURN), reading.steps.get(camera.id)
    if turn is None and step is None:
        return ""
    if not ((turn is not None or camera.id in reading.explained.stands) and reading.sees_background(camera.id)):
        return ""
    begun = min(found.since for found in (turn, step) if found is not None)
    if begun == 0 and reading.recording.against.get(camera.id) != PLATE:
        return ""  # a first picture after the move cannot show it
    ours = _shift(turn, camera) if turn else np.zeros(2)
    theirs = np.array([step.x, step.y]) if step else np.zeros(2)
    wide = _SIGMAS * camera.fx * float(np.hypot(*turn.sigma[:2])) if turn else 0.0
    room = max(MOVED_PX, wide, _APART * float(max(np.hypot(*ours), np.hypot(*theirs))))
    if np.hypot(*(ours - theirs)) <= room:
        return ""
    return (
        f"{np.hypot(*ours):.1f} px by points that several cameras share, {np.hypot(*theirs):.1f} px by its background "
        f"against {reading.recording.against[camera.id]}, in {reading.recording.place}"
    )


def _when(reading: Reading, moment: int) -> str:
    name, place = reading.recording.names[moment], reading.recording.place
    return f"{name} of {place}" if moment else f"the beginning of {place}"
