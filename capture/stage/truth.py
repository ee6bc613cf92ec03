"""The truth of a shoot as JSON: cameras, lights, marks in every take and photograph, joints, board, and the fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from capture.issues import JsonObject, JsonValue
from capture.stage.lens import StageCamera, StageLight, image_points
from capture.stage.outfit import get_outfit, worn_over
from capture.stage.person import Person, StageMark, marks_visible_zone
from capture.stage.render import render_depth
from capture.stage.scene import Scene, Stance
from capture.stage.tone import lab_from_linear

if TYPE_CHECKING:
    from capture.stage.shoot import ShootTruth

TRUTH_SCHEMA = 1
CHART_CENTRE = np.array([0.0, 0.0, 1.42])
_DEPTH_TOLERANCE_M = 0.008
_FACING_COSINE = 0.2  # seen flatter than 78 degrees a mark is a line


def as_json(shoot: ShootTruth) -> JsonObject:
    """The whole truth. Lengths in metres, angles in degrees, pixels with centres at integers, poses row by row."""
    scenes = {take.id: shoot.scene(take.id) for take in shoot.takes}
    fault = shoot.fault
    return {
        "schema": TRUTH_SCHEMA,
        "person": _person(shoot.person),
        "cameras": [camera_json(c) for c in shoot.cameras],
        "lights": [_light(x) for x in shoot.lights],
        "takes": {t.id: {
            "facing_deg": t.stance.facing_deg, "outfit": t.outfit, "backdrop": t.backdrop,
            "marks": _marks(scenes[t.id]), "joints": _joints(scenes[t.id]),
        } for t in shoot.takes},
        "photos": {t.id: {c.id: observe(scenes[t.id], c) for c in shoot.cameras} for t in shoot.takes},
        "board": _board(shoot),
        "chart": {"centre": _list(CHART_CENTRE)},
        "clips": {clip: _clip(shoot, clip) for clip in shoot.clip_ids},
        "fault": {
            "name": fault.name, "what": fault.what, "camera": fault.camera, "other_camera": fault.other_camera,
            "take": fault.take, "light": fault.light, "other_light": fault.other_light,
            "ring": list(fault.ring), "affected": list(fault.affected), "since_frame": fault.since_frame,
            "degrees": fault.degrees, "late_frames": fault.late_frames,
        },
    }  # fmt: skip


def _list(array: NDArray[np.floating]) -> list[JsonValue]:
    values: list[JsonValue] = np.round(np.asarray(array, dtype=np.float64), 9).tolist()
    return values


def camera_json(camera: StageCamera) -> JsonObject:
    """One camera: K row by row, Brown distortion k1 k2 p1 p2 k3, pose."""
    return {
        "id": camera.id,
        "width": camera.width,
        "height": camera.height,
        "matrix": camera.matrix.tolist(),
        "distortion": list(camera.distortion),
        "world_from_camera": camera.pose.tolist(),
    }


def _light(light: StageLight) -> JsonObject:
    return {
        "id": light.id,
        "azimuth_deg": light.azimuth_deg,
        "elevation_deg": light.elevation_deg,
        "colour": list(light.colour),
        "intensity": light.intensity,
        "ambient": light.ambient,
    }


def _person(person: Person) -> JsonObject:
    zone = {mark.id for mark in marks_visible_zone(person)}
    skin = person.skin_lab[0]
    return {
        "seed": person.seed,
        "height_m": person.height_m,
        "skin_lab": list(person.skin_lab),
        "marks": [
            {
                "id": mark.id,
                "kind": mark.kind,
                "part": mark.part,
                "diameter_m": mark.diameter_m,
                "position": list(mark.position),
                "normal": list(mark.normal),
                "contrast_l": skin - float(lab_from_linear(np.array(mark.colour))[0]),
                "large_on_bust": mark.id in zone,
            }
            for mark in person.marks
        ],
    }


def _marks(scene: Scene) -> JsonObject:
    return {
        name: {"position": _list(position), "normal": _list(normal)}
        for name, (position, normal) in scene.mark_positions_world().items()
    }


def _joints(scene: Scene) -> JsonObject:
    return {name: _list(place) for name, place in scene.joints_world().items()}


def observe(scene: Scene, camera: StageCamera) -> JsonObject:
    """Where each mark falls in a photograph: pixel, whether it is visible, cosine of the view angle, size in pixels.

    Visible means: inside the picture, turned toward the camera by more than 12 degrees, and not hidden behind the body
    or under her clothes.
    """
    depth = render_depth(scene, camera)
    out: JsonObject = {}
    covered = {mark.id for mark in scene.person.marks if _dressed(scene, mark)}
    diameters = {mark.id: mark.diameter_m for mark in scene.person.marks}
    for name, (position, normal) in scene.mark_positions_world().items():
        pixels, away = image_points(camera, position[None])
        x, y, distance = float(pixels[0, 0]), float(pixels[0, 1]), float(away[0])
        view = camera.position - position
        cosine = float(normal @ view / np.linalg.norm(view))
        inside = distance > 0 and -0.5 <= x < camera.width - 0.5 and -0.5 <= y < camera.height - 0.5
        front = inside and abs(float(depth[round(y), round(x)]) - distance) < _DEPTH_TOLERANCE_M
        out[name] = {
            "pixel": [round(x, 4), round(y, 4)],
            "visible": bool(front and cosine > _FACING_COSINE and name not in covered),
            "facing_cosine": round(cosine, 4),
            "diameter_px": round(diameters[name] * camera.fx / distance, 3),
        }
    return out


def _dressed(scene: Scene, mark: StageMark) -> bool:
    """Whether cloth lies over the middle of a mark."""
    place = np.array(mark.position) / scene.person.shape.scale
    return bool(worn_over(get_outfit(scene.outfit), mark.part, place) > 0)


def _board(shoot: ShootTruth) -> JsonObject:
    board = shoot.plan.board
    return {
        "columns": board.columns,
        "rows": board.rows,
        "square_m": board.square_m,
        "marker_m": board.marker_m,
        "dictionary": board.dictionary,
        "shots": {shot.id: shot.world_from_board.tolist() for shot in shoot.shots},
    }


def _clip(shoot: ShootTruth, clip: str) -> JsonObject:
    stances: list[Stance] = [shoot.clip_stance(clip, k) for k in range(shoot.plan.clip_frames)]
    joints = [Scene(shoot.person, stance).joints_world() for stance in stances]
    return {
        "fps": shoot.plan.clip_fps,
        "frames": shoot.plan.clip_frames,
        "joints": {name: _list(np.array([frame[name] for frame in joints])) for name in joints[0]},
    }
