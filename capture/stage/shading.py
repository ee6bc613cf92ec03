"""Light on a scene: the diffuse light baked per texel, with relief and scatter, and the highlight per vertex.

What does not depend on the camera is computed once per scene and light and kept in the scene.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.stage.body import ATLAS
from capture.stage.lens import StageCamera, StageLight
from capture.stage.scene import Scene
from capture.stage.shadow import ShadowMap, depth_from
from capture.stage.surface import spread_to_patch

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_SHADOW_SIZE = 1024
_BAKE_STEP = 2  # texels of the atlas per texel of the light bake
_HIGHLIGHT, _SHININESS = 0.05, 18.0
_GRAZING = 5.0  # how much stronger the highlight of skin is along the surface than straight on, less one
# Two sheens of hair across the strands: the first of the light's colour, the second broad and weaker.
_SHEENS = ((0.034, 70.0, -0.10), (0.012, 16.0, 0.14))
# Light that has been under skin comes out red where little falls on it.
_SPREAD = (0.26, 0.02, -0.05)


def shadow_map(scene: Scene, light: StageLight) -> ShadowMap:
    """What the light sees of the person, 1024 x 1024."""
    key = ("shadow", light.azimuth_deg, light.elevation_deg)
    found = scene.cache.get(key)
    if isinstance(found, ShadowMap):
        return found
    result = depth_from(scene.vertices.astype(np.float64), scene.faces, light.direction, _SHADOW_SIZE)
    scene.cache[key] = result
    return result


def floor_shadow(scene: Scene, light: StageLight) -> tuple[F32, F64]:
    """The person's shadow on the floor as the light maps it: lit share (S, S), and `floor_pixels` of that map."""
    key = ("floor", light.azimuth_deg, light.elevation_deg)
    found = scene.cache.get(key)
    if isinstance(found, tuple):
        return found
    shadows = shadow_map(scene, light)
    result = (shadows.floor_lit(0.004), shadows.floor_pixels())
    scene.cache[key] = result
    return result


def _bake(scene: Scene, light: StageLight, shadows: ShadowMap | None) -> tuple[list[F32], F32]:
    """Five planes on the atlas and the lit share (V,) of each vertex.

    The planes: cosine of the light, its component along columns and rows of the surface, the share of it that arrives,
    and the light from all sides.
    """
    size = ATLAS // _BAKE_STEP
    planes = np.zeros((size, size, 5), dtype=np.float32)
    shares = []
    for tube, grid, normal, opening in zip(
        scene.tubes, scene.grids, scene.shading_normals, scene.openings, strict=True
    ):
        columns, rows = _tangents(grid)
        cosine = normal @ light.direction
        # A little deeper than geometry alone: the walls of a studio give less than its ceiling.
        sky = opening**1.3 * (1 + 0.18 * normal[..., 2])  # a studio's ceiling is brighter than its floor
        raised = grid + 0.006 * normal
        fields = [cosine, columns @ light.direction, rows @ light.direction, np.ones_like(cosine), sky]
        x0, y0, width, height = (value // _BAKE_STEP for value in tube.patch)
        part = planes[y0 : y0 + height, x0 : x0 + width]
        part[..., :3] = spread_to_patch(np.stack(fields[:3], axis=-1), tube, _BAKE_STEP)
        part[..., 3:] = spread_to_patch(np.stack(fields[3:], axis=-1), tube, _BAKE_STEP)
        share = np.ones(cosine.shape, dtype=np.float32)
        if shadows is not None:
            share = shadows.lookup(raised.astype(np.float32), 0.004)
            part[..., 3] = shadows.soft(spread_to_patch(raised, tube, _BAKE_STEP), 0.004)
        shares.append((share * (cosine > 0)).ravel())
    whole = [cv2.resize(plane, (ATLAS, ATLAS), interpolation=cv2.INTER_LINEAR) for plane in cv2.split(planes)]
    return [np.asarray(plane, dtype=np.float32) for plane in whole], np.concatenate(shares)


def _tangents(grid: F64) -> tuple[F64, F64]:
    """Unit vectors (R, C, 3) along the columns (to the right on the atlas) and the rows (down) of a grid."""
    ring = np.concatenate([grid[:, -2:-1], grid, grid[:, 1:2]], axis=1)
    out = [ring[:, 2:] - ring[:, :-2], np.gradient(grid, axis=0)]
    unit = [vector / np.maximum(np.linalg.norm(vector, axis=2, keepdims=True), 1e-9) for vector in out]
    return unit[0], unit[1]


def lit_texture(scene: Scene, light: StageLight, shadow: bool) -> tuple[F32, F32]:
    """Radiance texture (T, T, 3) linear RGB of the diffuse light, and the lit share (V,) of each vertex."""
    key = ("lit", light, shadow)
    found = scene.cache.get(key)
    if isinstance(found, tuple):
        return found
    coat = scene.paint
    planes, vertex_share = _bake(scene, light, shadow_map(scene, light) if shadow else None)
    cosine, columns, rows, share, sky = planes
    cosine -= cv2.multiply(columns, coat.slopes[0])
    cosine -= cv2.multiply(rows, coat.slopes[1])
    direct = cv2.multiply(cv2.max(cosine, 0.0), share)
    spread = cv2.multiply(cv2.multiply(direct, coat.scatter), cv2.subtract(1.0, direct))
    channels = []
    for albedo, colour, more in zip(cv2.split(coat.albedo), light.colour, _SPREAD, strict=True):
        reached = cv2.addWeighted(direct, light.intensity, sky, light.ambient, 0.0)
        reached = cv2.addWeighted(reached, 1.0, spread, more * light.intensity, 0.0)
        channels.append(cv2.multiply(reached, albedo, scale=colour))
    texture = np.asarray(cv2.merge(channels), dtype=np.float32)
    # No patch begins in the corner: samples off the body read it, and the border beside it, as black.
    texture[0, 0] = 0
    result = (texture, vertex_share)
    scene.cache[key] = result
    return result


def highlights(scene: Scene, camera: StageCamera, light: StageLight, share: F32) -> F32:
    """(V,) strength of the highlight before the light's colour: Blinn-Phong on skin, Kajiya-Kay (1989) on hair."""
    view = camera.position.astype(np.float32) - scene.vertices
    view /= np.linalg.norm(view, axis=1, keepdims=True)
    half = view + light.direction.astype(np.float32)
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    coat = scene.paint
    cosine = np.clip(np.einsum("ij,ij->i", scene.normals, half), 0, 1)
    grazing = 1 + np.float32(_GRAZING) * (1 - np.clip(np.einsum("ij,ij->i", view, half), 0, 1)) ** 3
    shine = np.float32(_HIGHLIGHT) * coat.gloss * grazing * cosine**_SHININESS
    hair = np.flatnonzero(coat.fibre > 0)
    slant = np.einsum("ij,ij->i", scene.strands[hair], half[hair])
    sheen = np.zeros(len(hair), dtype=np.float32)
    for strength, power, shift in _SHEENS:
        sheen += np.float32(strength) * np.clip(1 - np.square(slant + np.float32(shift)), 0, 1) ** power
    sheen *= scene.open_sky[hair] ** 2
    shine[hair] += coat.fibre[hair] * (sheen - shine[hair])
    return np.asarray(light.intensity * share * shine, dtype=np.float32)
