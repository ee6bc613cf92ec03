"""BVH files, the plain text of a skeleton in motion: any rig to world metres with z up, and back.

Position channels hold the absolute local translation and replace OFFSET; rotations multiply in the order of their
channels. The unit is told from the length of the legs and the up axis from the head above the pelvis, unless given.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture.motion.bvh_tree import Node, parse_tree
from capture.motion.canonical import map_names
from capture.motion.clip import MotionClip, Skeleton
from capture.motion.euler import angles_zxy, axis_turns
from capture.motion.reading import LARGEST, MotionFileError, check_size, number, rate_of, text_of, whole
from capture.motion.units import UNITS_M, metres_of
from capture.motion.upright import axis_of, world_from_file

F64 = NDArray[np.float64]

_LEG_M = 0.82  # thigh and shank of an adult; 0.70 to 0.97 from the smallest to the largest
LEG_RANGE_M = (0.55, 1.20)  # the units lie further apart than this is wide, but for CMU's and the foot or the inch
_OFF_FLOOR_M = 0.3  # further than a floor of another height or a jump lifts the feet
_END = "_end"
_MOTION = re.compile(r"^[ \t]*MOTION[ \t\r]*\n", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class BvhTake:
    """A clip, and what was taken for granted to read it."""

    clip: MotionClip
    unit: str  # a name in UNITS_M, or the metres that were given
    unit_m: float
    up: str  # the file's axis that points up
    leg_m: float | None  # thigh and shank, the mean of both sides; None for a rig whose legs are not known
    lengths_vary_m: float  # the furthest that a joint with position channels strays from its median; 0 without such
    trimmed_numbers: int  # of a last frame that was cut off
    offset_added: bool  # whether the root moves from its OFFSET, because she would walk under the floor otherwise


def read_bvh(
    path: Path, *, unit: str | float | None = None, up: str | None = None, drop_first: bool = False
) -> MotionClip:
    """The clip of a file in world metres, z up. See `take_bvh`, which also says what was taken for granted."""
    return take_bvh(path, unit=unit, up=up, drop_first=drop_first).clip


def take_bvh(
    path: Path, *, unit: str | float | None = None, up: str | None = None, drop_first: bool = False
) -> BvhTake:
    """A file with what was found about it.

    `unit` is a name in UNITS_M or metres per unit, `up` an axis such as "y" or "-z"; None finds them. `drop_first`
    leaves the first frame out, where exporters put a T-pose. End Sites of some length become joints NAME_end.
    Exporters that write the root's way from its OFFSET are told by her feet, which then are on the floor.
    Raises MotionFileError for whatever is wrong with the file, ValueError for an unknown unit or axis.
    """
    given_m = None if unit is None else metres_of(unit)
    if up is not None:
        world_from_file(up)
    parts = _MOTION.split(text_of(path), maxsplit=1)
    nodes = parse_tree(path, parts[0])
    if len(parts) < 2:
        raise MotionFileError(path, "it has no line MOTION, so it is cut off; copy or export it again")
    values, fps, trimmed = _frames(path, parts[1], nodes)
    if drop_first:
        values = values[1:]
    if not len(values):
        raise MotionFileError(path, "it holds no frames beyond the ones left out; record or export it again")
    in_file, strays = _as_written(path, nodes, values, fps)
    leg = _leg(in_file.skeleton)
    name, metres = (str(unit), given_m) if given_m is not None else _unit_of(path, leg)
    axis = up or _up_axis(path, in_file)
    turn = world_from_file(axis)
    rotations = in_file.rotations
    rotations[:, 0] = turn @ rotations[:, 0]
    skeleton = Skeleton(in_file.skeleton.names, in_file.skeleton.parents, in_file.skeleton.offsets * metres)
    clip = MotionClip(skeleton, rotations, in_file.root @ turn.T * metres, fps)
    base = turn @ np.array(nodes[0].offset) * metres
    added = _from_offset(clip, float(base[2]))
    if added:
        clip = MotionClip(skeleton, rotations, clip.root + base, fps)
    return BvhTake(clip, name, metres, axis, leg * metres if leg else None, strays * metres, trimmed, added)


def write_bvh(clip: MotionClip, path: Path) -> None:
    """The clip in centimetres, y up, rotations as Z X Y: what other programs expect.

    Read back with unit="cm" and up="y" it is the same to 1e-6 degrees and 1e-8 m. Leaves named NAME_end below NAME
    become its End Site. ValueError for names that a BVH cannot hold.
    """
    for name in clip.skeleton.names:
        if not name.strip() or name != " ".join(name.split()) or set(name) & set("{}") or not name.isascii():
            raise ValueError(f"joint {name!r} cannot be written to a BVH; use letters without accents and braces")
    turn = world_from_file("y")
    written, lines = _tree_lines(clip.skeleton)
    rotations = clip.rotations[:, written]
    rotations[:, 0] = turn.T @ rotations[:, 0]
    angles = np.degrees(np.unwrap(angles_zxy(rotations), axis=0))
    rows = np.concatenate([clip.root @ turn * 100, angles.reshape(len(clip), -1)], axis=1)
    lines += ["MOTION", f"Frames: {len(clip)}", f"Frame Time: {1 / clip.fps:.10g}"]
    body = "\n".join(" ".join(f"{value:.7f}" for value in row) for row in rows.tolist())
    path.write_text("\n".join(lines) + "\n" + body + "\n", encoding="latin-1")


def _frames(path: Path, motion: str, nodes: tuple[Node, ...]) -> tuple[F64, float, int]:
    """Values (T, C) of all channels, frames per second, numbers cut off at the end."""
    lines = motion.split("\n", 2)
    heads = [line.partition(":") for line in lines[:2]]
    if [head[0].strip().lower() for head in heads] != ["frames", "frame time"]:
        raise MotionFileError(path, "MOTION must open with the lines Frames and Frame Time; copy or export it again")
    declared = whole(path, heads[0][2].strip(), "number of frames")
    seconds = number(path, heads[1][2].strip(), "frame time")
    if seconds <= 0:
        raise MotionFileError(path, f"frame time is {seconds:g} seconds; export it with the rate it was recorded at")
    width = sum(len(node.channels) for node in nodes)
    rows = [row for row in "".join(lines[2:]).splitlines() if row.strip()]
    check_size(path, len(nodes), len(rows))
    trimmed = len(rows[-1].split()) if rows else 0
    trimmed = trimmed if trimmed < width else 0
    if trimmed:
        rows.pop()
    if not len(rows) <= declared <= len(rows) + bool(trimmed):
        raise MotionFileError(path, f"it declares {declared} frames and holds {len(rows)}; copy or export it again")
    if not rows:
        raise MotionFileError(path, "it holds no whole frame; record or export it again")
    return np.stack([_row(path, row, k, width) for k, row in enumerate(rows, 1)]), rate_of(path, 1 / seconds), trimmed


def _row(path: Path, row: str, frame: int, width: int) -> F64:
    """(C,) one frame's numbers."""
    cells = row.split()
    if len(cells) != width:
        raise MotionFileError(path, f"frame {frame} has {len(cells)} numbers for {width} channels; export it again")
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        values = np.full(width, np.nan)
    if not (np.abs(values) <= LARGEST).all():
        for cell in cells:
            number(path, cell, f"frame {frame}")
    return values


def _as_written(path: Path, nodes: tuple[Node, ...], values: F64, fps: float) -> tuple[MotionClip, float]:
    """The clip in the file's units and axes, and how far positions stray from their medians."""
    frames = len(values)
    rotations = np.tile(np.eye(3), (frames, len(nodes), 1, 1))
    offsets, root, strays, column = np.zeros((len(nodes), 3)), np.zeros((frames, 3)), 0.0, 0
    for k, node in enumerate(nodes):
        place = np.tile(node.offset, (frames, 1))
        for channel in node.channels:
            axis = "XYZ".index(channel[0])
            if channel.endswith("position"):
                place[:, axis] = values[:, column]
            else:
                rotations[:, k] = rotations[:, k] @ axis_turns(axis, np.radians(values[:, column]))
            column += 1
        if k == 0:
            root = place
        else:
            offsets[k] = np.median(place, axis=0)
            strays = max(strays, float(np.linalg.norm(place - offsets[k], axis=1).max()))
    try:
        skeleton = Skeleton(tuple(n.name for n in nodes), tuple(n.parent for n in nodes), offsets)
    except ValueError as err:
        raise MotionFileError(path, f"{err}; rename one and export it again") from None
    return MotionClip(skeleton, rotations, root, fps), strays


def _leg(skeleton: Skeleton) -> float | None:
    """Thigh and shank in the file's unit, or None where the legs are not known by their names."""
    found = map_names(skeleton.names).found
    sides = []
    for side in ("left", "right"):
        joints = [found.get(f"{joint}_{side}", ()) for joint in ("hip", "knee", "ankle")]
        if any(len(joint) != 1 for joint in joints):
            return None
        hip, knee, ankle = (skeleton.index(joint[0]) for joint in joints)
        sides.append(_way(skeleton, ankle, knee) + _way(skeleton, knee, hip))
    return sum(sides) / 2


def _way(skeleton: Skeleton, joint: int, above: int) -> float:
    """Length of the bones from a joint up to one above it."""
    length = 0.0
    while joint not in (above, -1):
        length += float(skeleton.lengths[joint])
        joint = skeleton.parents[joint]
    return length


def _unit_of(path: Path, leg: float | None) -> tuple[str, float]:
    if leg is None:
        raise MotionFileError(path, "its unit cannot be told, its legs have unknown names; say the unit")
    if leg > 0:
        name = min(UNITS_M, key=lambda unit: abs(math.log(leg * UNITS_M[unit] / _LEG_M)))
        if LEG_RANGE_M[0] <= leg * UNITS_M[name] <= LEG_RANGE_M[1]:
            return name, UNITS_M[name]
    raise MotionFileError(path, f"legs of {leg:.4g} units fit a body in no known unit; say the unit")


def _up_axis(path: Path, clip: MotionClip) -> str:
    found = map_names(clip.skeleton.names).found
    if "head" not in found or "pelvis" not in found:
        raise MotionFileError(path, "its up axis cannot be told without a head and a pelvis by name; say the up axis")
    track = clip.track
    head, pelvis = (np.mean([track.of(one) for one in found[joint]], axis=0) for joint in ("head", "pelvis"))
    axis = axis_of(np.asarray(np.median(head - pelvis, axis=0)))
    if axis is None:
        raise MotionFileError(path, "its head lies in its pelvis, so that no axis points up; say the up axis")
    return axis


def _from_offset(clip: MotionClip, rise_m: float) -> bool:
    """Whether the root's OFFSET, this high, lifts her lowest joint from far below the floor onto it."""
    if abs(rise_m) < _OFF_FLOOR_M:
        return False
    low = float(np.median(clip.world[1][..., 2].min(axis=1)))
    return abs(low) > _OFF_FLOOR_M and abs(low + rise_m) < 0.25 * abs(low)


def _tree_lines(skeleton: Skeleton) -> tuple[list[int], list[str]]:
    """Indices of the joints in the order of their channels, and the lines of the hierarchy."""
    children: dict[int, list[int]] = {k: [] for k in range(-1, len(skeleton.names))}
    for k, parent in enumerate(skeleton.parents):
        children[parent].append(k)
    order: list[int] = []
    lines = ["HIERARCHY"]
    stack: list[tuple[int, int, bool]] = [(0, 0, False)]  # joint, depth, whether its brace closes now
    while stack:
        joint, depth, closing = stack.pop()
        pad = "  " * depth
        if closing:
            lines.append(pad + "}")
            continue
        name, offset = skeleton.names[joint], skeleton.offsets[joint] * 100
        place = " ".join(f"{value:.7f}" for value in offset.tolist())
        is_end = depth > 0 and not children[joint] and name == skeleton.names[skeleton.parents[joint]] + _END
        if is_end and len(children[skeleton.parents[joint]]) == 1:
            lines += [f"{pad}End Site", pad + "{", f"{pad}  OFFSET {place}", pad + "}"]
            continue
        order.append(joint)
        lines += [f"{pad}{'JOINT' if depth else 'ROOT'} {name}", pad + "{", f"{pad}  OFFSET {place}"]
        moves = "" if depth else "Xposition Yposition Zposition "
        lines.append(f"{pad}  CHANNELS {3 if depth else 6} {moves}Zrotation Xrotation Yrotation")
        if not children[joint]:
            lines += [f"{pad}  End Site", f"{pad}  " + "{", f"{pad}    OFFSET 0 0 0", f"{pad}  " + "}"]
        stack.append((joint, depth, True))
        stack += [(child, depth + 1, False) for child in reversed(children[joint])]
    return order, lines
