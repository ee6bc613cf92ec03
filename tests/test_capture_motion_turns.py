"""Turns of joints: the shortest arc is one, opposite directions too, and local turns make the world's again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from capture.motion.turns import local_turns, shortest_arc


def test_the_shortest_arc_is_the_rotation_about_what_stands_across_both() -> None:
    rng = np.random.default_rng(1)
    start, end = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in rng.normal(0, 1, (2, 200, 3)))
    turns = shortest_arc(start, end)
    assert np.einsum("tij,tj->ti", turns, start) == pytest.approx(end, abs=1e-12)
    assert Rotation.from_matrix(turns).magnitude() == pytest.approx(np.arccos((start * end).sum(axis=1)), abs=1e-6)
    assert shortest_arc(start[0], end[0]) == pytest.approx(turns[0])


def test_the_shortest_arc_has_an_answer_for_opposite_directions() -> None:
    start = np.eye(3)
    turned = shortest_arc(start, -start)
    assert np.einsum("tij,tj->ti", turned, start) == pytest.approx(-start)
    assert np.linalg.det(turned) == pytest.approx(np.ones(3))
    assert shortest_arc(start, start) == pytest.approx(np.tile(np.eye(3), (3, 1, 1)))


def test_local_turns_make_the_turns_of_the_world_again() -> None:
    world = Rotation.random(12, random_state=2).as_matrix().reshape(4, 3, 3, 3)
    local = local_turns(world, (-1, 0, 1))
    assert local[:, 0] == pytest.approx(world[:, 0])
    assert local[:, 0] @ local[:, 1] @ local[:, 2] == pytest.approx(world[:, 2])
