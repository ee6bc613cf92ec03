"""How the movement base is trained: who is in it and who is not, walkers in bends, a run of seconds that goes on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_movement import take, walk

from scripts.pretrain_appearance import FIRST_SEED
from scripts.pretrain_movement import (
    ACTIONS,
    COHORT_SEED,
    RECORDINGS,
    Ground,
    base,
    card,
    cohort,
    export,
    load,
    mixed,
    read_takes,
    recorded_takes,
    write_takes,
)
from training.movement.base import load_base
from training.movement.cohort import read_cohort
from training.movement.features import encode
from training.movement.others import REFERENCE
from training.movement.sources import CUTOFF_HZ
from training.movement.walkers import bent, walker_fingerprints, walker_takes

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """What `draw` writes, of two walkers."""
    (tmp_path / "takes").mkdir()
    for name, seed in (("recorded", 3), ("stage-00000", 4)):
        write_takes(tmp_path / f"takes/{name}.npz", [take(walk(seed, 1.5), person="abc")])
    return tmp_path


def test_whoever_is_judged_is_not_in_it() -> None:
    assert not any("007_" in name or "Swagger" in name or "scaled" in name for name in RECORDINGS)
    assert FIRST_SEED == 10_000
    assert set(RECORDINGS.values()) <= {*ACTIONS, ""}


def test_recordings_become_takes(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (data_dir / "motion/cmu/002_01.bvh").is_file():
        pytest.skip(f"no recordings in {data_dir / 'motion'}")
    monkeypatch.setattr("scripts.pretrain_movement.RECORDINGS", {"cmu/002_01": "walk"})
    takes = recorded_takes(data_dir)
    assert len(takes) == 2 * 3  # mirrored, tempos
    assert len({t.person for t in takes}) == 2
    assert [len(t) for t in takes[:3]] == sorted(len(t) for t in takes[:3])
    speeds = [float(t.path[:, 0].mean()) for t in takes]
    assert speeds[0] > speeds[2]
    assert speeds[:3] == pytest.approx(speeds[3:], rel=0.02)


def test_walkers_walk_and_their_seeds_repeat() -> None:
    takes = walker_takes(FIRST_SEED)
    assert [t.action for t in takes[:2]] == ["walk", "walk"]
    assert {t.person for t in takes} == {takes[0].person}
    assert np.array_equal(takes[1].rows, walker_takes(FIRST_SEED)[1].rows)
    straight, bends = (float(np.abs(t.path[:, 2]).mean()) for t in takes[:2])
    assert straight < 0.02 < 0.05 < bends
    assert 0.5 < takes[0].path[:, 0].mean() < 2.5


def test_the_cohort_of_the_house_is_what_the_command_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = read_cohort(REFERENCE)
    monkeypatch.setattr("training.movement.walkers.walker_fingerprints", lambda seed, **_: made(seed))

    def made(seed: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """The held ones of all but the first, of whom two takes are walked again: five take their time."""
        own = held.takes[held.people[seed - COHORT_SEED]].copy()
        if seed == COHORT_SEED:
            own[:2] = walker_fingerprints(seed, takes=2, cutoff_hz=CUTOFF_HZ)
        return own

    cohort(tmp_path / "again.npz", people=3)
    again = read_cohort(tmp_path / "again.npz")
    assert again.people == held.people[:3]
    assert (again.action, again.who) == (held.action, held.who)
    assert again.every_take == pytest.approx(held.every_take[:15], abs=1e-3)
    assert COHORT_SEED > FIRST_SEED + 1_000


def test_a_bent_walk_turns_and_is_the_same_walk() -> None:
    clip = walk(3, 2.0)
    curved = bent(clip, np.full(60, 0.5))
    heading = encode(curved).heading_rates
    assert heading[5:-5].mean() == pytest.approx(0.5, abs=0.05)
    np.testing.assert_allclose(curved.rotations[:, 1:], clip.rotations[:, 1:], atol=1e-9)
    np.testing.assert_allclose(bent(clip, np.zeros(60)).root, clip.root, atol=1e-9)


def test_takes_come_back_from_their_file(tmp_path: Path) -> None:
    takes = [take(walk(3, 1.2), person="abc"), take(walk(4, 1.5), action="tread")]
    write_takes(tmp_path / "a.npz", takes)
    for one, other in zip(takes, read_takes(tmp_path / "a.npz"), strict=True):
        assert np.array_equal(one.rows, other.rows)
        assert np.array_equal(one.path, other.path)
        assert (one.action, one.person) == (other.action, other.person)


def test_recordings_weigh_their_share(work: Path) -> None:
    takes, weights = mixed(load(work))
    assert [t.person for t in takes] == ["abc", "person"] * 2
    assert sum(weights) == pytest.approx(1)
    assert sum(weights[:2]) == pytest.approx(0.4)
    lone = mixed((Ground("recorded", tuple(takes[:1] * 3)), Ground("stage", tuple(takes[:1]))))[1]
    assert lone[0] == pytest.approx(lone[-1] * 0.4 / 0.6 / 3)
    (work / "takes/stage-00000.npz").unlink()
    with pytest.raises(ValueError, match="no walkers in .*; run draw first"):
        load(work)


def test_a_run_of_seconds_is_saved_goes_on_and_is_exported(work: Path, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    for _ in range(2):
        base(work, minutes=0.02, batch=2, threads=1, width=32, layers=2)
    torch.set_num_threads(before)
    facts = json.loads((work / "base/training.json").read_text())
    assert facts["steps"] >= 2
    assert facts["energy"]["seconds"] == facts["seconds"] > 1.2
    numbers = {"readable": 1.0, "stride_hz": 0.9}
    (work / "judged.json").write_text(json.dumps({"real": numbers, "samples": numbers}))
    export(work, tmp_path / "shipped")
    half = load_file(tmp_path / "shipped/model.safetensors")
    assert half["frame_in.weight"].dtype == torch.float16
    assert half["std"].dtype == torch.float32
    assert load_base(tmp_path / "shipped").config.width == 32
    text = (tmp_path / "shipped/README.md").read_text()
    assert "NSF EIA-0196217" in text
    assert "| stride_hz | 0.9 | 0.9 |" in text
    assert "{" not in text
    assert card(json.loads((tmp_path / "shipped/training.json").read_text())) == text
