"""Renders of a twin: given views and lights through the base's own pipeline, each one labelled and disclosed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture import consent, store
from capture.errors import ConsentRefused, IncompleteInput
from capture.images import read_image
from capture.issues import JsonObject, Report
from capture.session import read_session
from capture.vault import SessionFolder
from training.adapter import load_adapter
from training.bases.flux import FluxBase
from training.cached import as_tensor
from training.dataset.body_map import BodyField
from training.dataset.conditions import Lighting, View, caption
from training.dataset.frames import Frame, Split, TwinDataset, load_dataset
from training.dataset.framing import BUST, BUST_BELOW_CROWN_M, crop_camera
from training.disclose import write_disclosed
from training.loop import Twin, load_twin
from training.recipe import RenderRecipe

ARTEFACT = "renders"
_BATCH = 8


@dataclass(frozen=True)
class Request:
    """One picture to make. `of` is the data set's frame whose view and light are asked for, when there is one."""

    text: str
    view: View
    lighting: Lighting
    body_map: NDArray[np.uint8]  # (H, W, 3) BGR, and the size of the picture
    of: Frame | None = None


@dataclass(frozen=True)
class RenderSet:
    """A finished set of renders."""

    folder: Path
    files: tuple[Path, ...]


def held_out(session: SessionFolder) -> list[Request]:
    """Requests for every frame that was held back from training: what `compare` judges."""
    dataset = load_dataset(session.derived("dataset"))
    frames = dataset.of(Split.TEST)
    if not frames:
        raise IncompleteInput("the data set holds no frame back; name cameras or lights to hold out in the recipe")
    return requests_for(dataset, frames)


def requests_for(dataset: TwinDataset, frames: Sequence[Frame]) -> list[Request]:
    """Requests for the very views and lights of frames of a data set."""
    return [Request(f.text, f.view, f.lighting, read_image(dataset.body_map(f)), f) for f in frames]


def posed(session: SessionFolder, view: View, lighting: Lighting, *, take: str = "") -> Request:
    """A request for any view and light of her pose in a take, the first one by default, in its outfit.

    Raises IncompleteInput when the data set has no such take.
    """
    dataset = load_dataset(session.derived("dataset"))
    known = {f.take: f for f in reversed(dataset.frames) if dataset.field(f.take).is_file()}
    take = take or min(known, default="")
    if take not in known:
        raise IncompleteInput(f"take {take!r} has no body map in the data set; it has {', '.join(sorted(known))}")
    worn = next(t for t in read_session(session.root).take if t.id == take)
    trigger, pixels = str(dataset.artefact.settings["trigger"]), known[take].crop_camera.width
    field = BodyField.load(dataset.field(take))
    aim = field.crown - (0, 0, BUST_BELOW_CROWN_M)
    turn, rise = np.radians(view.azimuth_deg + field.facing_deg), np.radians(view.elevation_deg)
    toward = np.array([np.cos(turn) * np.cos(rise), np.sin(turn) * np.cos(rise), np.sin(rise)])
    crop = crop_camera("asked", aim + view.distance_m * toward, aim, BUST, pixels)
    text = caption(view, lighting, trigger=trigger, framing=BUST.name, outfit=worn.outfit, backdrop=worn.backdrop)
    return Request(text, view, lighting, field.draw(crop))


def render(
    session: SessionFolder,
    requests: Sequence[Request],
    *,
    name: str,
    base: Path,
    twin: str | None,
    recipe: RenderRecipe = RenderRecipe(),  # noqa: B008 - frozen
    force: bool = False,
) -> tuple[RenderSet, Report]:
    """Render requests with a twin, or with the base alone (`twin=None`), into `renders/<name>/`.

    Raises ConsentRefused, and IncompleteInput when the twin is unfinished or was trained for another base.
    """
    if not requests:
        raise ValueError("nothing to render; ask for the held-out views or give a view and a light")
    head = read_session(session.root).session
    permit = consent.require(session.vault, head.person, head.consent, act=consent.Act.RENDER)
    model = FluxBase(base)
    trained = _attach(model, session, twin)
    digest = trained.adapter_digest if trained else ""
    folder = session.vault.renders(head.person, name)
    inputs = {"base": model.spec.digest, "consent": permit.record_digest, **({"adapter": digest} if digest else {})}
    asked = store.sha256_text("\n".join(_key(r) for r in requests))
    settings: JsonObject = {"requests": asked, **recipe.model_dump(mode="json")}
    done = None if force else store.current(folder, ARTEFACT, inputs=inputs, settings=settings)
    if done is not None:
        return _set_of(folder, len(requests)), Report("render", facts={"skipped": True})
    store.reopen(folder, ARTEFACT)
    for old in (*folder.glob("*.png"), folder / "raw"):
        shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
    (folder / "raw").mkdir(parents=True, exist_ok=True)
    rows: list[JsonObject] = []
    for index, (request, pixels) in enumerate(_sampled(model, requests, recipe)):
        file = f"{index:03d}.png"
        for path, visible in ((folder / file, True), (folder / "raw" / file, False)):
            write_disclosed(path, pixels, permit=permit, twin=twin or "", adapter_digest=digest, visible=visible)
        of = request.of.model_dump(mode="json") if request.of else None
        rows.append({"file": file, "raw": f"raw/{file}", "seed": recipe.seed + index, "text": request.text, "of": of})
    facts: JsonObject = {"pictures": len(rows), "twin": twin or "", "adapter_digest": digest}
    store.finish(
        folder, ARTEFACT, consent=head.consent, inputs=inputs, settings=settings, result={"frames": list(rows), **facts}
    )
    return _set_of(folder, len(rows)), Report("render", facts=facts)


def _attach(model: FluxBase, session: SessionFolder, twin: str | None) -> Twin | None:
    if twin is None:
        return None
    trained = load_twin(session, twin)
    if trained.base_digest != model.spec.digest:
        raise IncompleteInput(f"twin {twin!r} was trained for another base; render with that one or train it again")
    if trained.person != read_session(session.root).session.person:
        raise ConsentRefused(f"twin {twin!r} is of another person")
    load_adapter(model, trained.folder)
    return trained


def _key(request: Request) -> str:
    drawn = store.sha256_text(request.body_map.tobytes().hex())
    return "|".join(
        (request.text, repr(request.view), repr(request.lighting), drawn, request.of.file_name if request.of else "")
    )


def _sampled(
    model: FluxBase, requests: Sequence[Request], recipe: RenderRecipe
) -> Iterator[tuple[Request, NDArray[np.uint8]]]:
    """Each request with its picture (H, W, 3) BGR; picture i has seed + i, whatever the batch."""
    steps = recipe.steps or model.spec.steps
    for first in range(0, len(requests), _BATCH):
        part = requests[first : first + _BATCH]
        maps = as_tensor(np.stack([r.body_map for r in part]))
        condition = model.encode_conditions([r.text for r in part], [(r.view, r.lighting) for r in part], maps)
        seeds = [recipe.seed + first + k for k in range(len(part))]
        pictures = model.sample(condition, seeds=seeds, steps=steps)
        for request, picture in zip(part, pictures, strict=True):
            rgb = (picture.permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)
            yield request, rgb[..., ::-1]


def _set_of(folder: Path, count: int) -> RenderSet:
    return RenderSet(folder, tuple(folder / f"{i:03d}.png" for i in range(count)))
