"""The mesh as PLY: little-endian, normals, colours, and how many cameras measured each vertex."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.body.surface import Mesh
from capture.store import write_atomic

_VERTEX = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("nx", "<f4"), ("ny", "<f4"), ("nz", "<f4"),
           ("red", "u1"), ("green", "u1"), ("blue", "u1"), ("cameras", "u1")]  # fmt: skip
_KIND = {"<f4": "float", "u1": "uchar"}


def write_ply(path: Path, mesh: Mesh, *, colours: NDArray[np.uint8], cameras: NDArray[np.int16]) -> None:
    """Write a mesh in metres with colours (V, 3) sRGB, RGB, and a count of cameras (V,) for each vertex."""
    rows = np.zeros(len(mesh.vertices), dtype=_VERTEX)
    for k, name in enumerate("xyz"):
        rows[name], rows[f"n{name}"] = mesh.vertices[:, k], mesh.normals[:, k]
    for k, name in enumerate(("red", "green", "blue")):
        rows[name] = colours[:, k]
    rows["cameras"] = np.minimum(cameras, 255)
    faces = np.zeros(len(mesh.faces), dtype=[("count", "u1"), ("corner", "<i4", (3,))])
    faces["count"], faces["corner"] = 3, mesh.faces
    header = ["ply", "format binary_little_endian 1.0", "comment metres, z up", f"element vertex {len(rows)}"]
    header += [f"property {_KIND[kind]} {name}" for name, kind in _VERTEX]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header\n"]
    write_atomic(path, "\n".join(header).encode() + rows.tobytes() + faces.tobytes())


def read_ply(path: Path) -> tuple[Mesh, NDArray[np.uint8], NDArray[np.int16]]:
    """Read what `write_ply` wrote: mesh, colours (V, 3) RGB, cameras (V,). Raises ValueError for another file."""
    data = path.read_bytes()
    end = data.find(b"end_header\n")
    lines = data[: max(end, 0)].decode("ascii", "replace").splitlines()
    counts = [int(line.split()[2]) for line in lines if line.startswith("element ")]
    if end < 0 or len(counts) != 2 or f"property uchar {_VERTEX[-1][0]}" not in lines:
        raise ValueError(f"{path.name} is no mesh that this house wrote; make it again with --force")
    start = end + len(b"end_header\n")
    rows = np.frombuffer(data, dtype=_VERTEX, count=counts[0], offset=start)
    kind = np.dtype([("count", "u1"), ("corner", "<i4", (3,))])
    faces = np.frombuffer(data, dtype=kind, count=counts[1], offset=start + rows.nbytes)
    vertices = np.stack([rows[name] for name in "xyz"], axis=-1)
    colours = np.stack([rows[name] for name in ("red", "green", "blue")], axis=-1)
    mesh = Mesh(vertices.astype(np.float32), faces["corner"].astype(np.int32))
    return mesh, colours, rows["cameras"].astype(np.int16)
