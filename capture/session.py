"""The description of one shoot: `session.toml`, field by field as SESSION_FORMAT.md documents it."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal, TypeVar

from pathspec import GitIgnoreSpec
from pydantic import AfterValidator, Field, model_validator

from capture.errors import InvalidSession
from capture.issues import CATALOGUE, Report, Severity, issue
from capture.store import safe_name
from capture.toml_file import Record, TomlError, read_toml

FORMAT: Final = 1


def _relative(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or not pure.parts:
        raise ValueError("path must stay inside the shoot's folder; use forward slashes and no '..'")
    return path


def _known_code(code: str) -> str:
    if code not in CATALOGUE:
        near = difflib.get_close_matches(code, CATALOGUE, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else "copy it from the report"
        raise ValueError(f"no issue has this code; {hint}")
    return code


def _pattern(glob: str) -> str:
    if not glob.strip() or glob[0] in "#!":
        raise ValueError("pattern must name places, as a line of .gitignore does; '*' stands for all")
    GitIgnoreSpec.from_lines([glob])  # raises ValueError for one that cannot be read
    return glob


def _span(span: tuple[float, float]) -> tuple[float, float]:
    if not 0 < span[1] - span[0] <= 360:
        raise ValueError("range must run upward from its first angle and over 360 degrees at most, as [135, 225]")
    return span


Name = Annotated[str, AfterValidator(safe_name)]
RelativePath = Annotated[str, AfterValidator(_relative)]
Span = Annotated[tuple[float, float], AfterValidator(_span)]  # degrees, from and to, counter-clockwise
Region = Literal["face", "bust", "full", "hands", "arms", "legs", "feet", "back"]


class Head(Record):
    """`[session]`: which shoot, of whom, under which consent."""

    id: Name
    person: Name = Field(description="opaque id; her legal name stays out of this file")
    consent: Name
    date: dt.date
    studio: str = ""


class Crew(Record):
    """`[[crew]]`: who worked on the shoot."""

    name: str
    role: str


class Camera(Record):
    """`[[camera]]`: one camera of the rig."""

    id: Name
    width: int = Field(gt=0, description="pixels, as the files have them")
    height: int = Field(gt=0)
    model: str = ""
    serial: str = ""
    azimuth_deg: float | None = Field(default=None, ge=-360, le=360, description="roughly where it stands")
    elevation_deg: float | None = Field(default=None, ge=-90, le=90, description="roughly, above her chest")
    framing: tuple[Region, ...] = Field(default=(), description="what of her it shows large enough")


class Light(Record):
    """`[[light]]`: one state of the lights. The direction is where the light comes from."""

    id: Name
    azimuth_deg: float = Field(ge=-360, le=360, description="seen from above, counter-clockwise from world x")
    elevation_deg: float = Field(ge=-90, le=90)
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)  # linear RGB, relative
    intensity: float = Field(default=1.0, gt=0)
    ambient: float = Field(default=0.25, ge=0, description="share of light that comes from everywhere")


class Take(Record):
    """`[[take]]`: one pose held while every camera sees every light. Stills: cameras x lights."""

    id: Name
    facing_deg: float = Field(default=0.0, description="where she faces, counter-clockwise from world x")
    outfit: str = ""
    backdrop: str = ""
    pose: str = ""
    lights: tuple[Name, ...] = Field(default=(), description="empty: all lights of the session")
    cameras: tuple[Name, ...] = Field(default=(), description="empty: all cameras of the session")


class Clip(Record):
    """`[[clip]]`: one recording in motion by several cameras."""

    id: Name
    action: str = ""
    light: Name
    facing_deg: float = 0.0
    outfit: str = ""
    backdrop: str = ""
    cameras: tuple[Name, ...] = ()
    board: bool = Field(default=False, description="the calibration board is in the picture")


class Plan(Record):
    """`[[plan]]`: a view of her that the shoot must bring home under each of its lights."""

    region: Region
    azimuth_deg: Span = Field(default=(-180.0, 180.0), description="side of her: 0 front, 90 left, 180 back")
    elevation_deg: Span = Field(default=(-90.0, 90.0), description="from above or below")
    lights: tuple[Name, ...] = Field(default=(), description="empty: all, of a motion those of its clips")
    cameras: tuple[Name, ...] = Field(default=(), description="empty: those whose framing has the region")
    motion: str = Field(default="", description="id or action of a clip; empty: stills")
    frames: int = Field(default=1, ge=1, description="usable files that it takes under each light")
    weight: float = Field(default=1.0, gt=0)


class Ignore(Record):
    """`[[ignore]]`: issues that this shoot accepts, or weighs otherwise; they stay listed with the reason."""

    code: Annotated[str, AfterValidator(_known_code)]
    where: Annotated[str, AfterValidator(_pattern)] = Field(description="places, as a line of .gitignore")
    reason: str = Field(min_length=1)
    severity: Severity = Severity.IGNORED


class Board(Record):
    """`[calibration.board]`: the printed target. ChArUco needs `marker_m` and `dictionary`, an AprilGrid `marker_m`."""

    kind: Literal["charuco", "chessboard", "aprilgrid"]
    columns: int = Field(ge=3, description="squares for charuco, inner corners for chessboard, tags, along x")
    rows: int = Field(ge=3)
    square_m: float = Field(gt=0, lt=1, description="side of a square, or from tag to tag, in METRES")
    marker_m: float = Field(default=0.0, ge=0, lt=1)
    dictionary: str = ""
    inverted: bool = Field(default=False, description="white and black are exchanged on the print")
    legacy: bool = Field(default=False, description="printed with the pattern of OpenCV before 4.6")
    first_marker: int = Field(default=0, ge=0, description="number of its first marker or tag, to tell boards apart")
    origin: str = Field(default="", description="shot in which the board lies on the floor and defines the world")

    @model_validator(mode="after")
    def _complete(self) -> Board:
        if self.kind == "charuco" and not (0 < self.marker_m < self.square_m and self.dictionary):
            raise ValueError("a charuco board needs dictionary and marker_m, smaller than square_m")
        if self.kind == "aprilgrid" and not 0 < self.marker_m < self.square_m:
            raise ValueError("an aprilgrid needs marker_m, the side of a tag, smaller than square_m, from tag to tag")
        return self

    @property
    def markers(self) -> range:
        """Numbers of its markers or tags; none on a chessboard."""
        count = {"charuco": self.columns * self.rows // 2, "aprilgrid": self.columns * self.rows}.get(self.kind, 0)
        return range(self.first_marker, self.first_marker + count)


class Chart(Record):
    """`[calibration.chart]`: the colour chart."""

    kind: Literal["colorchecker24"] = "colorchecker24"


class Ball(Record):
    """`[calibration.ball]`: the mirror ball."""

    diameter_m: float = Field(gt=0, lt=2)


class Calibration(Record):
    """`[calibration]`: which calibration objects were shot. Plates are expected unless `plates = false`."""

    board: Board | None = None
    extra_boards: tuple[Board, ...] = Field(default=(), description="further boards in the same pictures")
    chart: Chart | None = None
    ball: Ball | None = None
    plates: bool = True
    synchronous: tuple[Name, ...] = Field(default=(), description="cameras that one trigger fires together")
    verify: tuple[Name, ...] = Field(
        default=(), description="board shots, or clips with the board, kept out of the fit"
    )

    @model_validator(mode="after")
    def _boards_differ(self) -> Calibration:
        boards = [*([self.board] if self.board else []), *self.extra_boards]
        if self.extra_boards and self.board is None:
            raise ValueError("extra_boards need [calibration.board], the one that the others are beside")
        for place, board in enumerate(boards):
            if len(boards) > 1 and not board.markers:
                raise ValueError("a chessboard cannot be told from other boards; use boards with markers")
            for other in boards[:place]:
                same = board.dictionary.rpartition("_")[0] == other.dictionary.rpartition("_")[0]
                if same and range(
                    max(board.markers[0], other.markers[0]), min(board.markers[-1], other.markers[-1]) + 1
                ):
                    raise ValueError(
                        f"boards share markers {board.markers[0]} to {board.markers[-1]}; give first_marker a number "
                        f"from {other.markers[-1] + 1} on"
                    )
        return self


class ShotKind(StrEnum):
    """What a picture or video is for."""

    STILL = "stills"
    CLIP = "clips"
    BOARD = "calibration/board"
    CHART = "calibration/chart"
    BALL = "calibration/ball"
    PLATE = "plates"


@dataclass(frozen=True)
class Shot:
    """One file of the shoot by its place in the session: a still, a clip of one camera, or a calibration picture."""

    kind: ShotKind
    camera: str
    group: str = ""  # take, clip or board shot
    light: str = ""

    @property
    def stem(self) -> str:
        """The logical path without extension, e.g. `stills/take1/key-left/cam03`."""
        return "/".join(part for part in (self.kind.value, self.group, self.light, self.camera) if part)


class Session(Record):
    """One shoot. Names are unique, and every name that is used is declared."""

    format: Literal[1] = FORMAT
    session: Head
    crew: tuple[Crew, ...] = ()
    camera: tuple[Camera, ...] = Field(min_length=1)
    light: tuple[Light, ...] = Field(min_length=1)
    take: tuple[Take, ...] = ()
    clip: tuple[Clip, ...] = ()
    plan: tuple[Plan, ...] = ()
    ignore: tuple[Ignore, ...] = ()
    calibration: Calibration = Calibration()
    sources: dict[RelativePath, RelativePath] = Field(
        default_factory=dict, description="logical path -> path on the card, where it does not follow the layout"
    )

    @model_validator(mode="after")
    def _names_agree(self) -> Session:
        cameras, lights = {c.id for c in self.camera}, {x.id for x in self.light}
        for what, names in (
            ("camera", [c.id for c in self.camera]),
            ("light", [x.id for x in self.light]),
            ("take", [t.id for t in self.take]),
            ("clip", [c.id for c in self.clip]),
        ):
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise ValueError(f"{what} {twice[0]!r} is declared twice; give each {what} its own id")
        groups: tuple[Take | Clip | Plan, ...] = (*self.take, *self.clip, *self.plan)
        used_cameras = {n for group in groups for n in group.cameras} | {*self.calibration.synchronous}
        listed: tuple[Take | Plan, ...] = (*self.take, *self.plan)
        used_lights = {n for item in listed for n in item.lights} | {c.light for c in self.clip}
        for what, unknown in (("camera", used_cameras - cameras), ("light", used_lights - lights)):
            if unknown:
                raise ValueError(f"{what} {sorted(unknown)[0]!r} is used but not declared; add a [[{what}]]")
        return self

    @model_validator(mode="after")
    def _plan_can_be_judged(self) -> Session:
        """Before calibration a camera is where session.toml says it is, or its view cannot be told."""
        motions = {name for clip in self.clip for name in (clip.id, clip.action) if name}
        for number, plan in enumerate(self.plan, 1):
            if plan.motion and plan.motion not in motions:
                raise ValueError(f"plan {number}: motion {plan.motion!r} is no id or action of a [[clip]]")
            if plan.cameras:
                continue
            if not any(c.framing for c in self.camera):
                raise ValueError(f"plan {number}: no camera declares its framing; do that, or name cameras here")
            for key in ("azimuth_deg", "elevation_deg"):
                if key in plan.model_fields_set and all(getattr(c, key) is None for c in self.camera):
                    raise ValueError(f"plan {number}: no camera declares {key}; do that, or name cameras here")
        return self

    def cameras_of(self, group: Take | Clip) -> tuple[str, ...]:
        """The cameras that recorded a take or clip."""
        return group.cameras or tuple(c.id for c in self.camera)

    def lights_of(self, take: Take) -> tuple[str, ...]:
        """The lights under which a take was shot."""
        return take.lights or tuple(x.id for x in self.light)

    def stills(self) -> Iterator[Shot]:
        """The grid: every still that the session promises, cameras x lights x takes."""
        for take in self.take:
            for light in self.lights_of(take):
                for camera in self.cameras_of(take):
                    yield Shot(ShotKind.STILL, camera, take.id, light)

    def clips(self) -> Iterator[Shot]:
        """Every recording of every camera."""
        for clip in self.clip:
            for camera in self.cameras_of(clip):
                yield Shot(ShotKind.CLIP, camera, clip.id)

    def find_light(self, light: str) -> Light:
        """The light of that id. Raises ValueError when the session has none."""
        return _named("light", self.light, light)

    def find_take(self, take: str) -> Take:
        """The take of that id. Raises ValueError when the session has none."""
        return _named("take", self.take, take)


Item = TypeVar("Item", Light, Take)


def _named(what: str, items: tuple[Item, ...], name: str) -> Item:
    for item in items:
        if item.id == name:
            return item
    raise ValueError(f"{what} {name!r} is not in the session; it has {[i.id for i in items]}")


def read_session(folder: Path) -> Session:
    """Read `session.toml` of a folder. Raises InvalidSession whose report names every key that is wrong."""
    path = folder / "session.toml"
    if not path.is_file():
        report = Report("session", (issue("SESSION_FILE_MISSING", where=str(path)),))
        raise InvalidSession(f"session.toml is missing in {folder}; run `twin init {folder}` to write one", report)
    try:
        return read_toml(path, Session)
    except TomlError as err:
        found = tuple(issue("SESSION_FILE_INVALID", where="session.toml", found=p) for p in err.problems)
        raise InvalidSession(str(err), Report("session", found)) from None
