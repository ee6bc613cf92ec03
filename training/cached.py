"""What the loop reads at every step, prepared once and kept on disk: latents, conditions and weights of every picture.

A cached file is named by the content it was made from (bytes of the picture, what was painted over, caption, view,
light) and by everything that made it (every file of the base, the code that encodes), so that a stale one cannot be
found. It lies in the session's `derived/latents/`, and goes when the session or the person goes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from capture.images import decode_image
from capture.issues import JsonValue
from capture.store import sha256_file, sha256_text, write_atomic
from training.bases.protocol import Base, Condition
from training.dataset.frames import Frame, Split, TwinDataset
from training.losses import WeightMaps
from training.prior import without_trigger
from training.regions import RegionWeights, check_private, painted_over, private_spots, weight_maps

ROOM = "latents"
_ENCODING = 2  # raise it when what is done to a picture or a caption before it is encoded changes
_AREA_TOLERANCE = 0.3  # of the base's own number of pixels; far from it the base was never trained


@dataclass(frozen=True)
class Bucket:
    """Pictures of one size, in the order of the data set: N of them."""

    keys: tuple[str, ...]
    latents: Tensor  # (N, C, h, w)
    condition: Condition
    prior: Condition  # the same without the trigger: any person
    maps: WeightMaps

    def __len__(self) -> int:
        return len(self.latents)


@dataclass(frozen=True)
class Cached:
    """The training pictures, by size."""

    buckets: tuple[Bucket, ...]
    hits: int = 0  # files of the cache that were used
    made: int = 0  # files of the cache that were written

    def __len__(self) -> int:
        return sum(len(b) for b in self.buckets)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Pictures in each bucket."""
        return tuple(len(b) for b in self.buckets)


@dataclass(frozen=True)
class Wanted:
    """What decides the prepared pictures beside data set and base."""

    regions: RegionWeights = RegionWeights()
    private: tuple[str, ...] = ()  # ids of marks that the consent keeps out


class TensorCache:
    """Named tensors on disk under a key of what made them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hits = self.made = 0

    def get(self, key: str) -> dict[str, Tensor] | None:
        """The tensors of a key; None where there are none, or the file is cut short, foreign or altered."""
        path = self.path(key)
        try:
            with safe_open(path, "pt") as stream:
                about = stream.metadata() or {}
                # Sorted, because a safetensors file keeps an order of its own.
                tensors = {name: stream.get_tensor(name) for name in sorted(stream.keys())}
        except (SafetensorError, OSError, ValueError):
            return None
        if about.get("key") != key or about.get("sha256") != _digest(tensors):
            return None
        self.hits += 1
        return tensors

    def put(self, key: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Write tensors under a key, atomically; returns them on the CPU."""
        plain = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
        write_atomic(self.path(key), save(plain, metadata={"key": key, "sha256": _digest(plain)}))
        self.made += 1
        return plain

    def path(self, key: str) -> Path:
        """The file of a key."""
        return self.folder / f"{key[:40]}.safetensors"


def base_digest(folder: Path, base: Base) -> str:
    """SHA-256 over all of a base: its weights, and the small files beside them (scales, tokenisers)."""
    beside = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".safetensors")
    return sha256_text("|".join([base.spec.digest, *(f"{p.relative_to(folder)}:{sha256_file(p)}" for p in beside)]))


def prepare(dataset: TwinDataset, base: Base, *, digest: str, cache: Path, wanted: Wanted = Wanted()) -> Cached:  # noqa: B008
    """Encode the training pictures, or take them from the cache. `digest` is `base_digest` of the base's folder.

    Raises ValueError when there are none or they do not suit the base, and ConsentRefused for a private mark without a
    place. Pictures are never mirrored: a mark on her left would be learned on her right.
    """
    frames = dataset.of(Split.TRAIN)
    if not frames:
        raise ValueError("data set has no training pictures; hold back fewer cameras and lights")
    check_private(dataset, wanted.private)
    files = TensorCache(cache)
    trigger = str(dataset.artefact.settings.get("trigger", ""))
    groups: dict[tuple[int, ...], list[tuple[Frame, Tensor]]] = {}
    for frame in frames:
        latents = _latents(dataset, frame, base, files, digest, wanted.private)
        groups.setdefault(tuple(latents.shape[1:]), []).append((frame, latents))
    buckets = []
    for _, members in sorted(groups.items()):
        own = [_condition(dataset, f, f.text, base, files, digest) for f, _ in members]
        prior = [_condition(dataset, f, without_trigger(f.text, trigger), base, files, digest) for f, _ in members]
        maps = [
            weight_maps(dataset, f, wanted.regions, stride=base.spec.latent_stride, private=wanted.private)
            for f, _ in members
        ]
        device = _device(base)
        joined = WeightMaps(*(torch.cat([getattr(m, f.name) for m in maps]).to(device) for f in fields(WeightMaps)))
        latents = torch.cat([x for _, x in members]).to(device)
        keys = tuple(f.key for f, _ in members)
        buckets.append(Bucket(keys, latents, joined_conditions(own, device), joined_conditions(prior, device), joined))
    return Cached(tuple(buckets), files.hits, files.made)


def as_tensor(pictures: NDArray[np.uint8]) -> Tensor:
    """Pictures (N, H, W, 3) BGR as the bases take them: (N, 3, H, W) RGB in [-1, 1]."""
    return torch.from_numpy(pictures[..., ::-1].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1


def joined_conditions(parts: Sequence[Condition], device: torch.device) -> Condition:
    """Conditions one after the other, every tensor of them along its rows."""
    rows = [tensors_of(part) for part in parts]
    return Condition(**{name: torch.cat([row[name] for row in rows]).to(device) for name in rows[0]})


def tensors_of(condition: Condition) -> dict[str, Tensor]:
    """The tensors of a condition by name; what a base leaves empty is left out."""
    named = ((f.name, getattr(condition, f.name)) for f in fields(condition))
    return {name: value for name, value in named if isinstance(value, Tensor)}


def _latents(
    dataset: TwinDataset, frame: Frame, base: Base, files: TensorCache, digest: str, private: Sequence[str]
) -> Tensor:
    """Latents (1, C, h, w). Each picture is encoded by itself: a batch would make them depend on what was cached."""
    data = dataset.picture(frame).read_bytes()
    spots = private_spots(frame, private)
    painted: JsonValue = [[s.u, s.v, s.radius_px] for s in spots]
    key = _key("latents", digest, {"picture": sha256(data).hexdigest(), "painted": painted})
    found = files.get(key)
    if found is None:
        picture = decode_image(data)
        _check_size(picture.shape[1], picture.shape[0], base)
        found = files.put(key, {"latents": base.encode_images(as_tensor(painted_over(picture, spots)[None]))})
    return found["latents"]


def _condition(dataset: TwinDataset, frame: Frame, text: str, base: Base, files: TensorCache, digest: str) -> Condition:
    view, light = frame.view.__dict__, frame.lighting.__dict__
    drawn = dataset.body_map(frame).read_bytes()
    content: dict[str, JsonValue] = {"text": text, "view": dict(view), "light": dict(light)}
    key = _key("condition", digest, {**content, "map": sha256(drawn).hexdigest()})
    found = files.get(key)
    if found is None:
        body_map = as_tensor(decode_image(drawn)[None])
        found = files.put(key, tensors_of(base.encode_conditions([text], [(frame.view, frame.lighting)], body_map)))
    return Condition(**found)


def _check_size(width: int, height: int, base: Base) -> None:
    spec, step = base.spec, base.spec.latent_stride * base.spec.patch
    if width % step or height % step or abs(width * height / spec.pixels**2 - 1) > _AREA_TOLERANCE:
        raise ValueError(
            f"data set has pictures of {width} x {height} px, the base wants about {spec.pixels} squared in steps of "
            f"{step}; set dataset.pixels"
        )


def _key(what: str, digest: str, content: dict[str, JsonValue]) -> str:
    return sha256_text(json.dumps([what, _ENCODING, digest, content], sort_keys=True))


def _digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, shapes, kinds and bytes."""
    digest = sha256()
    for name in sorted(tensors):
        value = tensors[name].contiguous()
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        digest.update(value.view(torch.uint8).numpy().tobytes() if value.ndim else bytes(value.view(1).numpy()))
    return digest.hexdigest()


def _device(base: Base) -> torch.device:
    return next(base.denoiser.parameters()).device
