"""From a calibrated session to a data set: crops of the person, masks, captions, marks, and a census that balances."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.colour import Colours, apply, load_colours
from calibration.colour.profile import read_srgb
from calibration.landmarks import BirthmarkMap
from calibration.rig import RigCalibration
from capture import consent, store
from capture.decode.picture import ImageError
from capture.images import read_image, write_png
from capture.issues import Issue, JsonObject, Report, issue
from capture.mask import estimate_plate, person_mask
from capture.session import Clip, Session, Shot, ShotKind, Take
from capture.take_masks import take_masks
from capture.toml_file import Record
from capture.validate import ValidatedSession
from capture.video import read_frames
from training.dataset.conditions import caption, lighting_of, view_of
from training.dataset.frames import (
    ARTEFACT,
    MASKS,
    Frame,
    MarkSeen,
    Split,
    TwinDataset,
    load_dataset,
    write_metadata,
)
from training.dataset.framing import BUST, Framing, coverage, crop_camera, crop_map, cut
from training.dataset.hull import crown
from training.dataset.sheet import write_sheet

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class DatasetRecipe(Record):
    """`[dataset]` of a recipe: what is cut out and what is held back."""

    pixels: int = 80
    trigger: str = "sks"
    holdout_cameras: tuple[str, ...] = ()
    holdout_lights: tuple[str, ...] = ()
    clip_every: int = 6  # every n-th frame of a clip
    max_elevation_deg: float = 35.0  # steeper views are left out: the embedded base was never shown one
    colour: bool = True  # take out what sets the cameras apart in colour, where `twin calibrate` measured it
    least_coverage: float = 0.6  # share of a crop that the photograph must really show


@dataclass(frozen=True)
class _Instant:
    """One moment as all cameras saw it: pictures by (light, camera), one mask for each camera."""

    group: Take | Clip
    index: int
    pictures: dict[tuple[str, str], tuple[Shot, Picture]]
    masks: dict[str, Mask]


@dataclass(frozen=True)
class _Census:
    """Every frame that came in, used or named."""

    used: Counter[str]
    left_out: list[tuple[str, str]]  # frame, reason

    def to_json(self, offered: int) -> JsonObject:
        counted = sum(self.used.values()) + len(self.left_out)
        if counted != offered:
            raise RuntimeError(f"census does not balance: {offered} frames came in, {counted} are accounted for")
        left_out: list[JsonObject] = [{"frame": f, "reason": r} for f, r in self.left_out]
        return {"offered": offered, "used": dict(self.used), "left_out": list(left_out)}


def build_dataset(
    validated: ValidatedSession,
    rig: RigCalibration,
    birthmarks: BirthmarkMap | None,
    *,
    recipe: DatasetRecipe = DatasetRecipe(),  # noqa: B008 - frozen
    force: bool = False,
) -> tuple[TwinDataset, Report]:
    """Cut every frame of the session into `derived/dataset/`. Raises ConsentRefused.

    Frames that cannot be used are FRAME_NOT_USED issues with a reason; the census in dataset.json adds up to all.
    """
    head = validated.session.session
    consent.require(validated.folder.vault, head.person, head.consent, act=consent.Act.DATASET)
    folder = validated.folder.derived(ARTEFACT)
    steps = ["calibration"] if birthmarks is None else ["calibration", "marks"]
    inputs = {"ingest": validated.digest}
    inputs |= {step: store.read(validated.folder.derived(step), step).digest for step in steps}
    colours = _colours(validated) if recipe.colour else None
    if colours is not None:
        inputs["colour"] = store.read(validated.folder.derived("colour"), "colour").digest
    settings: JsonObject = recipe.model_dump(mode="json")
    if not force and store.current(folder, ARTEFACT, inputs=inputs, settings=settings):
        return load_dataset(folder), Report("dataset", facts={"skipped": True})
    _check_holdouts(recipe, validated.session)
    store.reopen(folder, ARTEFACT)
    for old in Split:
        shutil.rmtree(folder / old.value, ignore_errors=True)
    builder = _Builder(validated.session, rig, birthmarks, recipe, folder, colours)
    for instant in _instants(validated, recipe, builder):
        builder.add(instant)
    write_metadata(folder, builder.frames)
    report = builder.report()
    store.write_json(folder / "report.json", report.to_json())
    write_sheet(folder, builder.frames, report)
    store.finish(folder, ARTEFACT, consent=head.consent, inputs=inputs, settings=settings, result=report.facts)
    return load_dataset(folder), report


def _colours(validated: ValidatedSession) -> Colours | None:
    """What chart or board said of the cameras; None where neither was measured."""
    if not (validated.folder.derived("colour") / "colour.json").is_file():
        return None
    colours = load_colours(validated.folder)
    return colours if colours.measured else None


def _check_holdouts(recipe: DatasetRecipe, session: Session) -> None:
    for what, named, known in (
        ("camera", recipe.holdout_cameras, [c.id for c in session.camera]),
        ("light", recipe.holdout_lights, [x.id for x in session.light]),
    ):
        if unknown := sorted(set(named) - set(known)):
            raise ValueError(f"held-out {what} {unknown[0]!r} is not in the session; it has {known}")


class _Builder:
    """Collects frames, issues and the census while instants come in."""

    def __init__(
        self,
        session: Session,
        rig: RigCalibration,
        birthmarks: BirthmarkMap | None,
        recipe: DatasetRecipe,
        folder: Path,
        colours: Colours | None,
    ) -> None:
        self.session, self.rig, self.birthmarks, self.recipe, self.folder = session, rig, birthmarks, recipe, folder
        self.colours = colours
        self.frames: list[Frame] = []
        self.issues: list[Issue] = []
        self.census = _Census(Counter(), [])
        self.offered = 0

    def leave_out(self, frame: str, reason: str) -> None:
        """Name a frame that is not used."""
        self.census.left_out.append((frame, reason))
        self.issues.append(issue("FRAME_NOT_USED", where=frame, found=reason))

    def add(self, instant: _Instant) -> None:
        """Cut all pictures of one instant."""
        cameras = [c for c in self.rig.cameras if c.id in instant.masks]
        top = crown(cameras, instant.masks)
        for (light, camera_id), (shot, picture) in sorted(instant.pictures.items()):
            name = f"{shot.stem}#{instant.index}" if shot.kind is ShotKind.CLIP else shot.stem
            camera = next((c for c in self.rig.cameras if c.id == camera_id), None)
            if camera is None:
                self.leave_out(name, "its camera is not calibrated")
            elif camera_id not in instant.masks:
                self.leave_out(name, "its camera has no plate, so she cannot be told from the background")
            elif top is None:
                self.leave_out(name, "no body stands out in enough cameras at this moment")
            else:
                self._cut(instant, shot, picture, camera, light, top)

    def _cut(
        self, instant: _Instant, shot: Shot, picture: Picture, camera: Camera, light: str, top: NDArray[np.float64]
    ) -> None:
        pixels, framing = self.recipe.pixels, BUST
        aim = top - (0.0, 0.0, framing.below_crown_m)
        crop = crop_camera(camera.id, camera.centre, aim, framing, pixels)
        mapping = crop_map(camera, crop)
        name = shot.stem.replace("/", "-") + (f"-{instant.index:05d}" if shot.kind is ShotKind.CLIP else "")
        label = f"{shot.stem}#{instant.index}" if shot.kind is ShotKind.CLIP else shot.stem
        steep = view_of(crop.centre, aim, instant.group.facing_deg).elevation_deg
        if abs(steep) > self.recipe.max_elevation_deg:
            self.leave_out(label, f"it is seen from {steep:.0f} deg up, {self.recipe.max_elevation_deg:g} allowed")
            return
        shown = coverage(mapping, camera.width, camera.height)
        if shown < self.recipe.least_coverage:
            self.leave_out(
                label, f"the photograph shows {shown:.0%} of the framing, {self.recipe.least_coverage:.0%} needed"
            )
            return
        mask = cut(np.uint8(255) * instant.masks[camera.id].astype(np.uint8), mapping, pixels)
        if (mask > 127).mean() < 0.05:
            self.leave_out(label, "she covers less than a twentieth of the framing")
            return
        held = camera.id in self.recipe.holdout_cameras or light in self.recipe.holdout_lights
        frame = self._frame(instant, shot, crop, framing, light, mask > 127, Split.TEST if held else Split.TRAIN, name)
        crop_picture = cut(picture, mapping, pixels)
        if self.colours is not None:
            # Light keeps its own colour: it is what the caption and the conditions speak of.
            crop_picture = apply(crop_picture, self.colours.of(camera.id, light), keep_light=True)
        write_png(self.folder / frame.split.value / frame.file_name, crop_picture)
        write_png(self.folder / frame.split.value / frame.mask, mask)
        self.frames.append(frame)
        self.census.used[frame.split.value] += 1

    def _frame(
        self,
        instant: _Instant,
        shot: Shot,
        crop: Camera,
        framing: Framing,
        light: str,
        mask: Mask,
        split: Split,
        name: str,
    ) -> Frame:
        group = instant.group
        aim = crop.centre + crop.world_from_camera.rotation[:, 2] * crop.fx * framing.side_m / crop.width
        view = view_of(crop.centre, aim, group.facing_deg)
        lighting = lighting_of(self.session.find_light(light), group.facing_deg)
        text = caption(
            view,
            lighting,
            trigger=self.recipe.trigger,
            framing=framing.name,
            outfit=group.outfit,
            backdrop=group.backdrop,
        )
        return Frame(
            file_name=f"{name}.png",
            mask=f"{MASKS}/{name}.png",
            text=text,
            shot=shot.stem,
            frame=instant.index,
            take=group.id,
            light=light,
            camera=shot.camera,
            framing=framing.name,
            crop=crop.to_json(),
            view=view,
            lighting=lighting,
            marks=self._marks(group.id, crop, mask),
            split=split,
        )

    def _marks(self, take: str, crop: Camera, mask: Mask) -> tuple[MarkSeen, ...]:
        if self.birthmarks is None:
            return ()
        return tuple(
            seen_mark(
                mark.id, mark.places[take].position, mark.places[take].normal, mark.diameter_mm / 1000, crop, mask
            )
            for mark in self.birthmarks.marks
            if take in mark.places
        )

    def report(self) -> Report:
        """Issues, and the census as facts. Marks too small for any crop are named."""
        facts = self.census.to_json(self.offered)
        largest: dict[str, float] = {}
        for frame in self.frames:
            for mark in frame.marks:
                if mark.visible:
                    largest[mark.id] = max(largest.get(mark.id, 0.0), 2 * mark.radius_px)
        never = [m for m in (self.birthmarks.marks if self.birthmarks else ()) if largest.get(m.id, 0.0) < 4.0]
        for small in never:
            found = f"{largest.get(small.id, 0.0):.1f} px at most"
            self.issues.append(issue("MARK_NEVER_OBSERVABLE", where=small.id, expected="4 px across", found=found))
        facts["marks"] = {name: round(size, 2) for name, size in sorted(largest.items())}
        return Report("dataset", tuple(self.issues), facts)


def seen_mark(
    name: str,
    position: NDArray[np.float64],
    normal: NDArray[np.float64],
    diameter_m: float,
    crop: Camera,
    mask: Mask,
) -> MarkSeen:
    """A mark at a world position (3,) with outward normal (3,) as one crop sees it."""
    toward = crop.centre - position
    cosine = float(np.clip(normal @ toward / np.linalg.norm(toward), -1, 1))
    (u, v), depth = (part[0] for part in crop.project(position[None]))
    inside = bool(np.isfinite([u, v]).all() and 0 <= u < crop.width and 0 <= v < crop.height)
    on_her = inside and bool(mask[min(int(v + 0.5), crop.height - 1), min(int(u + 0.5), crop.width - 1)])
    facing = float(np.degrees(np.arccos(cosine)))
    radius = crop.fx * diameter_m / 2 / float(depth)
    where = (float(u), float(v)) if inside else (-1.0, -1.0)
    return MarkSeen(
        id=name, u=where[0], v=where[1], radius_px=radius, facing_deg=facing, visible=on_her and facing < 75
    )


def _instants(validated: ValidatedSession, recipe: DatasetRecipe, builder: _Builder) -> Iterator[_Instant]:
    """Every moment of the session, one at a time in memory; frames that cannot be read are left out by name."""
    plates = {o.shot.camera: read_image(o.path) for o in validated.of_kind(ShotKind.PLATE)}
    for take in validated.session.take:
        yield _still_instant(validated, take, builder)
    for clip in validated.session.clip:
        yield from _clip_instants(validated, clip, plates, recipe, builder)


def _still_instant(validated: ValidatedSession, take: Take, builder: _Builder) -> _Instant:
    pictures: dict[tuple[str, str], tuple[Shot, Picture]] = {}
    for camera in validated.session.cameras_of(take):
        for light in validated.session.lights_of(take):
            shot = Shot(ShotKind.STILL, camera, take.id, light)
            builder.offered += 1
            if (original := validated.find(shot)) is None:
                builder.leave_out(shot.stem, "it is missing or does not decode (see the ingest report)")
            else:
                try:
                    pictures[light, camera] = (shot, read_srgb(original.path))
                except ImageError as err:
                    builder.leave_out(shot.stem, err.detail)
    return _Instant(take, 0, pictures, take_masks(validated, take))


def _clip_instants(
    validated: ValidatedSession, clip: Clip, plates: dict[str, Picture], recipe: DatasetRecipe, builder: _Builder
) -> Iterator[_Instant]:
    frames: dict[str, dict[int, Picture]] = {}
    for camera in validated.session.cameras_of(clip):
        original = validated.find(Shot(ShotKind.CLIP, camera, clip.id))
        if original is None:
            builder.offered += 1
            builder.leave_out(f"clips/{clip.id}/{camera}", "it is missing or does not decode (see the ingest report)")
            continue
        frames[camera] = dict(read_frames(original.path, every=recipe.clip_every))
        builder.offered += len(frames[camera])
        if camera not in plates:
            plates[camera] = estimate_plate(list(frames[camera].values()))
            builder.issues.append(issue("PLATE_MISSING", where=f"clips/{clip.id}/{camera}"))
    for index in sorted({i for of_camera in frames.values() for i in of_camera}):
        pictures = {
            (clip.light, camera): (Shot(ShotKind.CLIP, camera, clip.id), of_camera[index])
            for camera, of_camera in frames.items()
            if index in of_camera
        }
        masks = {c: person_mask(picture, plates[c]) for (_, c), (_, picture) in pictures.items()}
        yield _Instant(clip, index, pictures, masks)
