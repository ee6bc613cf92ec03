"""A clip of movement as an artefact: BVH, stick figure, body, and the frames that pose a video base."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture import consent, store
from capture.issues import JsonObject, Report
from capture.motion.bvh import write_bvh
from capture.motion.clip import MotionClip
from capture.motion.skeletons import retarget
from capture.session import read_session
from capture.stage.person import Person
from capture.vault import SessionFolder
from training.disclose import write_disclosed
from training.movement.rendering.body_pictures import BodyPictures, body_pictures, stand_in
from training.movement.rendering.figure import stick_frames
from training.movement.rendering.film import disclosure_file, write_film
from training.movement.rendering.pose_frames import openpose_json, pose_picture
from training.movement.rendering.shot import Angle, shot_of

U8 = NDArray[np.uint8]

ARTEFACT = "movement"
BVH, STICK, BODY = "movement.bvh", "stick.mp4", "body.mp4"
POSES, DEPTHS, POINTS = "pose", "depth", "keypoints"
MADE = "generated.json"
"""How the clip was generated; not there for one that was given."""
_PICTURES = "renders"  # the artefact of pictures, which lies in a folder of its own


@dataclass(frozen=True)
class Origin:
    """What moved her: the twin by name, and the digest of its movement adapter, empty for a clip that was given."""

    twin: str = ""
    adapter_digest: str = ""
    asked: JsonObject = field(default_factory=dict)  # all that decides the clip beside the adapter, empty likewise
    made: JsonObject = field(default_factory=dict)  # how the clip was generated


@dataclass(frozen=True)
class Look:
    """How the films are drawn. `most_fps` thins out faster clips by a whole number; slower ones stay as they are."""

    stick: Angle = Angle(1280, 720, 62.0)
    body: Angle = Angle()
    most_fps: float = 30.0
    person: Person | None = None  # a body of the stage; None for one as tall as she
    outfit: str = "black"
    backdrop: str = "grey"


@dataclass(frozen=True)
class MovementSet:
    """A finished set of pictures of movement."""

    folder: Path
    frames: int
    fps: float

    @property
    def bvh(self) -> Path:
        """The clip itself, in all of its frames."""
        return self.folder / BVH

    @property
    def films(self) -> tuple[Path, Path]:
        """The stick figure and the body."""
        return self.folder / STICK, self.folder / BODY


def set_of(twin: str) -> str:
    """Name of the set that holds the movement of a twin."""
    return f"{twin}-movement"


def drawn(
    session: SessionFolder,
    name: str,
    *,
    origin: Origin,
    look: Look = Look(),  # noqa: B008 - frozen
) -> MovementSet | None:
    """The set, where it was drawn already from all that `origin` asks for: known before anything is generated.

    Raises ConsentRefused as drawing it would.
    """
    permit, folder = _permitted(session, name)
    if not (folder / f"{ARTEFACT}.json").is_file():
        return None
    found = store.read(folder, ARTEFACT)
    inputs = _inputs(found.inputs.get("clip", ""), permit, origin)
    if store.current(folder, ARTEFACT, inputs=inputs, settings=_settings(look, origin)) is None:
        return None
    return MovementSet(folder, int(str(found.result["frames"])), float(str(found.result["fps"])))


def render_movement(
    session: SessionFolder,
    clip: MotionClip,
    *,
    name: str,
    origin: Origin = Origin(),  # noqa: B008 - frozen
    look: Look = Look(),  # noqa: B008 - frozen
    force: bool = False,
) -> tuple[MovementSet, Report]:
    """Draw a clip of any known rig into `renders/<name>/`; pose, depth and body agree to the pixel.

    Raises ConsentRefused before anything is written, JointsMissing for a rig that lacks joints, and ValueError for a
    clip with numbers that are not finite, or a name under which pictures lie.
    """
    permit, folder = _permitted(session, name)
    _check(clip)
    few = thinned(clip, look.most_fps)
    stick, body = retarget(few), body_pictures(few, look.person or stand_in(few), look.body)
    body = BodyPictures(body.body, body.shot, look.outfit, look.backdrop)
    if (folder / f"{_PICTURES}.json").is_file():
        raise ValueError(f"set {name!r} holds pictures of a twin; give the movement another name")
    inputs, settings = _inputs(clip_digest(clip), permit, origin), _settings(look, origin)
    made = MovementSet(folder, len(few), few.fps)
    if not force and store.current(folder, ARTEFACT, inputs=inputs, settings=settings) is not None:
        return made, Report("render", facts={"skipped": True})
    _clear(folder)
    write_bvh(clip, folder / BVH)
    if origin.made:
        store.write_json(folder / MADE, origin.made)
    mark = _Marking(permit, origin)
    mark.film(folder / STICK, stick_frames(stick, shot_of(stick, look.stick)), few.fps)
    mark.film(folder / BODY, _body_frames(body, folder, mark), few.fps)
    near, far = body.depths
    facts: JsonObject = {
        "frames": len(few), "fps": few.fps, "twin": origin.twin, "adapter_digest": origin.adapter_digest,
        "depth_white_m": round(near, 4), "depth_black_m": round(far, 4), "lift_m": round(body.body.lift_m, 4),
        "body_m": round(body.body.person.height_m, 4), "generated": origin.made,
    }  # fmt: skip
    store.finish(folder, ARTEFACT, consent=permit.consent, inputs=inputs, settings=settings, result=facts)
    return made, Report("render", facts=facts)


def thinned(clip: MotionClip, most_fps: float) -> MotionClip:
    """Every n-th frame of a clip, n as small as brings it to `most_fps` or below; ValueError unless that is > 0."""
    if not most_fps > 0:
        raise ValueError(f"frame rate is not positive: {most_fps}")
    # Files write 0.0083333 for a 120th: a rate a thousandth too fast is not thinned out by one more.
    every = max(1, math.ceil(clip.fps / most_fps - 1e-3))
    return MotionClip(clip.skeleton, clip.rotations[::every], clip.root[::every], clip.fps / every)


def clip_digest(clip: MotionClip) -> str:
    """SHA-256 of everything that a clip is, as hex."""
    digest = hashlib.sha256(repr((clip.skeleton.names, clip.skeleton.parents, clip.fps)).encode())
    for array in (clip.skeleton.offsets, clip.rotations, clip.root):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Marking:
    """With whose leave and by what a picture was made."""

    permit: consent.Permit
    origin: Origin

    def film(self, path: Path, frames: Iterator[U8], fps: float) -> None:
        permit, origin = self.permit, self.origin
        write_film(path, frames, fps, permit=permit, twin=origin.twin, adapter_digest=origin.adapter_digest)

    def control(self, path: Path, picture: U8) -> None:
        """A picture that a video base reads: a strip would be taken for a part of the pose, the packet stays."""
        write_disclosed(
            path, picture, permit=self.permit, twin=self.origin.twin, adapter_digest=self.origin.adapter_digest,
            visible=False,
        )  # fmt: skip


def _body_frames(body: BodyPictures, folder: Path, mark: _Marking) -> Iterator[U8]:
    """The colour pictures; on the way, the control pictures of each frame are written from the same scene."""
    camera = body.shot.camera
    for frame in range(len(body)):
        scene, points = body.scene(frame), body.points(frame)
        mark.control(folder / POSES / f"{frame:05d}.png", pose_picture(points, camera.width, camera.height))
        mark.control(folder / DEPTHS / f"{frame:05d}.png", np.repeat(body.depth(scene)[..., None], 3, axis=2))
        store.write_json(folder / POINTS / f"{frame:05d}.json", openpose_json(points, camera.width, camera.height))
        yield body.picture(scene, frame)


def _permitted(session: SessionFolder, name: str) -> tuple[consent.Permit, Path]:
    """Her leave to render, and where the set lies."""
    head = read_session(session.root).session
    permit = consent.require(session.vault, head.person, head.consent, act=consent.Act.RENDER)
    return permit, session.vault.renders(head.person, name)


def _inputs(clip: str, permit: consent.Permit, origin: Origin) -> dict[str, str]:
    inputs = {"clip": clip, "consent": permit.record_digest}
    return inputs | ({"adapter": origin.adapter_digest} if origin.adapter_digest else {})


def _check(clip: MotionClip) -> None:
    if not len(clip):
        raise ValueError("clip has no frames; record or generate some")
    numbers = np.concatenate([clip.rotations.reshape(*clip.rotations.shape[:2], 9).sum(axis=2), clip.root], axis=1)
    broken = np.argwhere(~np.isfinite(numbers))
    if len(broken):
        frame, column = (int(value) for value in broken[0])
        names = clip.skeleton.names
        where = f"rotation of {names[column]}" if column < len(names) else f"place of {names[0]}"
        raise ValueError(
            f"clip has numbers that are not finite in {len(np.unique(broken[:, 0]))} of {len(clip)} frames, first the "
            f"{where} in frame {frame}; fill the gaps or cut the clip before it is drawn"
        )


def _settings(look: Look, origin: Origin) -> JsonObject:
    angles: JsonObject = {"stick": {**asdict(look.stick)}, "body": {**asdict(look.body)}}
    shape = "as tall as she"  # which the clip decides
    if person := look.person:
        shape = store.sha256_text(repr((person.seed, person.shape, tuple(mark.id for mark in person.marks))))
    return {
        **angles, "most_fps": look.most_fps, "person": shape, "outfit": look.outfit, "backdrop": look.backdrop,
        "twin": origin.twin, "asked": origin.asked,
    }  # fmt: skip


def _clear(folder: Path) -> None:
    """Mark the folder unfinished and take out what an earlier run left."""
    store.reopen(folder, ARTEFACT)
    for name in (POSES, DEPTHS, POINTS):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / MADE).unlink(missing_ok=True)
    for name in (BVH, STICK, BODY):
        (folder / name).unlink(missing_ok=True)
        disclosure_file(folder / name).unlink(missing_ok=True)
