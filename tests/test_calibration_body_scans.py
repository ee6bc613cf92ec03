"""Scans of other makers: read, their unit told, laid onto her mesh; another person and another size are refused."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

pytest.importorskip("open3d", reason="the body room needs the extra `body`")

from calibration.body.register import register
from calibration.body.scans import Scan, plausible_units, read_scan
from calibration.body.surface import Mesh
from calibration.pose import Pose
from capture.stage.person import make_person
from capture.stage.scene import Scene
from capture.stage.shoot import plan_takes

TURN = Pose.from_rotvec((1.1, -2.0, 0.7), (0.4, -0.2, 0.9))
HALF_UP = 0.85  # metres: the scan ends at her hips


@lru_cache(maxsize=4)
def person(seed: int) -> Mesh:
    """The true surface of a person of the stage, standing."""
    take = plan_takes(1)[0]
    scene = Scene(make_person(seed), take.stance, take.outfit, take.backdrop)
    return Mesh(np.array(scene.vertices), np.array(scene.faces))


def points_of(mesh: Mesh, *, noise_m: float = 0.001, count: int = 20_000) -> NDArray[np.float64]:
    """Noisy points (N, 3) spread evenly over the upper half of a surface, metres."""
    rng = np.random.default_rng(5)
    areas = mesh.areas.astype(np.float64)
    face = mesh.faces[rng.choice(len(mesh.faces), count, p=areas / areas.sum())]
    spread = np.einsum("nk,nkc->nc", rng.dirichlet((1, 1, 1), count), mesh.vertices[face])
    points = np.asarray(spread + rng.normal(0, noise_m, spread.shape), dtype=np.float64)
    return points[points[:, 2] > HALF_UP]


def test_a_scan_in_millimetres_and_any_pose_is_laid_onto_her() -> None:
    true = points_of(person(1))
    scan = Scan("scan.ply", TURN.apply(true) * 1000)
    found, trouble = register(scan, person(1))
    assert trouble is None
    assert found is not None
    assert found.unit == "mm"
    away = np.linalg.norm(found.apply(scan.points) - true, axis=1)
    assert 1e3 * away.mean() < 2  # under 0.5 in fact
    assert (found.pose @ TURN).angle_deg < 0.5
    assert found.overlap > 0.95
    assert abs(found.scale - 1) < 0.005
    assert found.to_json()["unit"] == "mm"


@pytest.mark.parametrize("seed", [2, 4])
def test_another_person_is_refused(seed: int) -> None:
    found, trouble = register(Scan("other.ply", TURN.apply(points_of(person(seed))) * 1000), person(1))
    assert found is None
    assert trouble is not None
    assert trouble.code in ("SCAN_NOT_HER", "SCAN_SCALE_WRONG")
    assert " mm off" in trouble.found


def test_an_uncommon_size_is_refused() -> None:
    true = points_of(person(1))
    found, trouble = register(Scan("odd.ply", TURN.apply(true) * 1100), person(1))
    assert found is None
    assert trouble is not None
    assert trouble.code == "SCAN_SCALE_WRONG"
    assert "fits at 0.9" in trouble.found
    found, trouble = register(Scan("giant.ply", true * 4), person(1))
    assert found is None
    assert trouble is not None
    assert trouble.code == "SCAN_SCALE_UNKNOWN"
    assert "units from end to end" in trouble.found


@pytest.mark.slow
@pytest.mark.parametrize(("unit", "length"), [("m", 1.0), ("cm", 0.01), ("in", 0.0254)])
def test_other_units_are_told(unit: str, length: float) -> None:
    found, _ = register(Scan("scan.ply", TURN.apply(points_of(person(1))) / length), person(1))
    assert found is not None
    assert found.unit == unit


def test_units_by_size() -> None:
    true = points_of(person(1))
    assert plausible_units(true * 1000) == ["mm"]
    assert plausible_units(true) == ["m"]
    assert "cm" in plausible_units(true * 100)
    assert "in" in plausible_units(true / 0.0254)
    assert plausible_units(true * 4) == []


def test_every_form_of_file_is_read(tmp_path: Path) -> None:
    import open3d as o3d

    mesh = person(1)
    points = mesh.vertices.astype(np.float64)
    o3d.io.write_triangle_mesh(str(tmp_path / "mesh.ply"), mesh.to_open3d())
    o3d.io.write_triangle_mesh(str(tmp_path / "mesh.obj"), mesh.to_open3d(), write_vertex_normals=False)
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(points))
    o3d.io.write_point_cloud(str(tmp_path / "cloud.ply"), cloud)
    np.savetxt(tmp_path / "cloud.xyz", points, fmt="%.6f")
    np.savetxt(tmp_path / "cloud.csv", points, fmt="%.6f", delimiter=",", header="x,y,z", comments="")
    (tmp_path / "cloud.pts").write_text(f"{len(points)}\n" + (tmp_path / "cloud.xyz").read_text())
    np.savez(tmp_path / "cloud.npz", points=points)
    for name in ("mesh.ply", "mesh.obj", "cloud.ply", "cloud.xyz", "cloud.csv", "cloud.pts", "cloud.npz"):
        scan, trouble = read_scan(tmp_path / name)
        assert trouble is None, name
        assert scan is not None
        # an OBJ may come back in another order, and without doubles
        assert cKDTree(scan.points).query(points)[0].max() < 1e-5, name


def test_what_is_no_scan_is_said(tmp_path: Path) -> None:
    (tmp_path / "scan.fbx").write_bytes(b"x")
    (tmp_path / "empty.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 0\nend_header\n")
    (tmp_path / "words.xyz").write_text("a b c\nno point at all\n" * 9)
    (tmp_path / "few.xyz").write_text("1 2 3\n4 5 6\n")
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 cut")
    np.savez(tmp_path / "objects.npz", points=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "flat.npz", points=np.zeros((700, 2)))
    said = {}
    for path in (*sorted(tmp_path.iterdir()), tmp_path / "gone.ply"):
        scan, trouble = read_scan(path)
        assert scan is None, path.name
        assert trouble is not None
        assert (trouble.code, trouble.where) == ("SCAN_UNREADABLE", path.name)
        said[path.name] = trouble.found
    assert said["few.xyz"] == "2"
    assert said["scan.fbx"] == "a file .fbx"
    assert "(700, 2)" in said["flat.npz"]
    assert "allow_pickle=False" in said["objects.npz"]
