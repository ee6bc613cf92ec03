"""One picture of the data set: a row of `metadata.jsonl`, in the imagefolder layout that other trainers read too."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import cast

from pydantic import JsonValue

from calibration.camera import Camera
from capture import store
from capture.errors import IncompleteInput
from capture.issues import JsonObject
from capture.store import Artefact
from capture.toml_file import Record
from training.dataset.conditions import Lighting, View

ARTEFACT = "dataset"
METADATA = "metadata.jsonl"
MASKS, MAPS = "__masks", "__maps"
"""Readers of the imagefolder layout pass over folders of such names, so that masks are not taken for pictures."""
FIELDS = "fields"


class Split(StrEnum):
    """What a picture is for."""

    TRAIN = "train"
    VALIDATION = "validation"  # chooses the checkpoint that is kept, and is not judged
    TEST = "test"  # a held-out camera, light or take: never trained on or chosen by, the judge's reference


class MarkSeen(Record):
    """Where a mark of hers lies in one crop."""

    id: str
    u: float  # pixels of the crop
    v: float
    radius_px: float
    facing_deg: float  # between its surface normal and the direction to the camera
    visible: bool  # inside the picture and the person, and turned to the camera


class Frame(Record):
    """One crop of the person with everything that training and comparison need to know."""

    file_name: str
    mask: str  # relative to the split's folder, white where she is
    body_map: str  # relative to the split's folder, the control image: where on her each pixel lies
    text: str
    shot: str  # the original it was cut from
    frame: int  # index in that original; 0 for a still
    take: str  # take of a still, clip of a moving frame
    light: str
    camera: str
    framing: str  # what it was cut around: "head and shoulders", "face", or the id of a mark
    crop: dict[str, JsonValue]  # calibration.Camera of the virtual pinhole
    view: View
    lighting: Lighting
    marks: tuple[MarkSeen, ...]
    split: Split

    @property
    def key(self) -> str:
        """Path of the picture inside the data set."""
        return f"{self.split.value}/{self.file_name}"

    @property
    def mm_per_px(self) -> float:
        """Millimetres on her that one pixel covers, at the distance of the aimed point."""
        return 1000 * self.view.distance_m / self.crop_camera.fx

    @property
    def crop_camera(self) -> Camera:
        """The virtual pinhole that sees this crop."""
        return Camera.from_json(cast(JsonObject, self.crop))


@dataclass(frozen=True)
class TwinDataset:
    """A finished data set."""

    folder: Path
    artefact: Artefact
    frames: tuple[Frame, ...]

    def of(self, split: Split) -> tuple[Frame, ...]:
        """The frames of one split, in file order."""
        return tuple(f for f in self.frames if f.split is split)

    def picture(self, frame: Frame) -> Path:
        """The crop's file."""
        return self.folder / frame.split.value / frame.file_name

    def mask(self, frame: Frame) -> Path:
        """The mask's file."""
        return self.folder / frame.split.value / frame.mask

    def body_map(self, frame: Frame) -> Path:
        """The control image's file."""
        return self.folder / frame.split.value / frame.body_map

    def field(self, take: str) -> Path:
        """The file with the body field of a take, from which the control image of any view is drawn."""
        return field_file(self.folder, take)


def field_file(folder: Path, take: str) -> Path:
    """Where a data set keeps the body field of a take."""
    return folder / FIELDS / f"{take}.safetensors"


def load_dataset(folder: Path) -> TwinDataset:
    """Read a finished data set. Raises IncompleteInput when it is unfinished or was changed since."""
    artefact = store.read(folder, ARTEFACT)
    if lost := store.changed(artefact):
        raise IncompleteInput(
            f"{len(lost)} files of the data set changed since it was built, first {lost[0]}; run `twin dataset --force`"
        )
    frames = []
    for split in Split:
        lines = (folder / split.value / METADATA).read_text(encoding="utf-8").splitlines()
        frames += [Frame.model_validate_json(line) for line in lines]
    return TwinDataset(folder, artefact, tuple(frames))


def write_metadata(folder: Path, frames: list[Frame]) -> None:
    """Write `metadata.jsonl` of each split."""
    for split in Split:
        lines = [f.model_dump_json() + "\n" for f in frames if f.split is split]
        store.write_atomic(folder / split.value / METADATA, "".join(lines))
