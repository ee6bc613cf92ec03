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
from capture.issues import JsonObject, Report
from capture.session import read_session
from capture.vault import SessionFolder
from training.adapter import load_adapter
from training.bases.flux import FluxBase
from training.bases.protocol import Condition
from training.dataset.conditions import Lighting, View, caption
from training.dataset.frames import Frame, Split, load_dataset
from training.dataset.framing import BUST
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
    of: Frame | None = None


@dataclass(frozen=True)
class RenderSet:
    """A finished set of renders."""

    folder: Path
    files: tuple[Path, ...]


def held_out(session: SessionFolder) -> list[Request]:
    """Requests for every frame that was held back from training: what `compare` judges."""
    frames = load_dataset(session.derived("dataset")).of(Split.TEST)
    if not frames:
        raise IncompleteInput("the data set holds no frame back; name cameras or lights to hold out in the recipe")
    return [Request(f.text, f.view, f.lighting, f) for f in frames]


def posed(session: SessionFolder, view: View, lighting: Lighting, *, outfit: str = "", backdrop: str = "") -> Request:
    """A request for any view and light."""
    trigger = str(load_dataset(session.derived("dataset")).artefact.settings["trigger"])
    text = caption(view, lighting, trigger=trigger, framing=BUST.name, outfit=outfit, backdrop=backdrop)
    return Request(text, view, lighting)


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
    return "|".join(
        (request.text, repr(request.view), repr(request.lighting), request.of.file_name if request.of else "")
    )


def _sampled(
    model: FluxBase, requests: Sequence[Request], recipe: RenderRecipe
) -> Iterator[tuple[Request, NDArray[np.uint8]]]:
    """Each request with its picture (H, W, 3) BGR; picture i has seed + i, whatever the batch."""
    steps = recipe.steps or model.spec.steps
    everything = model.encode_conditions([r.text for r in requests], [(r.view, r.lighting) for r in requests])
    for first in range(0, len(requests), _BATCH):
        part = requests[first : first + _BATCH]
        rows = slice(first, first + len(part))
        condition = Condition(everything.sequence[rows], everything.pooled[rows])
        seeds = [recipe.seed + first + k for k in range(len(part))]
        pictures = model.sample(condition, seeds=seeds, steps=steps)
        for request, picture in zip(part, pictures, strict=True):
            rgb = (picture.permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)
            yield request, rgb[..., ::-1]


def _set_of(folder: Path, count: int) -> RenderSet:
    return RenderSet(folder, tuple(folder / f"{i:03d}.png" for i in range(count)))
