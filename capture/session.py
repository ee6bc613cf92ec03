"""The description of one shoot: `session.toml`, field by field as SESSION_FORMAT.md documents it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AfterValidator, Field, model_validator

from capture.errors import InvalidSession
from capture.issues import Report, issue
from capture.store import safe_name
from capture.toml_file import Record, TomlError, read_toml

FORMAT: Final = 1


def _relative(path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or not pure.parts:
        raise ValueError("path must stay inside the shoot's folder; use forward slashes and no '..'")
    return path


Name = Annotated[str, AfterValidator(safe_name)]
RelativePath = Annotated[str, AfterValidator(_relative)]


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


class Board(Record):
    """`[calibration.board]`: the printed target. ChArUco needs `marker_m` and `dictionary`."""

    kind: Literal["charuco", "chessboard"]
    columns: int = Field(ge=3, description="squares for charuco, inner corners for chessboard, along x")
    rows: int = Field(ge=3)
    square_m: float = Field(gt=0, lt=1, description="side of a square in METRES")
    marker_m: float = Field(default=0.0, ge=0, lt=1)
    dictionary: str = ""
    inverted: bool = Field(default=False, description="white and black are exchanged on the print")
    legacy: bool = Field(default=False, description="printed with the pattern of OpenCV before 4.6")
    origin: str = Field(default="", description="shot in which the board lies on the floor and defines the world")

    @model_validator(mode="after")
    def _complete(self) -> Board:
        if self.kind == "charuco" and not (0 < self.marker_m < self.square_m and self.dictionary):
            raise ValueError("a charuco board needs dictionary and marker_m, smaller than square_m")
        return self


class Chart(Record):
    """`[calibration.chart]`: the colour chart."""

    kind: Literal["colorchecker24"] = "colorchecker24"


class Ball(Record):
    """`[calibration.ball]`: the mirror ball."""

    diameter_m: float = Field(gt=0, lt=2)


class Calibration(Record):
    """`[calibration]`: which calibration objects were shot. Plates are expected unless `plates = false`."""

    board: Board | None = None
    chart: Chart | None = None
    ball: Ball | None = None
    plates: bool = True


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
        groups: tuple[Take | Clip, ...] = (*self.take, *self.clip)
        used_cameras = {n for group in groups for n in group.cameras}
        used_lights = {n for t in self.take for n in t.lights} | {c.light for c in self.clip}
        for what, unknown in (("camera", used_cameras - cameras), ("light", used_lights - lights)):
            if unknown:
                raise ValueError(f"{what} {sorted(unknown)[0]!r} is used but not declared; add a [[{what}]]")
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

    def find_camera(self, camera: str) -> Camera:
        """The camera of that id. Raises ValueError when the session has none."""
        return _named("camera", self.camera, camera)

    def find_light(self, light: str) -> Light:
        """The light of that id. Raises ValueError when the session has none."""
        return _named("light", self.light, light)

    def find_take(self, take: str) -> Take:
        """The take of that id. Raises ValueError when the session has none."""
        return _named("take", self.take, take)

    def find_clip(self, clip: str) -> Clip:
        """The clip of that id. Raises ValueError when the session has none."""
        return _named("clip", self.clip, clip)


Item = TypeVar("Item", Camera, Light, Take, Clip)


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
