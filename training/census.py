"""The census before training: frames by camera, light and take, each one used or named, and none lost on the way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import cast

from capture.errors import IncompleteInput
from capture.issues import JsonObject
from training.dataset.frames import Split, TwinDataset


@dataclass(frozen=True)
class TrainingCensus:
    """Where every frame that came into the data set went. Of one frame several pictures may have been cut."""

    offered: int  # frames
    used: int  # frames
    train: int  # pictures to learn from
    held_out: int  # pictures, for validation or for the judge
    left_out: tuple[tuple[str, str], ...]  # frame, reason
    cells: dict[tuple[str, str, str], tuple[int, int]]  # camera, light, take -> to learn from, held out

    def to_json(self) -> JsonObject:
        """The census as JSON values."""
        rows: list[JsonObject] = [
            {"camera": camera, "light": light, "take": take, "train": train, "held_out": held}
            for (camera, light, take), (train, held) in sorted(self.cells.items())
        ]
        left: list[JsonObject] = [{"frame": frame, "reason": reason} for frame, reason in self.left_out]
        return {
            "offered": self.offered, "used": self.used, "train": self.train, "held_out": self.held_out,
            "left_out": list(left), "frames": list(rows),
        }  # fmt: skip

    def line(self) -> str:
        """The census in one sentence."""
        return (
            f"{self.offered} frames came in, {self.used} used and {len(self.left_out)} left out by name: "
            f"{self.train} pictures to learn from, {self.held_out} held out"
        )

    def table(self) -> list[str]:
        """A line for each camera and take: pictures to learn from and held out under each light."""
        groups: dict[tuple[str, str], list[str]] = {}
        for (camera, light, take), (train, held) in sorted(self.cells.items()):
            groups.setdefault((camera, take), []).append(f"{light} {train}" + (f" + {held} held out" if held else ""))
        return [f"{camera} {take}: {', '.join(parts)}" for (camera, take), parts in groups.items()]


def take_census(dataset: TwinDataset) -> TrainingCensus:
    """The census of a data set against its own rows. Raises IncompleteInput when the two do not agree."""
    said = dataset.artefact.result
    if not {"offered", "used", "crops"} <= said.keys():
        raise IncompleteInput("data set brings no census, so that a lost frame would go unseen; run `twin dataset`")
    used = sum(cast("dict[str, int]", said["used"]).values())
    crops = cast("dict[str, int]", said["crops"])
    left = tuple((str(item["frame"]), str(item["reason"])) for item in cast("list[JsonObject]", said["left_out"]))
    counted: dict[Split, Counter[tuple[str, str, str]]] = {s: Counter() for s in Split}
    for frame in dataset.frames:
        counted[frame.split][frame.camera, frame.light, frame.take] += 1
    for split, counts in counted.items():
        if crops.get(split.value, 0) != counts.total():
            raise IncompleteInput(
                f"census says {crops.get(split.value, 0)} pictures of split {split.value!r}, the data set has "
                f"{counts.total()}; run `twin dataset --force`"
            )
    offered = int(cast(int, said["offered"]))
    if offered != used + len(left):
        raise IncompleteInput(
            f"census does not balance: {offered} frames came in, {used + len(left)} are used or named; "
            "run `twin dataset --force`"
        )
    train, held = counted[Split.TRAIN], counted[Split.VALIDATION] + counted[Split.TEST]
    cells = {cell: (train[cell], held[cell]) for cell in {*train, *held}}
    return TrainingCensus(offered, used, train.total(), held.total(), left, cells)


def check_cached(census: TrainingCensus, cached: int) -> None:
    """Raise IncompleteInput when not exactly the frames of the census were prepared for training."""
    if cached != census.train:
        raise IncompleteInput(
            f"{cached} pictures were prepared and the census counts {census.train} to learn from; nothing is trained "
            "on a part: remove derived/latents and run `twin dataset --force`"
        )
