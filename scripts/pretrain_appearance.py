"""Train the embedded appearance base on simulated people, none of whom is ever used for a demo or a judgement.

    python -m scripts.pretrain_appearance draw WORK --people 1500      pictures, captions and views of new people
    python -m scripts.pretrain_appearance vae WORK                     the autoencoder, and every picture through it
    python -m scripts.pretrain_appearance base WORK --minutes 50       text, view and light encoders, transformer
    python -m scripts.pretrain_appearance export WORK                  half-precision pipeline folder with its card

Each stage resumes from what WORK holds. WORK is scratch; only what `export` writes belongs to the repository.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import string
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from capture.issues import JsonObject
from capture.store import write_atomic
from training.dataset.body_map import CODE
from training.dataset.framing import BUST_BELOW_CROWN_M

if TYPE_CHECKING:
    from calibration.camera import Camera
    from capture.stage.lens import StageLight
    from capture.stage.person import Person
    from capture.stage.scene import Scene
    from training.dataset.body_map import BodyField

FIRST_SEED = 10_000  # people below this seed belong to demos, tests and judgements
VIEWS_PER_PERSON = 12
VIEWS_PER_LIGHT = 3
PIXELS = 128
CLOSE_UPS = 0.4  # share of the views
_OUTLINE_PX = 288  # side of the simulated outlines that the body map is made from
VAE_PICTURES = 2000
MAX_MARKS = 20
MARKS_KEPT = 0.5
app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)


@dataclass(frozen=True)
class Shard:
    """Pictures of a few people."""

    pictures: NDArray[np.uint8]  # (N, P, P, 3) RGB
    maps: NDArray[np.uint8]  # (N, P, P, 3) RGB, the control image
    vectors: NDArray[np.float32]  # (N, VIEW_LIGHT_SIZE)
    captions: NDArray[np.str_]  # (N,)
    marks: NDArray[np.float32]  # (N, MAX_MARKS, 3) u, v, radius in pixels; radius 0 = none


def _draw_person(seed: int) -> Shard:
    from capture.stage.backdrop import BACKDROPS
    from capture.stage.outfit import OUTFITS
    from capture.stage.person import make_person
    from capture.stage.scene import Limb, Scene, Stance
    from training.dataset.conditions import VIEW_LIGHT_SIZE

    rng = np.random.default_rng(seed)
    person = _fewer_marks(make_person(seed), rng)
    pictures, maps = (np.empty((VIEWS_PER_PERSON, PIXELS, PIXELS, 3), np.uint8) for _ in range(2))
    vectors = np.empty((VIEWS_PER_PERSON, VIEW_LIGHT_SIZE), np.float32)
    marks = np.zeros((VIEWS_PER_PERSON, MAX_MARKS, 3), np.float32)
    captions: list[str] = []
    outfit, backdrop = str(rng.choice(sorted(OUTFITS))), str(rng.choice(sorted(BACKDROPS)))
    arms = [Limb(*rng.normal((0.0, 12.0, 8.0), (6.0, 4.0, 5.0))) for _ in range(2)]
    stance = Stance(facing_deg=float(rng.uniform(-60, 60)), arm_left=arms[0], arm_right=arms[1])
    scene = Scene(person, stance, outfit=outfit, backdrop=backdrop)
    field, arc = _field(scene, rng)
    for k in range(VIEWS_PER_PERSON):
        if k % VIEWS_PER_LIGHT == 0:
            light = _random_light(rng)
        around = float(rng.uniform(-0.5, 0.5) * arc)
        pictures[k], maps[k], vectors[k], text, found = _draw_view(scene, light, field, around, rng)
        captions.append(text)
        marks[k, : len(found)] = np.reshape(found[:MAX_MARKS], (-1, 3))
    return Shard(pictures, maps, vectors, np.array(captions), marks)


def _field(scene: Scene, rng: np.random.Generator) -> tuple[BodyField, float]:
    """Her body field as a rig of a dozen cameras would see her outlines, and the arc in degrees that it spans.

    Made as the data set makes it, so that the base meets the same defects of a hull.
    """
    from calibration.camera import Camera
    from calibration.pose import Pose
    from capture.stage.render import render_mask
    from capture.stage.rig import make_rig
    from training.dataset.body_map import body_field

    arc = float(rng.choice([100.0, 140.0, 360.0]))
    stages = make_rig(int(rng.integers(9, 15)), seed=int(rng.integers(2**31)), image_size=_OUTLINE_PX, arc_deg=arc)
    cameras = []
    for stage in stages:
        pose = Pose(stage.pose[:3, :3], stage.pose[:3, 3])
        lens = np.array(stage.distortion)
        cameras.append(Camera(stage.id, stage.width, stage.height, stage.fx, stage.fy, stage.cx, stage.cy, lens, pose))
    masks = {c.id: render_mask(scene, stage) for c, stage in zip(cameras, stages, strict=True)}
    top = standing_aim(scene.vertices) + (0, 0, BUST_BELOW_CROWN_M) + rng.normal(0, 0.002, 3)
    return body_field(cameras, masks, crown=top, facing_deg=scene.stance.facing_deg), arc


def _fewer_marks(person: Person, rng: np.random.Generator) -> Person:
    """That person with each mark kept at a chance of 0 to MARKS_KEPT, the same for all of them.

    The stage gives everybody many large marks, to have something to judge. A base that learned that would draw a
    stranger's marks on everyone, and some would fall by chance where hers are; photographs of people show far fewer.
    """
    chance = rng.uniform(0, MARKS_KEPT)
    return dataclasses.replace(person, marks=tuple(mark for mark in person.marks if rng.random() < chance))


def _random_light(rng: np.random.Generator) -> StageLight:
    from capture.stage.lens import StageLight

    red, green, blue = rng.uniform(0.88, 1.0, 3).tolist()
    power, ambient = float(rng.uniform(0.55, 1.0)), float(rng.uniform(0.15, 0.45))
    azimuth, elevation = float(rng.uniform(-180, 180)), float(rng.uniform(10, 65))
    return StageLight("key", azimuth, elevation, (red, green, blue), power, ambient)


_View = tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32], str, list[tuple[float, float, float]]]


def _draw_view(scene: Scene, light: StageLight, field: BodyField, around_deg: float, rng: np.random.Generator) -> _View:
    """Picture, body map, conditioning vector, caption and marks of one view from an azimuth of the studio."""
    from capture.session import Light
    from capture.stage.lens import StageCamera, pose_tuple
    from capture.stage.render import render
    from training.dataset.conditions import caption, features, lighting_of, view_of
    from training.dataset.framing import BUST, CLOSE_UP, crop_camera

    framing, aim = BUST, standing_aim(scene.vertices) + rng.normal(0, 0.006, 3)
    if rng.random() < CLOSE_UPS:
        framing, aim = CLOSE_UP, _close_aim(scene, rng)
    around, rise, distance = np.radians(around_deg), np.radians(rng.uniform(-8, 28)), rng.uniform(2.0, 3.2)
    flat = distance * np.cos(rise)
    centre = aim + np.array([flat * np.cos(around), flat * np.sin(around), distance * np.sin(rise)])
    crop = crop_camera("crop", centre, aim, framing, PIXELS)
    pose = pose_tuple(crop.world_from_camera.matrix)
    stage = StageCamera("crop", PIXELS, PIXELS, crop.fx, crop.fy, crop.cx, crop.cy, (0.0,) * 5, pose)
    picture = render(scene, stage, light, supersample=2)[..., ::-1]
    view = view_of(centre, aim, scene.stance.facing_deg)
    session_light = Light(
        id="key", azimuth_deg=light.azimuth_deg, elevation_deg=light.elevation_deg, colour=light.colour,
        intensity=light.intensity, ambient=light.ambient,
    )  # fmt: skip
    lighting = lighting_of(session_light, scene.stance.facing_deg)
    text = caption(
        view, lighting, trigger="", framing=framing.name, outfit=str(scene.outfit), backdrop=str(scene.backdrop)
    )
    drawn = field.draw(crop)[..., ::-1]
    return picture, drawn, features(view, lighting), text, _seen_marks(scene, crop)


def _close_aim(scene: Scene, rng: np.random.Generator) -> NDArray[np.float64]:
    """The middle of the face, or any place of head, neck, shoulders and chest."""
    from training.dataset.framing import FACE_BELOW_CROWN_M

    aim = standing_aim(scene.vertices) + (0, 0, BUST_BELOW_CROWN_M - FACE_BELOW_CROWN_M)
    if rng.random() < 0.5:
        return np.asarray(aim + rng.normal(0, 0.006, 3))
    near = scene.vertices[scene.vertices[:, 2] > aim[2] - 0.30]
    return near[rng.integers(len(near))].astype(np.float64)


def standing_aim(vertices: NDArray[np.float32]) -> NDArray[np.float64]:
    """The aimed point of the bust framing of a standing body with vertices (V, 3)."""
    crown = float(vertices[:, 2].max())
    head = vertices[vertices[:, 2] > crown - 0.30]
    middle = (head.min(axis=0) + head.max(axis=0)) / 2
    return np.array([middle[0], middle[1], crown - BUST_BELOW_CROWN_M])


def _seen_marks(scene: Scene, crop: Camera) -> list[tuple[float, float, float]]:
    sizes = {mark.id: mark.diameter_m for mark in scene.person.marks}
    found = []
    for name, (position, normal) in scene.mark_positions_world().items():
        toward = crop.centre - position
        (u, v), depth = (part[0] for part in crop.project(position[None]))
        if normal @ toward > 0.25 * np.linalg.norm(toward) and 0 <= u < PIXELS and 0 <= v < PIXELS:
            found.append((u, v, crop.fx * sizes[name] / 2 / depth))
    return found


def load(work: Path) -> Shard:
    """Every picture that `draw` has finished."""
    pictures, maps = (np.asarray(_all_of(work, name), np.uint8) for name in ("pictures", "maps"))
    vectors, marks = (np.asarray(_all_of(work, name), np.float32) for name in ("vectors", "marks"))
    return Shard(pictures, maps, vectors, np.asarray(_all_of(work, "captions"), np.str_), marks)


def _all_of(work: Path, name: str) -> NDArray[np.generic]:
    return np.concatenate([np.load(path, allow_pickle=False)[name] for path in sorted(work.glob("shards/*.npz"))])


@app.command()
def draw(work: Path, people: int = 1500, workers: int = 2, per_shard: int = 20) -> None:
    """Draw people until `people` of them are in WORK."""
    (work / "shards").mkdir(parents=True, exist_ok=True)
    starts = [s for s in range(0, people, per_shard) if not (work / f"shards/{s:05d}.npz").exists()]
    began = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(workers, initializer=_single_thread) as pool:
        jobs = [(work, FIRST_SEED + start, per_shard) for start in starts]
        for done, _ in enumerate(pool.imap_unordered(_draw_shard, jobs), 1):
            typer.echo(f"{done}/{len(jobs)} shards, {time.monotonic() - began:.0f} s")


def _single_thread() -> None:
    cv2.setNumThreads(1)


def _draw_shard(job: tuple[Path, int, int]) -> None:
    work, first, count = job
    shards = [_draw_person(seed) for seed in range(first, first + count)]
    part = work / f"shards/.{first - FIRST_SEED:05d}.npz"
    with part.open("wb") as stream:
        parts = {name: np.concatenate([getattr(s, name) for s in shards]) for name in Shard.__annotations__}
        np.savez(stream, allow_pickle=False, **parts)
    part.replace(work / f"shards/{first - FIRST_SEED:05d}.npz")


def _named(captions: list[str], seed: int) -> list[str]:
    """The captions, half of them with a name of the person in front of the class word, as a twin's trigger stands.

    A base that never met a name takes "sks person" for "person", and then nothing can be learned of one alone.
    """
    rng = np.random.default_rng(seed)
    people = len(captions) // VIEWS_PER_PERSON
    names = ["".join(rng.choice(list(string.ascii_lowercase), 3)) for _ in range(people)]
    told = rng.random(len(captions)) < 0.5
    return [
        text.replace("photo of person", f"photo of {names[k // VIEWS_PER_PERSON]} person") if named else text
        for k, (text, named) in enumerate(zip(captions, told, strict=True))
    ]


def _batches(count: int, size: int, seed: int) -> Iterator[NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(count)
        yield from (order[i : i + size] for i in range(0, count - size + 1, size))


@app.command()
def vae(work: Path) -> None:
    """Build the autoencoder from the pictures and turn every one of them into latents."""
    import torch

    from training.bases.patch_vae import build_vae

    data = load(work)
    model = build_vae(data.pictures[:: max(1, len(data.pictures) // VAE_PICTURES)])
    model.save_pretrained(work / "vae")
    facts: JsonObject = {"pictures": VAE_PICTURES}
    for name, pictures in (("latents", data.pictures), ("control", data.maps)):
        parts, error = [], 0.0
        with torch.no_grad():
            for i in range(0, len(pictures), 64):
                values = torch.from_numpy(pictures[i : i + 64]).permute(0, 3, 1, 2).float() / 127.5 - 1
                code = model.encode(values).latent
                error += float((model.decode(code).sample - values).abs().mean() * 127.5) * len(values)
                parts.append((code * model.config.scaling_factor).half())
        np.save(work / f"{name}.npy", torch.cat(parts).numpy())
        facts[f"mean_error_of_{name}"] = round(error / len(pictures), 2)
    write_atomic(work / "vae.json", json.dumps(facts))
    typer.echo(f"{len(data.pictures)} pictures through the autoencoder: {facts}")


class Clock:
    """A training time, and the learning rate that it implies: warm-up, then a cosine to nothing."""

    def __init__(self, minutes: float) -> None:
        self._began, self._length = time.monotonic(), minutes * 60

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self._began

    @property
    def over(self) -> bool:
        """True when the time is used up."""
        return self.seconds >= self._length

    def rate(self, peak: float, step: int, warm_up: int = 100) -> float:
        """Learning rate now."""
        share = min(1.0, self.seconds / self._length)
        return peak * min(1.0, (step + 1) / warm_up) * max(0.02, 0.5 * (1 + float(np.cos(np.pi * share))))


@app.command()
def base(work: Path, minutes: float = 50, batch: int = 16, rate: float = 8e-4, seed: int = 2) -> None:
    """Train text, view and light encoders and the transformer by flow matching; keeps an averaged copy.

    Goes on from the averaged copy that WORK holds, with a learning rate that rises and falls anew.
    """
    import torch
    from diffusers import AutoencoderDC, FluxControlPipeline
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    from training.bases.embedded import POOLED, TEXT_WIDTH, build_pipeline
    from training.bases.trainable import TrainableBase
    from training.bases.view_light import ViewLightEncoder
    from training.energy import meter_for
    from training.recipe import EnergyRecipe

    # In half precision and read from the disk as they are needed: thousands of people do not fit beside a training.
    latents, control = (
        torch.from_numpy(np.load(work / f"{name}.npy", mmap_mode="c")) for name in ("latents", "control")
    )
    drawn = [str(text) for text in _all_of(work, "captions")]
    words, captions = sorted(set(drawn)), _named(drawn, seed)
    done, meter = 0, meter_for(EnergyRecipe())
    if (work / "base" / "training.json").is_file():
        before = json.loads((work / "base" / "training.json").read_text())
        done = int(before["steps"])
        meter.joules_before, meter.seconds_before = 3.6e6 * before["energy"]["kwh"], before["energy"]["seconds"]
        pipe = FluxControlPipeline.from_pretrained(str(work / "base"), local_files_only=True)
        encoder = ViewLightEncoder.load(work / "base" / "view_light").train().requires_grad_(True)
    else:
        pipe = build_pipeline(AutoencoderDC.from_pretrained(work / "vae").eval(), words, seed)
        encoder = ViewLightEncoder(TEXT_WIDTH, POOLED)
    seed += done  # a resumed run must not see the same order and noise again
    for part in (pipe.transformer, pipe.text_encoder, pipe.text_encoder_2):
        part.train()
    model = TrainableBase(pipe, encoder)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.998))
    smooth = cast(TrainableBase, averaged.module)
    pipe.transformer.compile(dynamic=False)  # after the copy, which stays plain; a fifth less processor time a step
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01, betas=(0.9, 0.99), fused=True)
    tokens = model.tokenise(captions)
    vectors = torch.from_numpy(np.asarray(_all_of(work, "vectors"), np.float32))
    facts: JsonObject = {"batch": batch, "seed": seed}
    clock, generator, mean = Clock(minutes), torch.Generator().manual_seed(seed), 0.0
    saved = 0.0
    for step, rows in enumerate(_batches(len(latents), batch, seed)):
        if clock.over:
            break
        for group in optimiser.param_groups:
            group["lr"] = clock.rate(rate, step)
        index = torch.from_numpy(rows)
        loss = model.loss(
            latents[index].float(), control[index].float(), tokens.select(index), vectors[index], generator
        )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        averaged.update_parameters(model)
        mean += max(0.02, 1 / (step + 1)) * (loss.item() - mean)
        if step % 100 == 0:
            typer.echo(f"base step {step} {clock.seconds:.0f} s loss {mean:.4f}")
        used = meter.read().to_json(EnergyRecipe())
        if clock.seconds - saved > 300:
            saved = clock.seconds
            smooth.save(work / "base", {"steps": done + step, **facts, "loss": mean, "energy": used})
    smooth.save(work / "base", {"steps": done + step, **facts, "loss": mean, "energy": used})
    typer.echo(f"base done: {step} steps, loss {mean:.4f}")


@app.command()
def export(work: Path, to: Path) -> None:
    """Write the trained base in half precision, with its card, where training and rendering look for it."""
    import torch
    from diffusers import FluxControlPipeline

    pipe = FluxControlPipeline.from_pretrained(str(work / "base"), local_files_only=True, dtype=torch.float16)
    pipe.save_pretrained(to, safe_serialization=True)
    for path in to.rglob("*.json"):  # no path of the machine that trained it
        content = json.loads(path.read_text())
        if content.pop("_name_or_path", None) is not None:
            write_atomic(path, json.dumps(content, indent=2) + "\n")
    facts = json.loads((work / "base" / "training.json").read_text()) | {
        "vae": json.loads((work / "vae.json").read_text()),
        "pictures": len(load(work).pictures),
        "people": len(list(work.glob("shards/*.npz"))) * 20,
        "first_person_seed": FIRST_SEED,
    }
    for part in ("config.json", "model.safetensors"):
        write_atomic(to / "view_light" / part, (work / "base" / "view_light" / part).read_bytes())
    card = {"pixels": PIXELS, "steps": 8, "licence": "same as this repository", "body_map": CODE, "training": facts}
    write_atomic(to / "likeness.json", json.dumps(card, indent=1) + "\n")
    size = sum(path.stat().st_size for path in to.rglob("*") if path.is_file())
    typer.echo(f"{to}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    app()
