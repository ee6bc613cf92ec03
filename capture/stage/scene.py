"""A posed, dressed person: joint angles move the rest-pose body (linear blend skinning) into world metres."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from capture.stage.backdrop import BACKDROP_NAMES
from capture.stage.body import ATLAS, BONES, BodyShape, Tube, build_body, rest_joints
from capture.stage.curves import grid_normals
from capture.stage.outfit import get_outfit
from capture.stage.paint import Paint, paint
from capture.stage.person import Person, grid_point
from capture.stage.raster import tube_faces
from capture.stage.shadow import openness

F64 = NDArray[np.float64]
F32 = NDArray[np.float32]
I32 = NDArray[np.int32]


@dataclass(frozen=True)
class Limb:
    """Angles in degrees: swing forward, raise sideways away from the body (relative to rest), bend of elbow or knee."""

    swing: float = 0.0
    raise_: float = 0.0
    bend: float = 0.0


@dataclass(frozen=True)
class Stance:
    """One pose. Angles in degrees, offsets in metres in her own frame (forward, left, up)."""

    facing_deg: float = 0.0
    arm_left: Limb = field(default_factory=Limb)
    arm_right: Limb = field(default_factory=Limb)
    leg_left: Limb = field(default_factory=Limb)
    leg_right: Limb = field(default_factory=Limb)
    head_turn_deg: float = 0.0  # positive to her left
    head_nod_deg: float = 0.0  # positive down
    twist_deg: float = 0.0  # chest against pelvis
    roll_deg: float = 0.0  # pelvis, left hip up
    offset_m: tuple[float, float, float] = (0.0, 0.0, 0.0)


def rotation(axis: str, degrees: float) -> F64:
    """(3, 3) rotation about x, y or z, counter-clockwise seen against the axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return {
        "x": np.array([[1, 0, 0], [0, c, -s], [0, s, c]]),
        "y": np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]),
        "z": np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]),
    }[axis]


def _about(turn: F64, pivot: F64) -> F64:
    """(4, 4) transform turning about a point."""
    out = np.eye(4)
    out[:3, :3] = turn
    out[:3, 3] = pivot - turn @ pivot
    return out


def bone_transforms(shape: BodyShape, stance: Stance) -> dict[str, F64]:
    """World (4, 4) transform of each bone, applied to canonical points."""
    joints = rest_joints(shape)
    root = np.eye(4)
    root[:3, :3] = rotation("z", stance.facing_deg)
    root[:3, 3] = root[:3, :3] @ np.array(stance.offset_m)
    bones = {"pelvis": root @ _about(rotation("x", stance.roll_deg), joints["pelvis"])}
    # The chest keeps level while the pelvis rolls, as in walking.
    chest = rotation("z", stance.twist_deg) @ rotation("x", -stance.roll_deg)
    bones["chest"] = bones["pelvis"] @ _about(chest, joints["chest"])
    head = rotation("z", stance.head_turn_deg) @ rotation("y", stance.head_nod_deg)
    bones["head"] = bones["chest"] @ _about(head, joints["head"])
    for tag, side, arm, leg in (
        ("left", 1, stance.arm_left, stance.leg_left),
        ("right", -1, stance.arm_right, stance.leg_right),
    ):
        lift = rotation("x", side * arm.raise_) @ rotation("y", -arm.swing)
        upper = bones["chest"] @ _about(lift, joints[f"upper_arm_{tag}"])
        bones[f"upper_arm_{tag}"] = upper
        bones[f"forearm_{tag}"] = upper @ _about(rotation("y", -arm.bend), joints[f"forearm_{tag}"])
        swing = rotation("x", side * leg.raise_ - stance.roll_deg) @ rotation("y", -leg.swing)
        thigh = bones["pelvis"] @ _about(swing, joints[f"thigh_{tag}"])
        shin = thigh @ _about(rotation("y", leg.bend), joints[f"shin_{tag}"])
        bones[f"thigh_{tag}"], bones[f"shin_{tag}"] = thigh, shin
        # The sole stays nearly level: half of the leg's pitch is taken back at the ankle.
        bones[f"foot_{tag}"] = shin @ _about(rotation("y", 0.5 * (leg.swing - leg.bend)), joints[f"foot_{tag}"])
    return bones


class Scene:
    """A person in a pose, dressed, before a backdrop. Arrays are read-only and built on first use."""

    def __init__(self, person: Person, stance: Stance, outfit: str = "black", backdrop: str = "grey") -> None:
        """ValueError if the outfit or the backdrop is unknown."""
        get_outfit(outfit)
        if backdrop not in BACKDROP_NAMES:
            raise ValueError(f"backdrop is unknown: {backdrop!r}; choose one of {', '.join(BACKDROP_NAMES)}")
        self.person, self.stance, self.outfit, self.backdrop = person, stance, outfit, backdrop
        self.tubes: tuple[Tube, ...] = build_body(person.shape)
        # Filled by the renderer: irradiance and shadow maps by light, background by camera and light.
        self.cache: dict[tuple[object, ...], object] = {}

    @cached_property
    def bones(self) -> dict[str, F64]:
        """World (4, 4) transform of each bone, applied to canonical points."""
        return bone_transforms(self.person.shape, self.stance)

    @cached_property
    def grids(self) -> tuple[F64, ...]:
        """Posed points (R, C, 3) of each tube, world metres."""
        matrices = np.stack([self.bones[name][:3] for name in BONES])  # (13, 3, 4)
        posed = []
        for tube in self.tubes:
            used = np.flatnonzero(tube.weights.any(axis=(0, 1)))
            blended = np.tensordot(tube.weights[..., used], matrices[used], axes=1)  # (R, C, 3, 4)
            posed.append(np.einsum("rcij,rcj->rci", blended[..., :3], tube.points) + blended[..., 3])
        return tuple(posed)

    @cached_property
    def grid_normals(self) -> tuple[F64, ...]:
        """Unit outward normals of each posed grid."""
        return tuple(np.asarray(grid_normals(grid), dtype=np.float64) for grid in self.grids)

    @cached_property
    def shading_normals(self) -> tuple[F64, ...]:
        """Unit normals (R, C, 3) that light falls on: the trunk and an arm share theirs where they meet."""
        bones, joints = bone_transforms(self.person.shape, self.stance), rest_joints(self.person.shape)
        scale = self.person.shape.scale
        out = list(self.grid_normals)
        for tag, side in (("left", 1.0), ("right", -1.0)):
            rest = joints[f"upper_arm_{tag}"] - np.array([0.0, side * 0.022, 0.028]) * scale
            # Half way between what the trunk and the arm do to it.
            centre = np.mean([bones[b][:3, :3] @ rest + bones[b][:3, 3] for b in ("chest", f"upper_arm_{tag}")], axis=0)
            for k, tube in enumerate(self.tubes):
                if tube.name not in ("torso", f"arm_{tag}"):
                    continue
                away = self.grids[k] - centre
                distance = np.linalg.norm(away, axis=2, keepdims=True)
                share = np.clip((0.125 * scale - distance) / (0.055 * scale), 0, 1) ** 1.5
                mixed = out[k] + share * (away / np.maximum(distance, 1e-6) - out[k])
                out[k] = mixed / np.maximum(np.linalg.norm(mixed, axis=2, keepdims=True), 1e-9)
        return tuple(out)

    @property
    def openings(self) -> tuple[F32, ...]:
        """(R, C) share of the light from all sides that reaches each tube."""
        return openness(self.person.shape)

    @cached_property
    def open_sky(self) -> F32:
        """(V,) the same per vertex."""
        return np.concatenate([plane.ravel() for plane in self.openings])

    @cached_property
    def vertices(self) -> F32:
        """(V, 3) world metres."""
        return _joined(self.grids)

    @cached_property
    def normals(self) -> F32:
        """(V, 3) unit."""
        return _joined(self.grid_normals)

    @cached_property
    def uv(self) -> F32:
        """(V, 2) in [0, 1]: (texel + 0.5) / 1024."""
        texels = np.concatenate([tube.uv.reshape(-1, 2) for tube in self.tubes])
        return ((texels + 0.5) / ATLAS).astype(np.float32)

    @property
    def faces(self) -> I32:
        """(F, 3) vertex indices, counter-clockwise seen from outside."""
        return tube_faces(tuple((t.points.shape[0], t.points.shape[1]) for t in self.tubes))

    @property
    def paint(self) -> Paint:
        """Colour, relief, gloss and scatter of skin, hair and clothes."""
        return paint(self.person, self.outfit)

    @property
    def texture(self) -> F32:
        """(1024, 1024, 3) linear RGB albedo."""
        return self.paint.albedo

    @cached_property
    def strands(self) -> F32:
        """(V, 3) unit vectors down the rows of each tube: the way hair lies."""
        down = _joined(tuple(np.gradient(grid, axis=0) for grid in self.grids))
        unit: F32 = down / np.maximum(np.linalg.norm(down, axis=1, keepdims=True), np.float32(1e-9))
        return unit

    def mark_positions_world(self) -> dict[str, tuple[F64, F64]]:
        """Position (3,) in metres and outward unit normal (3,) of each mark, on the drawn triangles."""
        out = {}
        names = [tube.name for tube in self.tubes]
        for mark in self.person.marks:
            k = names.index(mark.part)
            normal = grid_point(self.grid_normals[k], mark.row, mark.column)
            out[mark.id] = (
                grid_point(self.grids[k], mark.row, mark.column),
                normal / np.linalg.norm(normal),
            )
        return out

    def joints_world(self) -> dict[str, F64]:
        """Joint centres (3,) in world metres by name, the truth of the movement rooms."""
        out = {}
        for name, position in rest_joints(self.person.shape).items():
            owner = {"wrist": "forearm", "toe": "foot"}.get(name.split("_")[0])
            bone = self.bones[f"{owner}_{name.split('_')[1]}"] if owner else self.bones[name]
            out[name] = bone[:3, :3] @ position + bone[:3, 3]
        return out


class PosedScene(Scene):
    """The same where the bones are given, as a clip has them, instead of the angles of a stance."""

    def __init__(self, person: Person, bones: Mapping[str, F64], outfit: str = "black", backdrop: str = "grey") -> None:
        """`bones` are world (4, 4) transforms by bone. ValueError if one lacks, or outfit or backdrop is unknown."""
        super().__init__(person, Stance(), outfit, backdrop)
        if lacking := [name for name in BONES if name not in bones]:
            raise ValueError(f"bones lack {', '.join(lacking)}; give all of {', '.join(BONES)}")
        self._given = dict(bones)

    @cached_property
    def bones(self) -> dict[str, F64]:
        """World (4, 4) transform of each bone, applied to canonical points."""
        return self._given


def _joined(grids: tuple[F64, ...]) -> F32:
    joined = np.concatenate([grid.reshape(-1, 3) for grid in grids]).astype(np.float32)
    joined.setflags(write=False)
    return joined
