"""Marks on her surface: what the size of a mark hides of its depth comes back; and a whole take against its truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("open3d", reason="Open3D is not installed")

from calibration.body.surface import BodySurface, Mesh  # noqa: E402
from calibration.camera import Camera  # noqa: E402
from calibration.mark_points import Candidate, group  # noqa: E402
from calibration.mark_surface import MarkSurface  # noqa: E402
from calibration.mark_views import see_take  # noqa: E402
from calibration.pose import Pose  # noqa: E402
from calibration.rig import RigCalibration  # noqa: E402
from capture.ingest import ingest  # noqa: E402
from capture.stage.shoot import ShootPlan, write_shoot  # noqa: E402
from capture.vault import Vault  # noqa: E402

LIMB_M = 0.05


def limb(radius: float) -> BodySurface:
    """An upright cylinder, 0.6 m high, as a mesh of 360 x 60 places."""
    turn, height = (a.ravel() for a in np.meshgrid(np.radians(np.arange(360)), np.linspace(1.0, 1.6, 60)))
    vertices = np.stack([radius * np.cos(turn), radius * np.sin(turn), height], axis=1)
    row, column = (a.ravel() for a in np.mgrid[0:59, 0:360])
    a, b, c, d = (
        360 * row + column, 360 * row + (column + 1) % 360, 360 * (row + 1) + (column + 1) % 360,
        360 * (row + 1) + column,
    )  # fmt: skip
    faces = np.concatenate([np.stack([a, b, c], axis=1), np.stack([a, c, d], axis=1)])
    return BodySurface(Mesh(vertices.astype(np.float32), faces.astype(np.int32)))


def patch_on_limb(diameter: float) -> Candidate:
    """A round patch around (0.05, 0, 1.3), where rays through the middle of its outline meet."""
    rng = np.random.default_rng(0)
    flat = rng.uniform(-diameter / 2, diameter / 2, (40000, 2))
    flat = flat[np.hypot(*flat.T) < diameter / 2]
    x = LIMB_M * np.cos(flat[:, 0] / LIMB_M)
    return Candidate(np.array([x.mean(), 0, 1.3]), np.array([1.0, 0, 0]), (), 0.3, 1000 * diameter, 10.0, np.zeros(3))


@pytest.mark.parametrize("off_m", [0.0, 0.002, -0.003])
def test_a_large_mark_comes_up_to_the_skin_wherever_the_mesh_lies(off_m: float) -> None:
    surface = MarkSurface("take1", limb(LIMB_M + off_m))
    large, small = patch_on_limb(0.04), patch_on_limb(0.005)
    hidden = 1000 * (LIMB_M - large.position[0])
    left = 1000 * abs(LIMB_M - surface.raised(large).position[0])
    assert 0.9 < hidden < 1.2
    assert left < 0.15 * hidden
    assert np.linalg.norm(surface.raised(small).position - small.position) < 3e-5
    assert surface.raised(large).normal @ [1, 0, 0] > 0.999


def test_a_mark_far_from_the_mesh_stays_where_it_is() -> None:
    surface = MarkSurface("take1", limb(LIMB_M - 0.02))
    mark = patch_on_limb(0.03)
    assert surface.raised(mark) is mark
    assert surface.away_mm([np.array([0.04, 0.0, 1.3])])[0] == pytest.approx(10, abs=0.1)
    assert len(surface.away_mm([])) == 0


@pytest.mark.slow
def test_marks_of_a_take_against_their_truth(tmp_path: Path) -> None:
    plan = ShootPlan(
        person_seed=6, seed=6, cameras=18, lights=3, takes=1, image_size=1280, board_shots=0, chart=False, ball=False
    )
    truth = write_shoot(tmp_path / "card", plan)
    validated, _ = ingest(tmp_path / "card", Vault(tmp_path / "vault"))
    cameras = tuple(
        Camera(c.id, c.width, c.height, c.fx, c.fy, c.cx, c.cy, np.array(c.distortion), Pose.from_matrix(c.pose))
        for c in truth.cameras
    )
    take = validated.session.take[0]
    views, _ = see_take(validated, RigCalibration(cameras, {}, 0.0, {}, "stage"), take, with_proposals=True)
    scene = truth.scene(take.id)
    marks = {name: place[0] for name, place in scene.mark_positions_world().items()}
    size_mm = {mark.id: 1000 * mark.diameter_m for mark in truth.person.marks}
    names, places = list(marks), np.stack(list(marks.values()))
    mesh = Mesh(np.array(scene.vertices, dtype=np.float32), np.array(scene.faces, dtype=np.int32))
    surface = MarkSurface(take.id, BodySurface(mesh))
    rays_mm, skin_mm, right, wrong, found = [], [], 0, 0, set()
    candidates = group(views)
    for candidate in candidates:
        away = 1000 * np.linalg.norm(places - candidate.position, axis=1)
        name = names[int(away.argmin())]
        if away.min() > max(6.0, size_mm[name] / 3):
            continue  # what a person strikes out
        found.add(name)
        rays_mm.append(away.min())
        skin_mm.append(1000 * np.linalg.norm(surface.raised(candidate).position - marks[name]))
        for sighting in candidate.sightings:
            uv, depth = sighting.camera.project(marks[name][None])
            near = max(3.0, size_mm[name] / 1000 / depth[0] * sighting.camera.fx / 3)
            fits = np.hypot(sighting.blob.u - uv[0, 0], sighting.blob.v - uv[0, 1]) < near
            right, wrong = right + fits, wrong + (not fits)
    print(f"\n{len(found)} marks: {np.median(rays_mm):.2f} mm by rays, {np.median(skin_mm):.2f} on the skin, "
          f"{right} of {right + wrong} sightings theirs")  # fmt: skip
    assert len(found) >= 12
    assert np.median(rays_mm) < 1.1
    assert np.median(skin_mm) < 0.8
    assert right >= 0.97 * (right + wrong)
    for name in found:  # nothing was matched to the same place on her other side
        mirrored = marks[name] * [1, -1, 1]
        assert not any(
            np.linalg.norm(c.position - mirrored) < 0.006 and np.linalg.norm(places - c.position, axis=1).min() > 0.006
            for c in candidates
        )
