"""From a calibrated session to a data set: crops of the person, masks, body maps, captions, marks, and a census."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.camera import Camera
from calibration.colour import Colours, apply, load_colours
from calibration.landmarks import BirthmarkMap
from calibration.rig import RigCalibration
from capture import consent, store
from capture.images import write_png
from capture.issues import JsonObject, Report, issue
from capture.session import Session, Shot, ShotKind, Take
from capture.toml_file import Record
from capture.validate import ValidatedSession
from training.dataset.body_map import CODE, BodyField, body_field
from training.dataset.census import Census
from training.dataset.conditions import caption, lighting_of, view_of
from training.dataset.crops import MarkPlace, Wanted, wanted_crops
from training.dataset.frames import (
    ARTEFACT,
    FIELDS,
    MAPS,
    MASKS,
    Frame,
    MarkSeen,
    Split,
    TwinDataset,
    field_file,
    load_dataset,
    write_metadata,
)
from training.dataset.framing import BUST, coverage, crop_map, cut
from training.dataset.hull import crown
from training.dataset.instants import Instant, Mask, Picture, read_instants
from training.dataset.sheet import write_sheet


class DatasetRecipe(Record):
    """`[dataset]` of a recipe: what is cut out and what is held back."""

    pixels: int = 128
    trigger: str = "sks"
    validation_cameras: tuple[str, ...] = ()  # by whose views the best checkpoint is chosen
    holdout_cameras: tuple[str, ...] = ()
    holdout_lights: tuple[str, ...] = ()
    holdout_takes: tuple[str, ...] = ()  # takes or clips; with them an outfit or a backdrop
    close_ups: bool = True  # the face, and marks that head and shoulders show too small
    clip_every: int = 6  # every n-th frame of a clip
    max_elevation_deg: float = 35.0  # steeper views are left out: the embedded base was never shown one
    colour: bool = True  # take out what sets the cameras apart in colour, where `twin calibrate` measured it
    least_coverage: float = 0.6  # share of a crop that the photograph must really show


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
    settings: JsonObject = {**recipe.model_dump(mode="json"), "body_map": CODE}
    if not force and store.current(folder, ARTEFACT, inputs=inputs, settings=settings):
        return load_dataset(folder), Report("dataset", facts={"skipped": True})
    _check_holdouts(recipe, validated.session)
    store.reopen(folder, ARTEFACT)
    for old in (*(split.value for split in Split), FIELDS):
        shutil.rmtree(folder / old, ignore_errors=True)
    census = Census()
    builder = _Builder(validated.session, rig, birthmarks, recipe, folder, colours, census)
    for instant in read_instants(validated, clip_every=recipe.clip_every, census=census):
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
    if both := sorted(set(recipe.holdout_cameras) & set(recipe.validation_cameras)):
        raise ValueError(f"camera {both[0]!r} is both held out and for validation; what chooses must not judge")
    for what, named, known in (
        ("camera", recipe.holdout_cameras + recipe.validation_cameras, [c.id for c in session.camera]),
        ("light", recipe.holdout_lights, [x.id for x in session.light]),
        ("take", recipe.holdout_takes, [*(x.id for x in session.take), *(x.id for x in session.clip)]),
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
        census: Census,
    ) -> None:
        self.session, self.rig, self.birthmarks, self.recipe, self.folder = session, rig, birthmarks, recipe, folder
        self.colours, self.census = colours, census
        self.frames: list[Frame] = []

    def add(self, instant: Instant) -> None:
        """Cut all pictures of one instant."""
        cameras = [c for c in self.rig.cameras if c.id in instant.masks]
        # Where crops are cut is settled by all cameras: a few millimetres from take to take cost one mark in seven.
        top = crown(cameras, instant.masks)
        # What a held-out camera saw must not shape what is asked of its view, where the others suffice.
        shown = [c for c in cameras if c.id not in self.recipe.holdout_cameras]
        shown = shown if len(shown) >= 2 else cameras
        field = None
        if top is not None:
            field = body_field(shown, instant.masks, crown=top, facing_deg=instant.group.facing_deg)
        for (light, camera_id), (shot, picture) in sorted(instant.pictures.items()):
            name = f"{shot.stem}#{instant.index}" if shot.kind is ShotKind.CLIP else shot.stem
            camera = next((c for c in self.rig.cameras if c.id == camera_id), None)
            if camera is None:
                self.census.leave_out(name, "its camera is not calibrated")
            elif camera_id not in instant.masks:
                self.census.leave_out(name, "its camera has no plate, so she cannot be told from the background")
            elif field is None:
                self.census.leave_out(name, "no body stands out in enough cameras at this moment")
            else:
                source = _Source(instant, shot, picture, camera, light, field)
                if reason := self._add(source):
                    self.census.leave_out(name, reason)
                else:
                    self.census.used[self._split(source).value] += 1
        if field is not None and isinstance(instant.group, Take):
            path = field_file(self.folder, instant.group.id)
            path.parent.mkdir(parents=True, exist_ok=True)
            field.save(path)

    def _split(self, source: _Source) -> Split:
        recipe = self.recipe
        held = (
            source.camera.id in recipe.holdout_cameras
            or source.light in recipe.holdout_lights
            or source.instant.group.id in recipe.holdout_takes
        )
        if held:
            return Split.TEST
        return Split.VALIDATION if source.camera.id in recipe.validation_cameras else Split.TRAIN

    def _add(self, source: _Source) -> str:
        """Cut the crops of one photograph; why there is none, '' when there is."""
        marks = self._places(source.instant.group.id)
        recipe = self.recipe
        for crop in wanted_crops(
            source.camera, source.field.crown, marks, pixels=recipe.pixels, close_ups=recipe.close_ups
        ):
            refused = self._cut(source, crop, marks)
            if refused and crop.label == BUST.name:
                return refused  # head and shoulders come first, and decide whether the photograph is of use
        return ""

    def _cut(self, source: _Source, crop: Wanted, marks: list[MarkPlace]) -> str:
        """Write one crop with its mask and body map; why not, '' when written."""
        pixels, camera = self.recipe.pixels, source.camera
        steep = view_of(crop.camera.centre, _aim(crop), source.instant.group.facing_deg).elevation_deg
        if abs(steep) > self.recipe.max_elevation_deg:
            return f"it is seen from {steep:.0f} deg up, {self.recipe.max_elevation_deg:g} allowed"
        mapping = crop_map(camera, crop.camera)
        shown = coverage(mapping, camera.width, camera.height)
        if shown < self.recipe.least_coverage:
            return f"the photograph shows {shown:.0%} of the framing, {self.recipe.least_coverage:.0%} needed"
        mask = cut(np.uint8(255) * source.instant.masks[camera.id].astype(np.uint8), mapping, pixels)
        if (mask > 127).mean() < 0.05:
            return "she covers less than a twentieth of the framing"
        seen = tuple(seen_mark(m.id, m.position, m.normal, m.diameter_m, crop.camera, mask > 127) for m in marks)
        frame = self._frame(source, crop, seen)
        picture = cut(source.picture, mapping, pixels)
        if self.colours is not None:
            # Light keeps its own colour: it is what the caption and the conditions speak of.
            picture = apply(picture, self.colours.of(camera.id, source.light), keep_light=True)
        place = self.folder / frame.split.value
        write_png(place / frame.file_name, picture)
        write_png(place / frame.mask, mask)
        write_png(place / frame.body_map, source.field.draw(crop.camera))
        self.frames.append(frame)
        return ""

    def _frame(self, source: _Source, crop: Wanted, marks: tuple[MarkSeen, ...]) -> Frame:
        group, shot = source.instant.group, source.shot
        view = view_of(crop.camera.centre, _aim(crop), group.facing_deg)
        lighting = lighting_of(self.session.find_light(source.light), group.facing_deg)
        text = caption(
            view,
            lighting,
            trigger=self.recipe.trigger,
            framing=crop.framing.name,
            outfit=group.outfit,
            backdrop=group.backdrop,
        )
        name = shot.stem.replace("/", "-") + (f"-{source.instant.index:05d}" if shot.kind is ShotKind.CLIP else "")
        if crop.label != BUST.name:
            name += f"-{crop.label}"
        return Frame(
            file_name=f"{name}.png",
            mask=f"{MASKS}/{name}.png",
            body_map=f"{MAPS}/{name}.png",
            text=text,
            shot=shot.stem,
            frame=source.instant.index,
            take=group.id,
            light=source.light,
            camera=shot.camera,
            framing=crop.label,
            crop=crop.camera.to_json(),
            view=view,
            lighting=lighting,
            marks=marks,
            split=self._split(source),
        )

    def _places(self, take: str) -> list[MarkPlace]:
        return [
            MarkPlace(m.id, m.places[take].position, m.places[take].normal, m.diameter_mm / 1000)
            for m in (self.birthmarks.marks if self.birthmarks else ())
            if take in m.places
        ]

    def report(self) -> Report:
        """Issues, and the census as facts. Marks too small for any crop are named."""
        facts = self.census.to_json()
        largest: dict[str, float] = {}
        for frame in self.frames:
            for mark in frame.marks:
                if mark.visible:
                    largest[mark.id] = max(largest.get(mark.id, 0.0), 2 * mark.radius_px)
        issues = list(self.census.issues)
        never = [m for m in (self.birthmarks.marks if self.birthmarks else ()) if largest.get(m.id, 0.0) < 4.0]
        for small in never:
            found = f"{largest.get(small.id, 0.0):.1f} px at most"
            issues.append(issue("MARK_NEVER_OBSERVABLE", where=small.id, expected="4 px across", found=found))
        facts["marks"] = {name: round(size, 2) for name, size in sorted(largest.items())}
        facts["crops"] = {split.value: sum(f.split is split for f in self.frames) for split in Split}
        return Report("dataset", tuple(issues), facts)


@dataclass(frozen=True, eq=False)
class _Source:
    """One photograph that crops are cut from."""

    instant: Instant
    shot: Shot
    picture: Picture
    camera: Camera
    light: str
    field: BodyField


def _aim(crop: Wanted) -> NDArray[np.float64]:
    """The aimed point (3,) of a crop: on its axis, where the framing has its width."""
    camera = crop.camera
    forward = camera.world_from_camera.rotation[:, 2]
    return np.asarray(camera.centre + forward * camera.fx * crop.framing.side_m / camera.width)


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
