"""The claim of the demo, on held-out views and lights of a person whom the base has never seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.demo import PERSON_SEED, UNWEIGHTED, Size, run_demo
from scripts.pretrain_appearance import FIRST_SEED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


def test_the_twin_keeps_her_marks_and_the_controls_do_not(tmp_path: Path) -> None:
    assert PERSON_SEED < FIRST_SEED
    said: list[str] = []
    page, qa, report = run_demo(tmp_path, size=Size(), ablate=True, say=said.append)
    arms = {arm.name: arm.kept for arm in qa.arms}
    print("\n".join([*said, *(f"{name}: {kept}" for name, kept in arms.items())]))
    twin, base, unweighted = (arms[name].value for name in ("twin", "base", UNWEIGHTED))
    assert twin is not None
    assert base is not None
    assert unweighted is not None
    # Measured: 0.75, 0.41 and 0.08.
    assert twin >= 0.70
    assert unweighted < twin - 0.20
    assert base <= 0.10
    assert qa.passed == (twin >= qa.thresholds.kept_share)
    assert report.ok == qa.passed
    assert page.stat().st_size > 100_000
