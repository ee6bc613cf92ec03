"""Scans of other makers read as points: PLY, OBJ, STL, plain text and npz, and the unit of length they are in."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.pose import Floats
from capture.issues import Issue, issue

UNITS = {"m": 1.0, "mm": 0.001, "cm": 0.01, "in": 0.0254}  # metres
_TEXT = (".xyz", ".txt", ".pts", ".csv")
_MESH = (".ply", ".obj", ".stl")
_MAX_BYTES = 2 << 30
_MAX_POINTS = 20_000_000
_LEAST = 500  # points that can still show a body
_SMALLEST_M, _LARGEST_M = 0.12, 2.6  # longest side of a box around a head, and around a person with raised arms


@dataclass(frozen=True, eq=False)
class Scan:
    """Points of a surface in the scan's own unit and axes."""

    name: str
    points: Floats  # (N, 3)


def read_scan(path: Path) -> tuple[Scan | None, Issue | None]:
    """The points of a scan: a mesh's vertices, or a cloud. An issue where the file holds none.

    npz: an array `points` or `vertices` (N, 3), or the only array of the file; pickled content is not read.
    """
    name, ending = path.name, path.suffix.lower()
    if ending not in (*_TEXT, *_MESH, ".npz"):
        wanted = ", ".join((*_MESH, *_TEXT, ".npz"))
        return None, issue(
            "SCAN_UNREADABLE", where=name, expected=wanted, found=f"a file {ending or 'without an ending'}"
        )
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"{path.stat().st_size / 2**30:.1f} GiB, at most 2 are read")
        points = _points(path, ending)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as err:
        return None, issue("SCAN_UNREADABLE", where=name, expected="points", found=str(err).splitlines()[0][:200])
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) < _LEAST:
        return None, issue("SCAN_UNREADABLE", where=name, expected=f"{_LEAST} points or more", found=f"{len(points)}")
    return Scan(name, points), None


def _points(path: Path, ending: str) -> Floats:
    if ending == ".npz":
        return _table(_from_npz(path))
    if ending in _TEXT:
        with path.open(encoding="utf-8", errors="strict") as stream:
            rows = [line.replace(",", " ").replace(";", " ").split() for line in stream if line.strip()]
        rows = [row for row in rows if len(row) >= 3]  # .pts begins with a count
        # a heading of names is left out, anything else must be numbers
        if rows and not _is_number(rows[0][0]):
            rows = rows[1:]
        return _table(np.array([row[:3] for row in rows], dtype=np.float64).reshape(-1, 3))
    import open3d as o3d

    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        mesh = o3d.io.read_triangle_mesh(str(path))
        points = np.array(mesh.vertices, dtype=np.float64)
        if not len(points) and ending == ".ply":
            points = np.array(o3d.io.read_point_cloud(str(path)).points, dtype=np.float64)
    return _table(points)


def _from_npz(path: Path) -> Floats:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as data:
        name = next((n for n in ("points", "vertices") if n in data.files), data.files[0] if data.files else "")
        if not name:
            raise ValueError("no array in it")
        return np.asarray(data[name], dtype=np.float64)


def _table(points: Floats) -> Floats:
    if points.ndim != 2 or points.shape[1] != 3 or len(points) > _MAX_POINTS:
        raise ValueError(f"an array of {points.shape}; (N, 3) with at most {_MAX_POINTS} rows is read")
    return points


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def size_of(points: Floats) -> float:
    """How far apart points (N, 3) lie at most, roughly: the longest side of the box along their own axes, trimmed."""
    middle = points - np.median(points, axis=0)
    axes = np.linalg.eigh(middle.T @ middle)[1]
    low, high = np.percentile(middle @ axes, [0.2, 99.8], axis=0)
    return float((high - low).max())


def plausible_units(points: Floats) -> list[str]:
    """The units in which points (N, 3) are as large as a part of a person or a whole one, likeliest first.

    Millimetres, metres, centimetres, inches: the order in which scanners write them.
    """
    size = size_of(points)
    return [u for u in ("mm", "m", "cm", "in") if _SMALLEST_M <= size * UNITS[u] <= _LARGEST_M]
