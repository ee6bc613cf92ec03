"""Among whom a movement is judged: fingerprints that a file keeps, or the takes of other people of the vault."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from capture import consent, store
from capture.errors import IncompleteInput
from capture.session import read_session
from capture.vault import Vault
from training.movement.cohort import Cohort, read_cohort
from training.movement.gait import RESOLUTION, SCORED
from training.movement.sources import her_clips, names_of, readable_takes, told_of

REFERENCE = Path(__file__).parent / "reference_walkers.npz"
"""The other walkers that the repository carries."""


@dataclass(frozen=True, eq=False)
class Others:
    """People, and where their takes come from."""

    cohort: Cohort
    source: str  # of a sentence: whose walkers they are
    inputs: dict[str, str]  # digests of what was read
    simulated: bool = False


def others_in(path: Path) -> Others:
    """The people of a file of fingerprints. ValueError for what is none, or is of another version."""
    if not path.is_file():
        raise ValueError(f"cohort {path} is not there; name a file of fingerprints, or leave out --cohort")
    cohort = read_cohort(path)
    numbers, wanted = cohort.every_take.shape[1], int(SCORED.sum())
    if numbers != wanted:
        raise ValueError(f"cohort {path.name} has fingerprints of {numbers} numbers, not {wanted}; make it anew")
    simulated = path.resolve() == REFERENCE.resolve()
    return Others(cohort, path.name, {"cohort": store.sha256_file(path)}, simulated)


def others_of(vault: Vault, sessions: Sequence[str], action: str) -> Others:
    """The people of other sessions, by their clips of an action; several sessions of one person count as one.

    Nothing of them is kept. Each of them must have agreed to data being made of her.
    Raises ConsentRefused, IncompleteInput where one has no take that can be read, ValueError for fewer than three
    people or a session that is not there.
    """
    prints: dict[str, list[NDArray[np.float64]]] = {}
    inputs: dict[str, str] = {}
    for name in dict.fromkeys(sessions):
        folder = vault.find_session(name)
        head = read_session(folder.root).session
        consent.require(vault, head.person, head.consent, act=consent.Act.DATASET)
        takes = her_clips(folder)
        read, left_out = readable_takes(takes.folder, names_of(folder, takes, action, ()))
        if not read:
            raise IncompleteInput(f"session {name!r} has no take of {action!r} to judge among{told_of(left_out)}")
        prints.setdefault(head.person, []).extend(gait.fingerprint for _, gait in read.values())
        inputs |= {f"motion of {name}": takes.digest, f"session {name}": store.sha256_file(folder.toml)}
    people = {person: np.stack(found) for person, found in prints.items()}
    cohort = Cohort(action, people, RESOLUTION[SCORED], "people recorded in this house")
    return Others(cohort, "the sessions that --among names", inputs)
