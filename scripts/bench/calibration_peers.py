"""Other calibrations on the same corners: OpenCV's own, and aniposelib and caliscope in environments of their own.

Each gets the corners that we found, so that what is compared is the solving and not the finding.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from calibration.camera import Camera
from calibration.detect import Corners, natural_order
from calibration.pose import Pose
from calibration.target import Target

ANIPOSE, CALISCOPE = "aniposelib==0.8.0", "caliscope==0.11.8"
Views = Mapping[str, Mapping[str, Corners]]

# Both read {"board", "points", "cameras": [{"size", "views": {shot: {"ids", "uv"}}}]} and print the cameras.
_ANIPOSE = """\
import contextlib, io, json, sys, time
import numpy as np
from aniposelib.boards import CharucoBoard, Checkerboard
from aniposelib.cameras import Camera, CameraGroup
task = json.load(open(sys.argv[1]))
b = task["board"]
if b["kind"] == "charuco":
    board = CharucoBoard(b["columns"], b["rows"], b["square_m"], b["marker_m"], 4, 50)
else:
    board = Checkerboard(b["columns"], b["rows"], square_length=b["square_m"])
rows = []
for camera in task["cameras"]:
    rows.append([
        {"framenum": (0, int(shot)), "corners": np.array(v["uv"]).reshape(-1, 1, 2).astype("float32"),
         "ids": np.array(v["ids"], dtype="int32").reshape(-1, 1)}
        for shot, v in camera["views"].items()
    ])
group = CameraGroup([Camera(name=str(i), size=tuple(c["size"])) for i, c in enumerate(task["cameras"])])
start = time.process_time()
with contextlib.redirect_stdout(io.StringIO()):
    claimed = group.calibrate_rows(rows, board, verbose=False)
spent = time.process_time() - start
out = [{"K": c.get_camera_matrix().tolist(), "d": np.ravel(c.get_distortions()).tolist(),
        "r": np.ravel(c.get_rotation()).tolist(), "t": np.ravel(c.get_translation()).tolist()} for c in group.cameras]
print("RESULT " + json.dumps({"cpu_s": spent, "claimed_px": float(claimed), "cameras": out}))
"""
_CALISCOPE = """\
import json, sys, time
import cv2, numpy as np, pandas as pd
from caliscope.api import CameraArray, ImagePoints, calibrate_extrinsics, calibrate_intrinsics
task = json.load(open(sys.argv[1]))
points = task["points"]
rows = [
    {"sync_index": int(shot), "cam_id": i, "object_id": 0, "keypoint_id": k, "img_loc_x": u, "img_loc_y": v,
     "obj_loc_x": points[k][0], "obj_loc_y": points[k][1], "obj_loc_z": 0.0, "frame_time": float(shot),
     "frame_index": int(shot)}
    for i, camera in enumerate(task["cameras"]) for shot, seen in camera["views"].items()
    for k, (u, v) in zip(seen["ids"], seen["uv"])
]
image_points = ImagePoints(pd.DataFrame(rows))
cameras = CameraArray.from_image_sizes({i: tuple(c["size"]) for i, c in enumerate(task["cameras"])})
start = time.process_time()
for i in list(cameras.cameras):
    cameras[i] = calibrate_intrinsics(image_points, cameras[i]).camera
run = calibrate_extrinsics(image_points, cameras, None)
spent = time.process_time() - start
found = run.capture_volume.camera_array.cameras
out = [{"K": np.asarray(c.matrix).tolist(), "d": np.ravel(c.distortions).tolist(),
        "r": np.ravel(cv2.Rodrigues(np.asarray(c.rotation))[0]).tolist(), "t": np.ravel(c.translation).tolist()}
       for _, c in sorted(found.items())]
print("RESULT " + json.dumps({"cpu_s": spent, "cameras": out}))
"""


@dataclass(frozen=True)
class Found:
    """What a calibration gave: placed cameras, processor seconds, and the error that it claims itself."""

    cameras: tuple[Camera, ...]
    cpu_s: float
    claimed_px: float | None = None


class Peer:
    """A tool of the package index in an environment that lives as long as this object."""

    def __init__(self, folder: Path, package: str, program: str) -> None:
        self._folder, self._program = folder, program
        venv.create(folder, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", package]
        subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)

    def calibrate(self, views: Views, sizes: Mapping[str, tuple[int, int]], target: Target) -> Found:
        """Run the tool on these corners. Raises RuntimeError with the last line it wrote where it fails."""
        numbers = {shot: str(n) for n, shot in enumerate(natural_order({s for v in views.values() for s in v}))}
        cameras = [
            {"size": sizes[name],
             "views": {numbers[s]: {"ids": c.ids.tolist(), "uv": c.uv.tolist()} for s, c in own.items()}}
            for name, own in views.items()
        ]  # fmt: skip
        task = {"board": target.board.model_dump(), "points": target.points.tolist(), "cameras": cameras}
        with tempfile.NamedTemporaryFile("w", suffix=".json", dir=self._folder) as stream:
            json.dump(task, stream)
            stream.flush()
            command = [str(self._folder / "bin" / "python"), "-c", self._program, stream.name]
            run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
        lines = [line for line in run.stdout.splitlines() if line.startswith("RESULT ")]
        if not lines:
            raise RuntimeError((run.stderr.strip().splitlines() or ["it printed nothing"])[-1][:200])
        answer = json.loads(lines[-1].removeprefix("RESULT "))
        placed = tuple(
            camera_of(name, sizes[name], np.array(c["K"]), np.array(c["d"]), (np.array(c["r"]), np.array(c["t"])))
            for name, c in zip(views, answer["cameras"], strict=True)
        )
        return Found(placed, answer["cpu_s"], answer.get("claimed_px"))


def anipose(folder: Path) -> Peer:
    """aniposelib."""
    return Peer(folder, ANIPOSE, _ANIPOSE)


def caliscope(folder: Path) -> Peer:
    """caliscope."""
    return Peer(folder, CALISCOPE, _CALISCOPE)


def camera_of(
    name: str, size: tuple[int, int], matrix: np.ndarray, distortion: np.ndarray, pose: tuple[np.ndarray, np.ndarray]
) -> Camera:
    """A camera from OpenCV's numbers; `pose` is (rotation vector, translation), camera from world."""
    numbers = (float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2]))
    coefficients = np.zeros(5)
    coefficients[: min(5, distortion.size)] = np.ravel(distortion)[:5]
    placed = Pose.from_rotvec(np.ravel(pose[0]), np.ravel(pose[1])).inverse()
    return Camera(name, size[0], size[1], *numbers, coefficients, placed)


def opencv_chain(views: Views, sizes: Mapping[str, tuple[int, int]], target: Target) -> Found:
    """Each lens by calibrateCamera, then stereoCalibrate from one camera to the next one that shares most with it."""
    start = time.process_time()
    lenses = {name: _lens(own, sizes[name], target) for name, own in views.items()}
    names = list(views)
    first = max(names, key=lambda n: sum(len(views[n].keys() & views[m].keys()) for m in names))
    poses = {first: (np.eye(3), np.zeros(3))}
    while len(poses) < len(names):
        known, new = max(
            ((a, b) for a in poses for b in names if b not in poses),
            key=lambda pair: len(views[pair[0]].keys() & views[pair[1]].keys()),
        )
        turn, shift = _pair(views[known], views[new], (lenses[known], lenses[new]), sizes[known], target)
        poses[new] = (turn @ poses[known][0], turn @ poses[known][1] + shift)
    placed = tuple(
        camera_of(n, sizes[n], *lenses[n], (np.ravel(cv2.Rodrigues(poses[n][0])[0]), poses[n][1])) for n in names
    )
    return Found(placed, time.process_time() - start)


def opencv_multiview(views: Views, sizes: Mapping[str, tuple[int, int]], target: Target) -> Found:
    """`cv2.calibrateMultiview` with corners that are missing marked as it asks for."""
    start = time.process_time()
    shots = natural_order({shot for own in views.values() for shot in own})
    seen = np.array([[shot in own for shot in shots] for own in views.values()], dtype=np.uint8)
    pictures = [[_padded(own.get(shot), len(target.points)) for shot in shots] for own in views.values()]
    objects = [target.points.astype(np.float32) for _ in shots]
    every = [tuple(sizes[name]) for name in views]
    kinds = np.zeros(len(views), dtype=np.uint8)  # pinhole
    _, matrices, distortions, turns, shifts = cv2.calibrateMultiview(
        objects, pictures, every, seen, kinds, [], [], [], []
    )
    placed = tuple(
        camera_of(n, sizes[n], np.asarray(k), np.asarray(d), (np.ravel(r), np.ravel(t)))
        for n, k, d, r, t in zip(views, matrices, distortions, turns, shifts, strict=True)
    )
    return Found(placed, time.process_time() - start)


def _padded(corners: Corners | None, count: int) -> np.ndarray:
    full = np.full((count, 2), -1.0, dtype=np.float32)
    if corners is not None:
        full[corners.ids] = corners.uv
    return full


def _lens(own: Mapping[str, Corners], size: tuple[int, int], target: Target) -> tuple[np.ndarray, np.ndarray]:
    objects = [target.points[c.ids].astype(np.float32) for c in own.values()]
    images = [c.uv.astype(np.float32) for c in own.values()]
    _, matrix, distortion, _, _ = cv2.calibrateCamera(objects, images, size, np.eye(3), np.zeros(5))
    return np.asarray(matrix), np.asarray(distortion)


def _pair(
    first: Mapping[str, Corners], second: Mapping[str, Corners], lenses: Sequence[tuple[np.ndarray, np.ndarray]],
    size: tuple[int, int], target: Target,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Rotation and translation of the second camera from the first."""
    objects, left, right = [], [], []
    for shot in first.keys() & second.keys():
        both, at, other = np.intersect1d(first[shot].ids, second[shot].ids, return_indices=True)
        if len(both) >= 6:
            objects.append(target.points[both].astype(np.float32))
            left.append(first[shot].uv[at].astype(np.float32))
            right.append(second[shot].uv[other].astype(np.float32))
    (k1, d1), (k2, d2) = lenses
    found = cv2.stereoCalibrate(objects, left, right, k1, d1, k2, d2, size, flags=cv2.CALIB_FIX_INTRINSIC)
    return np.asarray(found[5]), np.ravel(found[6])
