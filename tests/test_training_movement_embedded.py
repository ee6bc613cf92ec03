"""The movement base that the repository carries: it walks, the way and at the speed that is asked for, on feet."""

from __future__ import annotations

import json

import numpy as np
import pytest

from training.movement.base import EMBEDDED, load_base
from training.movement.generate import Generated, Wish, generate
from training.movement.judging import numbers_of
from training.movement.sampling import Sampling

BEND = np.stack([2 * np.sin(np.linspace(0, 1.5, 40)), 2 - 2 * np.cos(np.linspace(0, 1.5, 40))], axis=1)


def walk(speed: float, *, path: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Generated:
    wish = Wish("walk", 4.0, speed, path, sampling=Sampling(seed=1, steps=20))
    return generate(wish, load_base(EMBEDDED))


def test_it_walks_as_fast_as_it_is_asked_to() -> None:
    cadences = []
    for speed in (0.8, 1.4):
        made = walk(speed, path=np.array([[0.0, 0.0], [6.0, 0.0]]))
        numbers = numbers_of(made.clip)
        way = float(np.linalg.norm(made.clip.root[-1, :2] - made.clip.root[0, :2]))
        assert way / 4 == pytest.approx(speed, rel=0.05)
        assert float(str(made.facts["off_path_m"])) < 0.3
        assert numbers["strides"] == 1.0
        assert numbers["beyond_share"] == 0.0
        cadences.append(numbers["stride_hz"])
    assert 0.5 < cadences[0] < cadences[1] < 1.3


def test_it_walks_in_a_bend() -> None:
    made = walk(0.7, path=BEND)
    heading = np.unwrap(np.arctan2(*np.diff(made.clip.root[::15, :2], axis=0).T[::-1]))
    assert heading[-1] - heading[0] == pytest.approx(1.2, abs=0.4)
    assert float(str(made.facts["off_path_m"])) < 0.3


def test_its_card_and_facts_belong_to_its_weights() -> None:
    facts = json.loads((EMBEDDED / "training.json").read_text())
    card = (EMBEDDED / "README.md").read_text()
    assert facts["parameters"] == sum(p.numel() for p in load_base(EMBEDDED).parameters())
    assert f"{facts['steps']} steps" in card
    assert not any(name.split("/")[1].startswith("007") for name in facts["recordings"])
    assert sum(path.stat().st_size for path in EMBEDDED.rglob("*") if path.is_file()) < 12e6
