"""A learned scale: what varies within people counts little, what tells them apart counts much.

Within-class whitening with a shrunk covariance, then the axes along which the means of people lie (linear discriminant
analysis in two steps, Fukunaga 1990, ch. 10). Numbers in, numbers out: numpy, and a file without pickles.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from training.movement.cohort import Cohort

F64 = NDArray[np.float64]

SHRINKAGE = 0.3  # of the within-class covariance toward its diagonal: 241 numbers, a few dozen takes
_FLOOR = 1e-3  # of the largest eigenvalue: a direction in which nobody varies would count without end
_SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Embedding:
    """A linear map from fingerprints to a space in which the spread of one person's takes is about 1 on every axis."""

    mean: F64  # (F,)
    axes: F64  # (F, D)

    def __call__(self, features: F64) -> F64:
        """(..., D) of fingerprints (..., F). ValueError for fingerprints of another length."""
        if features.shape[-1] != len(self.mean):
            raise ValueError(
                f"fingerprint has {features.shape[-1]} numbers, the embedding was learned on {len(self.mean)}"
            )
        return np.asarray((features - self.mean) @ self.axes)

    def cohort(self, cohort: Cohort) -> Cohort:
        """The same takes in the learned space."""
        return Cohort(cohort.action, {person: self(takes) for person, takes in cohort.takes.items()})

    def distances(self, cohort: Cohort, features: F64) -> F64:
        """(P,) distance of one fingerprint (F,) to every person's mean in the learned space."""
        means = np.stack([self(takes).mean(axis=0) for takes in cohort.takes.values()])
        return np.asarray(np.linalg.norm(means - self(features), axis=1))


def learn_embedding(cohort: Cohort, *, dimensions: int = 0, shrinkage: float = SHRINKAGE) -> Embedding:
    """Learn from a cohort in which somebody has two takes; `dimensions` 0 takes one fewer than people.

    Raises ValueError for a shrinkage outside 0..1, more dimensions than people allow, or no second take of anybody.
    """
    most = len(cohort.people) - 1
    if not 0 <= shrinkage <= 1:
        raise ValueError(f"shrinkage is {shrinkage:g}; give a share from 0 (none) to 1 (no correlations)")
    if not 0 <= dimensions <= most:
        raise ValueError(
            f"{dimensions} dimensions asked of {len(cohort.people)} people; give 1 to {most}, or 0 for all"
        )
    mean = cohort.every_take.mean(axis=0)
    spread = cohort.every_take.std(axis=0)
    scale = 1 / np.where(spread > 1e-12, spread, 1.0)
    inside = np.concatenate([(t - t.mean(axis=0)) * scale for t in cohort.takes.values()])
    freedom = len(inside) - len(cohort.people)
    if freedom < 1:
        raise ValueError(
            "every person of the cohort has one take; how people vary can only be learned from two or more"
        )
    whitening = scale[:, None] * _inverse_root(inside.T @ inside / freedom, shrinkage)
    centres = np.stack([takes.mean(axis=0) - mean for takes in cohort.takes.values()]) @ whitening
    _, _, ways = np.linalg.svd(centres - centres.mean(axis=0), full_matrices=False)
    return Embedding(mean, whitening @ ways[: dimensions or most].T)


def _inverse_root(covariance: F64, shrinkage: float) -> F64:
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.diag(np.diag(covariance))
    values, vectors = np.linalg.eigh(shrunk)
    return np.asarray(vectors / np.sqrt(np.maximum(values, _FLOOR * values[-1])))


def write_embedding(path: Path, embedding: Embedding) -> None:
    """Keep an embedding as npz without pickles."""
    np.savez_compressed(path, schema=np.array(_SCHEMA), mean=embedding.mean, axes=embedding.axes)


def read_embedding(path: Path) -> Embedding:
    """Read what `write_embedding` wrote. Raises ValueError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as data:
            schema, mean, axes = int(data["schema"]), data["mean"], data["axes"]
    except (KeyError, ValueError, BadZipFile, OSError) as error:
        raise ValueError(f"{path.name} is no embedding: {error}; learn it anew from the cohort") from error
    if schema != _SCHEMA or mean.ndim != 1 or axes.shape[:1] != mean.shape:
        raise ValueError(f"{path.name} has schema {schema} and shapes {mean.shape}, {axes.shape}; learn it anew")
    return Embedding(mean, axes)
