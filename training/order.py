"""The order in which pictures come: every one once before any comes again, each step from pictures of one size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Batch = tuple[int, list[int]]
"""A bucket and the rows of it."""


class Order:
    """An endless row of batches. It draws from a generator that the run owns, and its rest is part of a checkpoint."""

    def __init__(self, sizes: Sequence[int], batch: int, generator: torch.Generator) -> None:
        """`sizes` are the pictures of each bucket. The last batch of a bucket is smaller where they do not go up."""
        self.sizes, self.batch, self.generator = tuple(sizes), batch, generator
        self.pending: list[Batch] = []

    def next(self) -> tuple[int, Tensor]:
        """The bucket of the next step and its rows (B,)."""
        if not self.pending:
            self.pending = self._epoch()
        bucket, rows = self.pending.pop(0)
        return bucket, torch.tensor(rows)

    def _epoch(self) -> list[Batch]:
        batches: list[Batch] = []
        for bucket, size in enumerate(self.sizes):
            rows = torch.randperm(size, generator=self.generator).tolist()
            batches += [(bucket, rows[k : k + self.batch]) for k in range(0, size, self.batch)]
        mixed = torch.randperm(len(batches), generator=self.generator).tolist()
        return [batches[k] for k in mixed]
