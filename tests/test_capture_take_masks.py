"""Masks of a take are made once, found again by the content they were made from, and never stale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from capture import take_masks as room
from capture.ingest import ingest
from capture.vault import Vault


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Calls of the slow function, which here marks the left half."""
    calls: list[int] = []

    def left_half(images: list[NDArray[np.uint8]], plate: NDArray[np.uint8]) -> NDArray[np.bool_]:
        calls.append(len(images))
        mask = np.zeros(plate.shape[:2], bool)
        mask[:, : plate.shape[1] // 2] = True
        return mask

    monkeypatch.setattr(room, "person_mask_of_lights", left_half)
    return calls


def test_a_second_call_reads_what_the_first_one_made(
    small_session: Callable[..., Path], tmp_path: Path, counted: list[int]
) -> None:
    validated, _ = ingest(small_session(takes=1, cameras=3, lights=3), Vault(tmp_path / "vault"))
    take = validated.session.take[0]
    first = room.take_masks(validated, take)
    assert counted == [3, 3, 3]
    again = room.take_masks(validated, take)
    assert counted == [3, 3, 3]
    assert set(first) == {"cam1", "cam2", "cam3"}
    assert all(np.array_equal(first[c], again[c]) and first[c].mean() == 0.5 for c in first)


def test_other_code_makes_other_masks(
    small_session: Callable[..., Path], tmp_path: Path, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    validated, _ = ingest(small_session(takes=1, cameras=1, lights=2), Vault(tmp_path / "vault"))
    take = validated.session.take[0]
    room.take_masks(validated, take)
    monkeypatch.setattr(room, "sha256_file", lambda path: "another version of the code")
    room.take_masks(validated, take)
    assert counted == [2, 2]


def test_a_camera_without_a_plate_has_no_mask(
    small_session: Callable[..., Path], tmp_path: Path, counted: list[int]
) -> None:
    card = small_session(takes=1, cameras=2, lights=1)
    (card / "plates" / "cam2.jpg").unlink()
    validated, _ = ingest(card, Vault(tmp_path / "vault"))
    assert set(room.take_masks(validated, validated.session.take[0])) == {"cam1"}
