"""A random movement base, a session with clips of a walker, and takes: what every test of movement starts from."""

from __future__ import annotations

from pathlib import Path

import torch
from conftest import CONSENT, session_toml

from capture import store
from capture.issues import Issue
from capture.motion.bvh import write_bvh
from capture.motion.clip import MotionClip
from capture.stage.person import make_person
from capture.stage.travel import stage_clip
from capture.vault import SessionFolder, Vault
from training.movement.base import BaseConfig, MovementBase, save_base
from training.movement.conditions import Vocabulary
from training.movement.learn import CLIPS
from training.movement.windows import Take, statistics, take_of
from training.recipe import MovementRecipe

WORDS = Vocabulary(("person", "walk", "turn"))
SMALL = BaseConfig(width=32, layers=2, heads=2, window=48)
SHORT = MovementRecipe(
    steps=6, batch=4, rank=2, alpha=2, warm_up=1, prior_windows=2, checkpoint_every=2, tracker="none"
)
"""A run of a second."""


def walk(seed: int = 3, seconds: float = 2.0, start_s: float = 0.0) -> MotionClip:
    """A walk of a person of the stage, who goes along x."""
    return stage_clip(make_person(seed), seconds=seconds, travel=True, start_s=start_s)


def take(clip: MotionClip, *, action: str = "walk", person: str = "person") -> Take:
    """A clip that must be a take."""
    found = take_of(clip, action=action, person=person)
    assert not isinstance(found, Issue), found
    return found


def make_base(*, seed: int = 0, config: BaseConfig = SMALL) -> MovementBase:
    """Random weights, and the statistics of a walk."""
    torch.manual_seed(seed)
    model = MovementBase(config, WORDS)
    model.mean[:], model.std[:] = statistics_of_a_walk()
    torch.nn.init.normal_(model.frame_out.weight, std=0.2)  # a fresh one does nothing but the linear guess
    return model.eval().requires_grad_(False)


def statistics_of_a_walk() -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and spread of the rows."""
    return statistics([take(walk())])


def write_base(folder: Path) -> Path:
    """The same in a folder."""
    save_base(make_base(), folder)
    return folder


def write_session(root: Path, *, consent: str = CONSENT, action: str = "walk") -> SessionFolder:
    """A session with three clips of one walker in derived/motion; the third has another action."""
    vault = Vault(root / "vault")
    folder = vault.session("p001", "s001")
    clips = {"walk1": action, "walk2": action, "turn1": "turn"}
    entries = [f'[[clip]]\nid = "{name}"\naction = "{said}"\nlight = "light1"\n' for name, said in clips.items()]
    store.write_atomic(folder.toml, session_toml(extra="".join(entries)))
    store.write_atomic(vault.consent_file("p001", "c001"), consent)
    target = folder.derived(CLIPS)
    target.mkdir(parents=True)
    for k, name in enumerate(clips):
        write_bvh(walk(seconds=1.5 + 0.3 * k, start_s=0.2 * k), target / f"{name}.bvh")
    finish(folder)
    return folder


def finish(session: SessionFolder) -> None:
    """Declare the clips complete, as `twin motion` does."""
    store.finish(session.derived(CLIPS), CLIPS, consent="c001", inputs={}, settings={}, result={})


def changed(recipe: MovementRecipe, **values: float | int | str) -> MovementRecipe:
    """A recipe with other numbers."""
    return recipe.model_copy(update=values)
