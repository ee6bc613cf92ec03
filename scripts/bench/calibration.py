"""Rig calibration against peers on the same corners, judged alike: one rigid board per shot, no corner left out.

    python -m scripts.bench.calibration --data DATA --peer --out scripts/bench/results

DATA is the folder of real footage; the webcams and the stereo pair in it are used. Held out means calibrated on every
other shot and judged on the rest. A simulated dome, with its true cameras known, runs beside them. With `--peer`
aniposelib and caliscope are fetched from the package index; OpenCV and pycolmap run in any case.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from calibration.camera import Camera
from calibration.cross_check import adjust_with_colmap
from calibration.detect import Corners, detect_frames, make_finder, natural_order
from calibration.fitting import Task
from calibration.intrinsics import calibrate_intrinsics
from calibration.judge import judge
from calibration.pose import Pose
from calibration.solve import solve_rig
from calibration.start import pack, place_rig, unpack, view_poses
from calibration.target import Target, target_of
from capture.images import read_image
from capture.issues import JsonObject
from capture.session import Board
from capture.video import read_frames
from scripts.bench.calibration_peers import Found, Views, anipose, caliscope, opencv_chain, opencv_multiview
from scripts.bench.record import record

PACKAGES = ("numpy", "scipy", "opencv-python", "pycolmap")
_FPS = 6.0  # of the webcams
_NOISE_PX = 0.2
Solver = Callable[[Views, Mapping[str, tuple[int, int]], Target], Found]


@dataclass(frozen=True, eq=False)
class Corpus:
    """Corners of one set, and the true cameras where they are known."""

    name: str
    views: Views
    sizes: Mapping[str, tuple[int, int]]
    target: Target
    filmed: bool = False
    truth: tuple[Camera, ...] = ()


def webcams(data: Path) -> Corpus:
    """Four webcams and a man with an inverted board."""
    folder = data / "caliscope-4cam" / "calibration" / "extrinsic"
    board = Board(kind="charuco", columns=4, rows=5, square_m=0.054, marker_m=0.0405, dictionary="DICT_4X4_1000",
                  inverted=True)  # fmt: skip
    target = target_of(board)
    views = {p.stem: detect_frames(read_frames(p), target) for p in sorted(folder.glob("cam_*.mp4"))}
    return Corpus("four webcams", views, dict.fromkeys(views, (1280, 720)), target, filmed=True)


def stereo(data: Path) -> Corpus:
    """OpenCV's stereo pair of a chessboard."""
    target = target_of(Board(kind="chessboard", columns=9, rows=6, square_m=0.025))
    find = make_finder(target)
    views: dict[str, dict[str, Corners]] = {}
    for side in ("left", "right"):
        found = {p.stem[-2:]: find(read_image(p)) for p in sorted((data / "opencv-stereo-chess").glob(f"{side}*.jpg"))}
        views[side] = {shot: corners for shot, corners in found.items() if corners is not None}
    return Corpus("stereo pair", views, dict.fromkeys(views, (640, 480)), target)


def dome(cameras: int, boards: int) -> Corpus:
    """Long lenses in rings of 3 m around a board in a volume of 1 m; corners with 0.2 px of noise."""
    rng = np.random.default_rng(5)
    target = target_of(Board(kind="chessboard", columns=8, rows=5, square_m=0.06))
    truth = []
    for number in range(cameras):
        around, up = 2 * np.pi * number / cameras, math.radians((0, 20, 40)[number % 3])
        spot = 3 * np.array([math.cos(around) * math.cos(up), math.sin(around) * math.cos(up), math.sin(up)])
        lens = np.array([-0.1, 0.05, 0.0005, -0.0005, 0.0])
        centre = np.array([2047.5, 1535.5]) + rng.normal(0, 15, 2)
        focal = 6000 * (1 + 0.01 * rng.standard_normal())
        pose = _looking(spot, np.zeros(3))
        truth.append(Camera(f"c{number:02}", 4096, 3072, focal, focal, centre[0], centre[1], lens, pose))
    views: dict[str, dict[str, Corners]] = {camera.id: {} for camera in truth}
    for shot in range(boards):
        around, up = rng.uniform(0, 2 * np.pi), math.radians(rng.uniform(-10, 60))
        away = -np.array([math.cos(around) * math.cos(up), math.sin(around) * math.cos(up), math.sin(up)])
        middle = rng.uniform(-0.5, 0.5, 3)
        facing = _looking(middle, middle + away)
        spin = Pose.from_rotvec((0.0, 0.0, rng.uniform(-np.pi, np.pi)), (0.0, 0.0, 0.0))
        board = facing @ spin
        points = board.apply(target.points - target.centre)
        for camera in truth:
            uv, depth = camera.project(points)
            seen = np.isfinite(uv).all(axis=1) & (uv > 0).all(axis=1) & (uv < (4095, 3071)).all(axis=1) & (depth > 0)
            ahead = camera.world_from_camera.rotation[:, 2] @ board.rotation[:, 2]
            seen &= (ahead > 0.6) & (rng.random(len(uv)) > 0.05)
            if seen.sum() >= 9:
                ids = np.flatnonzero(seen)
                views[camera.id][str(shot)] = Corners(ids, uv[ids] + rng.normal(0, _NOISE_PX, (len(ids), 2)))
    sizes = dict.fromkeys(views, (4096, 3072))
    return Corpus(f"dome of {cameras} x {boards}", views, sizes, target, truth=tuple(truth))


def _looking(spot: np.ndarray, at: np.ndarray) -> Pose:
    forward = (at - spot) / np.linalg.norm(at - spot)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    return Pose(np.column_stack([right, np.cross(forward, right), forward]), spot)


def ours(views: Views, sizes: Mapping[str, tuple[int, int]], target: Target, *, filmed: bool = False) -> Found:
    """Our solve with its uncertainty and its own held-out check; no time offsets, `filmed` or not."""
    start = time.process_time()
    solution, report = solve_rig(Task(views, sizes, target, huber_px=3.0 if filmed else 1.0))
    if solution is None:
        raise RuntimeError(f"{report.errors[0].where}: {report.errors[0].found}")
    return Found(solution.cameras, time.process_time() - start)


def colmap(views: Views, sizes: Mapping[str, tuple[int, int]], target: Target) -> Found:
    """COLMAP's bundle adjustment from our start."""
    start = time.process_time()
    lenses = {name: calibrate_intrinsics(own, sizes[name], target)[0] for name, own in views.items()}
    placed = place_rig(lenses, views, target, view_poses(lenses, views, target))
    problem, state = pack(placed.cameras, placed.boards, views, target)
    state.lens[~problem.fisheye, 8] = 0.0
    solved = adjust_with_colmap(problem, state, [sizes[camera.id] for camera in placed.cameras])
    cameras, _ = unpack(solved, placed.cameras, placed.boards, target)
    return Found(cameras, time.process_time() - start)


def position_error_mm(cameras: tuple[Camera, ...], truth: tuple[Camera, ...]) -> float:
    """Mean distance of the camera centres after a rigid alignment without scale (Kabsch 1976)."""
    named = {camera.id: camera.centre for camera in cameras}
    found = np.stack([named[camera.id] for camera in truth])
    real = np.stack([camera.centre for camera in truth])
    a, b = found - found.mean(axis=0), real - real.mean(axis=0)
    u, _, v = np.linalg.svd(a.T @ b)
    turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v
    return float(1000 * np.linalg.norm(a @ turn - b, axis=1).mean())


def measure(corpus: Corpus, name: str, solver: Solver) -> JsonObject:
    """One solver on one set: error of all corners, of those held out, and processor seconds."""
    try:
        whole = solver(corpus.views, corpus.sizes, corpus.target)
        row: JsonObject = {"cpu_s": round(whole.cpu_s, 2)}
        if whole.claimed_px is not None:
            row["claims_px"] = round(whole.claimed_px, 3)
        if corpus.truth:
            row["position_error_mm"] = round(position_error_mm(whole.cameras, corpus.truth), 3)
        row["rms_px"] = round(judge(whole.cameras, corpus.views, corpus.target).rig_rms_px, 4)
        if not corpus.truth:
            shots = natural_order({shot for own in corpus.views.values() for shot in own})
            half = solver(_some(corpus.views, set(shots[::2])), corpus.sizes, corpus.target)
            rest = judge(half.cameras, _some(corpus.views, set(shots[1::2])), corpus.target)
            row["held_out_px"] = round(rest.rig_rms_px, 4)
    except (RuntimeError, ValueError, cv2.error, np.linalg.LinAlgError) as err:
        row = {"failed": str(err).strip().splitlines()[-1][:160]}
    print(f"{corpus.name}: {name}: {json.dumps(row)}", flush=True)
    return row


def _some(views: Views, shots: set[str]) -> Views:
    return {name: {s: c for s, c in own.items() if s in shots} for name, own in views.items()}


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of real footage")
    parser.add_argument("--out", type=Path, help="folder of the JSON; none is written without it")
    parser.add_argument("--peer", action="store_true", help="also run aniposelib and caliscope")
    parser.add_argument("--dome", type=int, nargs=2, default=(12, 60), metavar=("CAMERAS", "BOARDS"))
    options = parser.parse_args(argv)
    corpora = [webcams(options.data), stereo(options.data), dome(*options.dome)]
    solvers: dict[str, Solver] = {
        "ours": ours, "opencv chain": opencv_chain, "opencv multiview": opencv_multiview, "pycolmap": colmap,
    }  # fmt: skip
    results: JsonObject = {}
    with tempfile.TemporaryDirectory() as place:
        if options.peer:
            solvers["aniposelib"] = anipose(Path(place) / "anipose").calibrate
            solvers["caliscope"] = caliscope(Path(place) / "caliscope").calibrate
        for corpus in corpora:
            solvers["ours"] = partial(ours, filmed=corpus.filmed)
            rows: JsonObject = {name: measure(corpus, name, solver) for name, solver in solvers.items()}
            if corpus.filmed:
                rows["ours, with time offsets"] = measure_filmed(corpus)
            results[corpus.name] = rows
    if options.out is not None:
        command = f"python -m scripts.bench.calibration --data DATA --dome {options.dome[0]} {options.dome[1]}"
        record(
            options.out / "calibration.json",
            command=command + (" --peer" if options.peer else ""),
            packages=PACKAGES,
            figures={"results": results},
        )
    return 0


def measure_filmed(corpus: Corpus) -> JsonObject:
    """Ours with a time offset per camera: the judge has to move the board by it too."""
    times = {shot: int(shot) / _FPS for own in corpus.views.values() for shot in own}
    start = time.process_time()
    solution, _ = solve_rig(Task(corpus.views, corpus.sizes, corpus.target, huber_px=3.0, time_s=times))
    if solution is None:
        return {"failed": "no two cameras share the board"}
    spent = time.process_time() - start
    row: JsonObject = {
        "cpu_s": round(spent, 2),
        "rms_px": round(solution.verdict.rig_rms_px, 4),
        "held_out_block_px": solution.facts["held_out_rms_px"],
    }
    print(f"{corpus.name}: ours, with time offsets: {json.dumps(row)}", flush=True)
    return row


if __name__ == "__main__":
    sys.exit(main())
