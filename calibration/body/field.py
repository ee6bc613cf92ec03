"""From signed distances in sparse blocks of voxels to a mesh, by Open3D's voxel block grid; and its clean-up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.body.hull import SIDE, Blocks
from calibration.body.surface import Mesh
from calibration.body.view import F32, Bool

_SPECK = 0.02  # share of the largest part's area below which a part of the mesh is dust


def mesh_of(blocks: Blocks, outside: F32, valid: Bool) -> Mesh:
    """The surface where `outside` (B * SIDE**3,), a distance positive outside her, passes zero between valid voxels.

    Marching cubes across blocks; distances may be cut off, but must be finite.
    """
    import open3d as o3d

    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    if not len(outside) or outside.min() >= 0 or outside.max() <= 0:
        return empty  # Open3D raises where there is nothing to extract
    device = o3d.core.Device("CPU:0")
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight"), (o3d.core.float32, o3d.core.float32), ((1,), (1,)), blocks.voxel_m, SIDE,
        len(blocks.index), device,
    )  # fmt: skip
    places, _ = grid.hashmap().activate(o3d.core.Tensor(np.ascontiguousarray(blocks.index)))
    order = places.numpy().astype(np.int64)
    shape = (-1, SIDE**3)
    for name, values in (("tsdf", outside), ("weight", valid.astype(np.float32))):
        whole = np.zeros((grid.attribute(name).shape[0], SIDE**3), dtype=np.float32)
        whole[order] = values.reshape(shape)
        grid.attribute(name)[:] = o3d.core.Tensor(whole.reshape(-1, SIDE, SIDE, SIDE, 1))
    found = grid.extract_triangle_mesh(weight_threshold=0.5)
    if "positions" not in found.vertex or not len(found.vertex["positions"]):
        return empty
    return Mesh(found.vertex["positions"].numpy(), found.triangle["indices"].numpy().astype(np.int32))


@dataclass(frozen=True)
class Cleaned:
    """What a clean-up took away."""

    parts: int  # found before


def clean(mesh: Mesh) -> tuple[Mesh, Cleaned]:
    """The mesh without doubled vertices, faces without area and loose parts; what remains is the largest part."""
    raw = mesh.to_open3d()
    raw.merge_close_vertices(1e-7)
    raw.remove_degenerate_triangles()
    raw.remove_duplicated_triangles()
    whole = Mesh.from_open3d(raw)
    if not len(whole.faces):
        return whole, Cleaned(0)
    labels = np.asarray(raw.cluster_connected_triangles()[0])
    areas = np.bincount(labels, whole.areas)
    kept, _ = whole.part(np.asarray(labels == areas.argmax()))
    return kept, Cleaned(int((areas > _SPECK * areas.max()).sum()))


def smooth(mesh: Mesh, rounds: int) -> Mesh:
    """The mesh after rounds of Taubin's filter, which takes off the stairs of the voxels and does not shrink it."""
    if rounds <= 0 or not len(mesh.faces):
        return mesh
    return Mesh.from_open3d(mesh.to_open3d().filter_smooth_taubin(number_of_iterations=rounds))


def poisson(mesh: Mesh, *, depth: int = 9) -> Mesh:
    """A closed surface through the vertices of a mesh and along their normals, without its holes.

    Kazhdan and Hoppe, "Screened Poisson surface reconstruction", 2013.
    """
    import open3d as o3d

    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(mesh.vertices.astype(np.float64)))
    cloud.normals = o3d.utility.Vector3dVector(mesh.normals.astype(np.float64))
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        made, _ = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(cloud, depth=depth, n_threads=2)
    return clean(Mesh.from_open3d(made))[0]
