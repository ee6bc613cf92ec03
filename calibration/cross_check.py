"""The same bundle adjustment by COLMAP's solver (Ceres, through pycolmap), to check ours against another's.

One rig, its first camera the reference; one frame per placement of the board, whose corners are points that stay where
they are. The solver is sparse Schur by force: left to itself COLMAP takes an iterative one above a thousand images,
which does not converge on such a rig. COLMAP counts pixels from the corner of the first one, half a pixel before ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from calibration.bundle import Problem, State
from calibration.pose import Floats

if TYPE_CHECKING:
    import pycolmap

_HALF_PIXEL = 0.5
_COEFFICIENTS = 4  # k1 k2 p1 p2 of OPENCV, and k1 k2 k3 k4 of OPENCV_FISHEYE


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
