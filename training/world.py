"""The processes of one run: how many there are, which part of a step each does, and the sum of what they found.

The gradients of an adapter are few, so that they are summed in one call after the step instead of through a wrapper
around the base, which then stays whatever its family makes it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor

from capture.issues import JsonObject


@dataclass(frozen=True)
class World:
    """This process among all of the run."""

    accelerator: Accelerator

    @property
    def size(self) -> int:
        """Number of processes."""
        return int(self.accelerator.num_processes)

    @property
    def main(self) -> bool:
        """Whether this process writes files and judges."""
        return bool(self.accelerator.is_main_process)

    def share(self, rows: Tensor) -> Tensor:
        """The rows (b,) of a step's rows (B,) that fall to this process; none where there are fewer than processes."""
        return rows[self.accelerator.process_index :: self.size]

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Replace every gradient by its sum over all processes."""
        if self.size == 1:
            return
        flat = torch.cat([_gradient(p).reshape(-1) for p in parameters])
        torch.distributed.all_reduce(flat)
        for parameter, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            parameter.grad = part.view_as(parameter)

    def sum(self, value: float) -> float:
        """A number summed over all processes."""
        if self.size == 1:
            return value
        total = torch.tensor([value], dtype=torch.float64, device=self.accelerator.device)
        torch.distributed.all_reduce(total)
        return float(total)

    def from_main(self, value: JsonObject) -> JsonObject:
        """What the main process has, in all processes."""
        if self.size == 1:
            return value
        box = [value]
        broadcast_object_list(box)
        return box[0]

    def wait(self) -> None:
        """Until all processes are here."""
        self.accelerator.wait_for_everyone()


def join_world(accelerator: Accelerator, asked: int = 0) -> World:
    """The world of a run. Raises ValueError when there are not as many processes as the launcher or the recipe asked.

    `accelerate launch --cpu --num_processes 2` starts a run that quietly is alone; `torchrun` does not.
    """
    world = World(accelerator)
    wanted = asked or int(os.environ.get("WORLD_SIZE", "1"))
    if wanted != world.size:
        raise ValueError(
            f"world has {world.size} processes and {wanted} were asked for; "
            f"start it with `torchrun --nproc_per_node {wanted}`, or set train.processes to what you have"
        )
    return world


def _gradient(parameter: torch.nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
