"""A whole simulated shoot as a card: session, consent, stills, plates, calibration and clips, with its truth beside it.

`write_shoot(folder, plan)` fills `folder` with the layout of a session and writes `<folder>.truth.json` next to it,
never inside: no later step can read the answers by accident.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture import session as records
from capture.consent import Act, Consent
from capture.images import Picture, encode_jpeg
from capture.stage import faults, truth
from capture.stage.ball import StageBall, render_ball
from capture.stage.board import ORIGIN_SHOT, BoardShot, StageBoard, board_poses, board_visible, render_board
from capture.stage.chart import chart_pose, render_chart
from capture.stage.lens import StageCamera, StageLight
from capture.stage.person import Person, make_person
from capture.stage.render import encoded, render, render_empty, render_linear
from capture.stage.rig import make_lights, make_rig
from capture.stage.scene import Limb, Scene, Stance
from capture.stage.sensor import Sensor, photograph_seed
from capture.stage.toml_text import toml_text
from capture.stage.walk import walk_stance
from capture.store import write_atomic, write_json
from capture.video import write_video

_DAY = dt.date(2026, 11, 2)
_BALL_EVERY = 4  # one camera in four sees the ball: one picture gives the light's direction
_FACINGS = (0.0, 17.0, -23.0, 34.0, -40.0, 52.0)
_OUTFITS = ("black", "white", "red", "blue", "green", "striped", "plum", "camel")


@dataclass(frozen=True)
class StageTake:
    """One held pose."""

    id: str
    outfit: str
    backdrop: str
    stance: Stance


@dataclass(frozen=True)
class ShootPlan:
    """What to shoot. Sizes in pixels, rates in frames per second; every number follows from the seeds."""

    person_seed: int = 1
    seed: int = 0
    cameras: int = 12
    arc_deg: float = 360.0
    lights: int = 4
    takes: int = 2
    image_size: int = 1024
    clips: int = 0
    clip_frames: int = 50
    clip_fps: float = 25.0
    board_shots: int = 40
    chart: bool = True
    ball: bool = True
    supersample: int = 2
    backdrop: str = "grey"
    backdrops: tuple[str, ...] = ()  # of the takes in turn, where they differ; the plates show `backdrop` only
    sensor: Sensor | None = None  # of every still and calibration picture; without one the light is exact
    board: StageBoard = field(default_factory=StageBoard)


@dataclass(frozen=True, eq=False)
class ShootTruth:
    """Everything that is known exactly about a shoot; `path` is its JSON, `folder` the card."""

    folder: Path
    plan: ShootPlan
    person: Person
    cameras: tuple[StageCamera, ...]
    lights: tuple[StageLight, ...]
    takes: tuple[StageTake, ...]
    shots: tuple[BoardShot, ...]
    fault: faults.Fault

    @property
    def path(self) -> Path:
        """The truth file beside the card."""
        return self.folder.parent / f"{self.folder.name}.truth.json"

    @cached_property
    def clip_ids(self) -> tuple[str, ...]:
        """Names of the clips."""
        return tuple(f"walk{k + 1}" for k in range(self.plan.clips))

    def scene(self, take: str) -> Scene:
        """A fresh scene of a take; ValueError if there is none of that id."""
        for item in self.takes:
            if item.id == take:
                return Scene(self.person, item.stance, item.outfit, item.backdrop)
        raise ValueError(f"take is unknown: {take!r}; the shoot has {', '.join(t.id for t in self.takes)}")

    def clip_stance(self, clip: str, frame: float) -> Stance:
        """Her pose in a frame of a clip, or between two frames, as a camera in step sees it."""
        start = 3.7 * self.clip_ids.index(clip)
        return walk_stance(self.person, start + frame / self.plan.clip_fps, facing_deg=0.0)


def plan_takes(count: int, *, backdrop: str = "grey", backdrops: tuple[str, ...] = ()) -> tuple[StageTake, ...]:
    """Takes take1.. before a backdrop, or several in turn, that differ in facing, arms, head and outfit."""
    hung = backdrops or (backdrop,)
    takes = []
    for k in range(count):
        lift = (0.0, 12.0, -4.0)[k % 3]
        stance = Stance(
            facing_deg=_FACINGS[k % len(_FACINGS)],
            arm_left=Limb(swing=(0.0, 6.0, -8.0)[k % 3], raise_=lift, bend=(4.0, 20.0, 10.0)[k % 3]),
            arm_right=Limb(swing=(0.0, -4.0, 10.0)[k % 3], raise_=(0.0, 4.0, 10.0)[k % 3], bend=8.0),
            head_turn_deg=(0.0, 7.0, -6.0)[k % 3],
        )
        takes.append(StageTake(f"take{k + 1}", _OUTFITS[k % len(_OUTFITS)], hung[k % len(hung)], stance))
    return tuple(takes)


def write_shoot(folder: Path, plan: ShootPlan, *, fault: str | None = None) -> ShootTruth:
    """Write a card and its truth; the same plan gives the same pictures, byte for byte.

    `fault` is a name of `faults.FAULTS`. ValueError if the folder is not empty or the fault cannot happen.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"folder {folder.name!r} is not empty; give a new one, a shoot never overwrites")
    cameras, lights = (
        make_rig(plan.cameras, seed=plan.seed, image_size=plan.image_size, arc_deg=plan.arc_deg),
        make_lights(plan.lights),
    )
    takes = plan_takes(plan.takes, backdrop=plan.backdrop, backdrops=plan.backdrops)
    grid = faults.Grid(
        tuple(c.id for c in cameras),
        tuple(light.id for light in lights),
        tuple(t.id for t in takes),
        tuple(f"walk{k + 1}" for k in range(plan.clips)),
        plan.clip_frames,
    )
    shots = board_poses(plan.board, plan.board_shots, seed=plan.seed) if plan.board_shots else ()
    shoot = ShootTruth(
        folder, plan, make_person(plan.person_seed), cameras, lights, takes, shots,
        faults.make_fault(fault, grid, seed=plan.seed),
    )  # fmt: skip
    _write_records(shoot)
    scenes = {take.id: shoot.scene(take.id) for take in takes}
    # Camera by camera: the empty studio of each is computed once.
    for camera in cameras:
        for stem, data in _stills(shoot, scenes, camera):
            write_atomic(folder / f"{stem}.jpg", data)
        for stem, picture in _calibration(shoot, camera):
            write_atomic(folder / f"{stem}.jpg", encode_jpeg(_sensed(shoot, picture, stem)))
    for clip in shoot.clip_ids:
        for camera in cameras:
            write_video(folder / "clips" / clip / f"{camera.id}.mp4", _frames(shoot, clip, camera), plan.clip_fps)
    write_json(shoot.path, truth.as_json(shoot))
    return shoot


def _write_records(shoot: ShootTruth) -> None:
    plan = shoot.plan
    person = f"person-{plan.person_seed:04d}"
    agreed = Consent(
        id="consent-1",
        person=person,
        scope="pictures of a simulated person in any clothes of the shoot, none of them degrading",
        purpose="checks of this software",
        rate_of_pay="none: she does not exist",
        valid_from=dt.date(2026, 1, 1),
        valid_until=dt.date(2099, 12, 31),
        acts=tuple(Act),
        separate_document=True,
        adult=True,
        signed_on=dt.date(2026, 1, 1),
    )
    write_atomic(shoot.folder / "consent.toml", toml_text(agreed))
    write_atomic(shoot.folder / "session.toml", toml_text(session_of(shoot, person, agreed.id)))


def session_of(shoot: ShootTruth, person: str, consent: str) -> records.Session:
    """The shoot as its session.toml declares it."""
    plan = shoot.plan
    board = records.Board(
        kind="charuco",
        columns=plan.board.columns,
        rows=plan.board.rows,
        square_m=plan.board.square_m,
        marker_m=plan.board.marker_m,
        dictionary=plan.board.dictionary,
        origin=ORIGIN_SHOT,
    )
    return records.Session(
        session=records.Head(id=shoot.folder.name, person=person, consent=consent, date=_DAY, studio="simulated"),
        camera=tuple(
            records.Camera(id=c.id, width=c.width, height=c.height, model="stage") for c in shoot.cameras
        ),
        light=tuple(
            records.Light(
                id=x.id, azimuth_deg=x.azimuth_deg, elevation_deg=x.elevation_deg, colour=x.colour,
                intensity=x.intensity, ambient=x.ambient,
            )
            for x in shoot.lights
        ),
        take=tuple(
            records.Take(id=t.id, facing_deg=t.stance.facing_deg, outfit=t.outfit, backdrop=t.backdrop, pose="standing")
            for t in shoot.takes
        ),
        clip=tuple(
            records.Clip(id=clip, action="walk", light=shoot.lights[0].id, outfit=_OUTFITS[0], backdrop=plan.backdrop)
            for clip in shoot.clip_ids
        ),
        calibration=records.Calibration(
            board=board if shoot.shots else None,
            chart=records.Chart() if plan.chart else None,
            ball=records.Ball(diameter_m=StageBall().diameter_m) if plan.ball else None,
        ),
    )  # fmt: skip


def _stills(shoot: ShootTruth, scenes: dict[str, Scene], camera: StageCamera) -> Iterator[tuple[str, bytes]]:
    """Stem and bytes of every still of a camera that reaches the card."""
    fault, name = shoot.fault, shoot.fault.name_of(camera.id)
    for take in shoot.takes:
        for light in shoot.lights:
            stem = f"stills/{take.id}/{light.id}/{name}"
            if fault.name == "missing-frame" and stem in fault.affected:
                continue
            drawn = _photograph(shoot, scenes[take.id], take, (camera, light))
            data = encode_jpeg(_sensed(shoot, drawn, stem))
            if fault.name == "truncated-file" and stem in fault.affected:
                data = faults.truncated(data)
            yield stem, data


def _sensed(shoot: ShootTruth, picture: Picture, stem: str) -> Picture:
    """A drawn picture as the camera's lens and sensor give it."""
    sensor = shoot.plan.sensor
    return picture if sensor is None else sensor.again(picture, photograph_seed(shoot.plan.seed, stem))


def _photograph(shoot: ShootTruth, scene: Scene, take: StageTake, place: tuple[StageCamera, StageLight]) -> Picture:
    fault, (camera, light) = shoot.fault, place
    hit = f"stills/{take.id}/{light.id}/{camera.id}" in fault.affected
    if hit and fault.name == "wrong-light":
        light = next(x for x in shoot.lights if x.id == fault.other_light)
    if hit and fault.name in ("moved-camera", "middle-move"):
        camera = faults.moved(camera)
    step = shoot.plan.supersample
    if not hit or fault.name not in ("second-person", "second-person-take", "soft-focus", "mirrored-photo"):
        return render(scene, camera, light, supersample=step)
    if fault.name in ("second-person", "second-person-take"):
        other = second_scene(shoot, take)
        pair = sorted((scene, other), key=lambda s: -_distance(s, camera))
        behind = render_linear(pair[0], camera, light, supersample=step)
        linear = render_linear(pair[1], camera, light, supersample=step, behind=behind)
    else:
        linear = render_linear(scene, camera, light, supersample=step)
    if fault.name == "soft-focus":
        linear = faults.blurred(linear)
    picture = encoded(linear)
    return picture[:, ::-1].copy() if fault.name == "mirrored-photo" else picture


def second_scene(shoot: ShootTruth, take: StageTake) -> Scene:
    """Whoever steps into the picture: to her left and a little behind."""
    stance = replace(Stance(), facing_deg=take.stance.facing_deg, offset_m=(-0.25, 0.42, 0.0))
    return Scene(make_person(faults.second_person_seed(shoot.plan.person_seed)), stance, "white", take.backdrop)


def _distance(scene: Scene, camera: StageCamera) -> float:
    middle = scene.vertices.mean(axis=0)
    return float(((middle - camera.position) ** 2).sum())


def _calibration(shoot: ShootTruth, camera: StageCamera) -> Iterator[tuple[str, Picture]]:
    """A camera's plate, its board shots (those in which it sees the board), charts and balls."""
    first, board, backdrop = shoot.lights[0], shoot.plan.board, shoot.plan.backdrop
    yield f"plates/{camera.id}", render_empty(backdrop, camera, first)
    for shot in shoot.shots:
        if board_visible(board, shot, camera):
            yield (
                f"calibration/board/{shot.id}/{camera.id}",
                render_board(board, shot, camera, first, backdrop=backdrop),
            )
    sees_ball = shoot.plan.ball and shoot.cameras.index(camera) % _BALL_EVERY == 0
    for light in shoot.lights:
        if shoot.plan.chart:
            picture = render_chart(chart_pose(camera, truth.CHART_CENTRE), camera, light, backdrop=backdrop)
            yield f"calibration/chart/{light.id}/{camera.id}", picture
        if sees_ball:
            yield f"calibration/ball/{light.id}/{camera.id}", render_ball(StageBall(), camera, light, backdrop=backdrop)


def _frames(shoot: ShootTruth, clip: str, camera: StageCamera) -> Iterator[Picture]:
    """Frames of one camera; a late camera begins later and so ends later, too."""
    fault = shoot.fault.name if f"clips/{clip}/{camera.id}" in shoot.fault.affected else ""
    late = shoot.fault.late_frames if fault else 0
    if fault == "motion-blur":
        yield from _smeared(shoot, clip, camera)
        return
    stands = faults.turned(camera, shoot.fault.degrees) if fault == "turned-camera" else camera
    turns_at = shoot.fault.since_frame if clip == shoot.clip_ids[0] else 0
    for frame in range(shoot.plan.clip_frames):
        at = stands if frame >= turns_at else camera
        yield render(_walking(shoot, clip, frame + late), at, shoot.lights[0], supersample=1)


def _smeared(shoot: ShootTruth, clip: str, camera: StageCamera) -> Iterator[Picture]:
    """Each frame the mean light of EXPOSED_S around its moment, so that the camera stays in step with the others."""
    step = faults.MOMENTS
    count = round(faults.EXPOSED_S * shoot.plan.clip_fps * step)
    before, after = count // 2, (count - 1) // 2
    light: deque[NDArray[np.float32]] = deque(maxlen=count)
    for moment in range(-before, (shoot.plan.clip_frames - 1) * step + after + 1):
        light.append(render_linear(_walking(shoot, clip, moment / step), camera, shoot.lights[0], supersample=1))
        if moment >= after and (moment - after) % step == 0:
            yield encoded(np.mean(light, axis=0, dtype=np.float32))


def _walking(shoot: ShootTruth, clip: str, frame: float) -> Scene:
    return Scene(shoot.person, shoot.clip_stance(clip, frame), _OUTFITS[0], shoot.plan.backdrop)
