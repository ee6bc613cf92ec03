"""The same bundle adjustment by COLMAP's solver (Ceres, through pycolmap), to check ours against another's.

One rig, its first camera the reference; one frame per placement of the board, whose corners are points that stay where
they are. The solver is sparse Schur by force: left to itself COLMAP takes an iterative one above a thousand images,
which does not converge on such a rig. COLMAP counts pixels from the corner of the first one, half a pixel before ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from calibration.bundle import CAMERA, LENS, Problem, State, adjust, residuals
from calibration.fitting import Fitted
from calibration.pose import Floats, Pose, mean_rotation
from capture.issues import Issue, JsonObject, issue

if TYPE_CHECKING:
    import pycolmap

_HALF_PIXEL = 0.5
_COEFFICIENTS = 4  # k1 k2 p1 p2 of OPENCV, and k1 k2 k3 k4 of OPENCV_FISHEYE
# Two solvers of one problem differ by where they stop, which is a hundredth of this; above it one of them is wrong.
AGREE_MM, AGREE_DEG, AGREE_FOCAL = 0.5, 0.02, 0.05
_ASIDE = 0.01  # of the focal length, by which COLMAP starts elsewhere


@dataclass(frozen=True)
class CrossCheck:
    """The largest differences between our rig and COLMAP's, both with COLMAP's lens, and of which camera."""

    position_mm: float
    rotation_deg: float
    focal_percent: float
    rms_px: tuple[float, float]  # ours, COLMAP's, of the corners that were kept
    worst: str

    @property
    def agrees(self) -> bool:
        """Whether both found the same rig."""
        return self.position_mm <= AGREE_MM and self.rotation_deg <= AGREE_DEG and self.focal_percent <= AGREE_FOCAL

    @property
    def line(self) -> str:
        """One sentence."""
        found = (
            f"{self.position_mm:.3f} mm, {self.rotation_deg:.4f} degrees and {self.focal_percent:.4f} % of focal "
            f"length at most (most at {self.worst}); {self.rms_px[0]:.4f} px ours, {self.rms_px[1]:.4f} px COLMAP's"
        )
        return f"{'COLMAP finds the same rig' if self.agrees else 'COLMAP finds another rig'}: {found}"

    def to_json(self) -> JsonObject:
        """For a report."""
        return {
            "position_mm": self.position_mm,
            "rotation_deg": self.rotation_deg,
            "focal_percent": self.focal_percent,
            "rms_px": list(self.rms_px),
            "worst": self.worst,
            "agrees": self.agrees,
        }


def require_colmap() -> None:
    """Raises ValueError where pycolmap is not installed."""
    if find_spec("pycolmap") is None:
        raise ValueError(
            "cross-check needs pycolmap, which is not installed; install likeness[colmap], or leave out --cross-check"
        )


def cross_check(fitted: Fitted) -> CrossCheck | str:
    """Solve a rig again by COLMAP, on the corners that our solve kept, and by ours with the lens that COLMAP knows.

    A text says why the two cannot be compared: time offsets and bent boards are unknown to COLMAP. Boards that are
    fixed to each other stay as our solve found them. Raises ValueError where pycolmap is not installed.
    """
    require_colmap()
    if fitted.lagging:
        return f"cameras {', '.join(fitted.lagging)} have time offsets, which COLMAP does not know"
    if fitted.state.warp.any():
        return "the board is bent, which COLMAP does not know"
    problem, start = _as_one_board(fitted.problem.only(fitted.fit.kept), fitted.state)
    lens = start.lens.copy()
    lens[~problem.fisheye, LENS - 1] = 0.0
    start = replace(start, lens=lens)
    free = fitted.free[: len(lens) * CAMERA].reshape(-1, CAMERA).copy()
    free[:, LENS - 1] &= problem.fisheye
    free = np.concatenate([free.ravel(), np.zeros(start.shared, dtype=bool)])
    ours = adjust(problem, start, free=free).state
    elsewhere = lens.copy()
    elsewhere[:, :2] *= 1 + _ASIDE  # at our own minimum it would have nothing to find
    theirs = adjust_with_colmap(
        problem, replace(start, lens=elsewhere), [(c.width, c.height) for c in fitted.cameras]
    )  # fmt: skip
    gaps = [a.inverse() @ b for a, b in zip(_poses(ours), _poses(theirs), strict=True)]
    off = [1000 * float(np.linalg.norm(gap.translation)) for gap in gaps]
    squares = [float((residuals(problem, s) ** 2).sum() / problem.seen.sum()) for s in (ours, theirs)]
    return CrossCheck(
        max(off),
        max(gap.angle_deg for gap in gaps),
        float(100 * np.abs(theirs.lens[:, :2] / ours.lens[:, :2] - 1).max()),
        (float(np.sqrt(squares[0])), float(np.sqrt(squares[1]))),
        fitted.cameras[int(np.argmax(off))].id,
    )


def cross_issues(found: CrossCheck | str) -> tuple[Issue, ...]:
    """A warning where the two solvers disagree, or could not be compared."""
    if isinstance(found, str):
        return (issue("CROSS_CHECK_DIFFERS", where="the whole rig", expected="one that COLMAP can solve", found=found),)
    if found.agrees:
        return ()
    expected = f"within {AGREE_MM} mm, {AGREE_DEG} degrees and {AGREE_FOCAL} % of focal length"
    return (issue("CROSS_CHECK_DIFFERS", where=f"camera {found.worst}", expected=expected, found=found.line),)


def _as_one_board(problem: Problem, state: State) -> tuple[Problem, State]:
    """Boards that are fixed to each other as one board, and what a camera saw of them in one shot as one view."""
    middle = problem.points[0].copy()
    for part in range(1, len(problem.points)):
        own = problem.seen[problem.part == part].any(axis=0)
        middle[own] = problem.points[part, own] @ state.part_rotation[part].T + state.part_translation[part]
    index, row = np.unique(np.stack([problem.camera, problem.board], axis=1), axis=0, return_inverse=True)
    uv, seen = np.zeros((len(index), *problem.uv.shape[1:])), np.zeros((len(index), problem.seen.shape[1]), dtype=bool)
    np.add.at(uv, row.ravel(), np.where(problem.seen[..., None], problem.uv, 0.0))
    np.logical_or.at(seen, row.ravel(), problem.seen)
    held = seen.any(axis=1)
    one = Problem(
        middle[None], index[held, 0], index[held, 1], uv[held], seen[held], np.zeros(int(held.sum()), dtype=np.int64),
        problem.fisheye, problem.time,
    )  # fmt: skip
    return one, replace(state, part_rotation=np.eye(3)[None], part_translation=np.zeros((1, 3)))


def _poses(state: State) -> list[Pose]:
    """world_from_camera of every camera."""
    return [
        Pose(mean_rotation([turn]), shift).inverse()
        for turn, shift in zip(state.camera_rotation, state.camera_translation, strict=True)
    ]


def adjust_with_colmap(problem: Problem, state: State, sizes: Sequence[tuple[int, int]]) -> State:
    """Least squares of all corners from this start, in COLMAP's hands. `sizes` are (width, height) of the cameras.

    COLMAP's model has no k3, so Brown's k3 must be zero and is held there; it knows neither time offsets nor bent
    boards. Raises ValueError for a problem with any of them, and ImportError where pycolmap is not installed.
    """
    import pycolmap

    brown_k3 = state.lens[~problem.fisheye, 8]
    if brown_k3.any() or state.offset.any() or state.warp.any() or len(problem.points) > 1:
        raise ValueError("cross-check knows no k3, time offset, warp or second board; set them to zero and hold them")
    model = pycolmap.Reconstruction()
    _add_cameras(model, problem, state, sizes)
    points = [model.add_point3D(point, pycolmap.Track()) for point in problem.points[0]]
    _add_frames(model, problem, state, points)
    config = pycolmap.BundleAdjustmentConfig()
    for image in model.images:
        config.add_image(image)
    for point in points:
        config.add_constant_point(point)
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_principal_point = True
    options.print_summary = False
    options.ceres.auto_select_solver_type = False
    solver = options.ceres.solver_options
    solver.linear_solver_type = type(solver.linear_solver_type).SPARSE_SCHUR  # the enumeration has no public name
    solver.gradient_tolerance = solver.function_tolerance = 1e-12
    pycolmap.create_default_bundle_adjuster(options, config, model).solve()
    return _read_back(model, state)


def _add_cameras(
    model: pycolmap.Reconstruction, problem: Problem, state: State, sizes: Sequence[tuple[int, int]]
) -> None:
    import pycolmap

    rig = pycolmap.Rig(rig_id=1)
    for c, (lens, size) in enumerate(zip(state.lens, sizes, strict=True)):
        parameters = [*lens[:2], *(lens[2:4] + _HALF_PIXEL), *lens[4 : 4 + _COEFFICIENTS]]
        kind = "OPENCV_FISHEYE" if problem.fisheye[c] else "OPENCV"
        model.add_camera(pycolmap.Camera(model=kind, width=size[0], height=size[1], params=parameters, camera_id=c + 1))
        sensor = pycolmap.sensor_t(pycolmap.SensorType.CAMERA, c + 1)
        if c == 0:
            rig.add_ref_sensor(sensor)
        else:
            rig.add_sensor(sensor, _rigid(*_relative(state, c)))
    model.add_rig(rig)


def _add_frames(model: pycolmap.Reconstruction, problem: Problem, state: State, points: Sequence[int]) -> None:
    import pycolmap

    first, shift = state.camera_rotation[0], state.camera_translation[0]
    for board in np.unique(problem.board):
        views = np.flatnonzero(problem.board == board)
        frame = pycolmap.Frame(frame_id=int(board) + 1, rig_id=1)
        for view in views:
            sensor = pycolmap.sensor_t(pycolmap.SensorType.CAMERA, int(problem.camera[view]) + 1)
            frame.add_data_id(pycolmap.data_t(sensor, int(view) + 1))
        turned, moved = state.board_rotation[board], state.board_translation[board]
        frame.rig_from_world = _rigid(first @ turned, first @ moved + shift)
        model.add_frame(frame)
        for view in views:
            seen = np.flatnonzero(problem.seen[view])
            image = pycolmap.Image(
                name=f"{view}",
                keypoints=problem.uv[view, seen] + _HALF_PIXEL,
                camera_id=int(problem.camera[view]) + 1,
                image_id=int(view) + 1,
            )
            image.frame_id = int(board) + 1
            model.add_image(image)
            for index, corner in enumerate(seen):
                model.add_observation(points[int(corner)], pycolmap.TrackElement(int(view) + 1, index))
        model.register_frame(int(board) + 1)


def _read_back(model: pycolmap.Reconstruction, state: State) -> State:
    import pycolmap

    lens = state.lens.copy()
    turns, shifts = state.camera_rotation.copy(), state.camera_translation.copy()
    boards, places = state.board_rotation.copy(), state.board_translation.copy()
    first, shift = turns[0], shifts[0]
    rig = model.rig(1)
    for c in range(len(lens)):
        found = np.asarray(model.camera(c + 1).params)
        lens[c, :2], lens[c, 2:4], lens[c, 4:8] = found[:2], found[2:4] - _HALF_PIXEL, found[4:]
        if c:
            pose = rig.sensor_from_rig(pycolmap.sensor_t(pycolmap.SensorType.CAMERA, c + 1))
            assert pose is not None
            turns[c] = pose.rotation.matrix() @ first
            shifts[c] = pose.rotation.matrix() @ shift + pose.translation
    for number, frame in model.frames.items():
        pose = frame.rig_from_world
        boards[number - 1] = first.T @ pose.rotation.matrix()
        places[number - 1] = first.T @ (pose.translation - shift)
    return replace(
        state,
        lens=lens,
        camera_rotation=turns,
        camera_translation=shifts,
        board_rotation=boards,
        board_translation=places,
    )


def _relative(state: State, camera: int) -> tuple[Floats, Floats]:
    """Rotation and translation of a camera from the first one."""
    turn = state.camera_rotation[camera] @ state.camera_rotation[0].T
    return turn, state.camera_translation[camera] - turn @ state.camera_translation[0]


def _rigid(rotation: Floats, translation: Floats) -> pycolmap.Rigid3d:
    import pycolmap

    return pycolmap.Rigid3d(pycolmap.Rotation3d(rotation), translation)
