"""COLMAP's binary tables, little-endian. A count is believed only where the file is long enough for it."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from calibration.formats.colmap_model import LENSES, NAMES, ColmapLens, ColmapRig, ColmapView, placed
from calibration.formats.colmap_text import MAX_VIEWS
from calibration.formats.reading import LARGEST, MAX_PIXELS, file_at, named

_POINT = 24  # bytes of one point of an image
_LONGEST_NAME = 4096
_CAMERA = 0  # the sensor type


class _Table:
    """A stream that knows how much is left of its file."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self.stream, self.name = stream, path.name
        self.left = path.stat().st_size

    def take(self, layout: str) -> tuple[float, ...]:
        """The next numbers. Raises ValueError where the file ends before, and for what is no number."""
        size = struct.calcsize("<" + layout)
        data = self.stream.read(size)
        self.left -= len(data)
        if len(data) < size:
            raise ValueError(f"{self.name} ends in the middle of an entry; copy it again")
        values = struct.unpack("<" + layout, data)
        wrong = [v for v in values if isinstance(v, float) and not abs(v) <= LARGEST]
        if wrong:
            raise ValueError(f"{self.name} holds {wrong[0]:.3g}, which no rig has; the model has failed")
        return values

    def count(self, each: int, what: str) -> int:
        """The next 64-bit count, of entries of at least `each` bytes."""
        found = int(self.take("Q")[0])
        if found * each > self.left:
            raise ValueError(
                f"{self.name} says that it holds {found} {what}, and has {self.left} bytes left; copy it again"
            )
        return found

    def pass_over(self, size: int) -> None:
        """Skip bytes that `count` has found to be there."""
        self.stream.seek(size, 1)
        self.left -= size

    def text(self) -> str:
        """The next text up to its zero byte."""
        found = bytearray()
        while (byte := self.stream.read(1)) != b"\0":
            if not byte or len(found) >= _LONGEST_NAME:
                raise ValueError(f"{self.name} holds a name without an end; copy it again")
            found += byte
        self.left -= len(found) + 1
        try:
            return found.decode()
        except UnicodeDecodeError:
            raise ValueError(f"{self.name} holds a name that is no UTF-8: {bytes(found[:40])!r}") from None


def read_lenses(path: Path) -> dict[int, ColmapLens]:
    """cameras.bin by camera id."""
    found: dict[int, ColmapLens] = {}
    with file_at(path).open("rb") as stream:
        table = _Table(stream, path)
        for _ in range(table.count(24 + 8 * 2, "cameras")):
            lens_id, model, width, height = (int(v) for v in table.take("IiQQ"))
            if model not in NAMES:
                raise ValueError(f"camera {lens_id} of {path.name} has lens model {model}, which is not known here")
            if max(width, height) > MAX_PIXELS:
                raise ValueError(f"camera {lens_id} of {path.name} has a picture of {width} x {height} pixels")
            if lens_id in found:
                raise ValueError(f"camera {lens_id} of {path.name} is there twice")
            name = NAMES[model]
            found[lens_id] = ColmapLens(lens_id, name, width, height, table.take("d" * len(LENSES[name].parameters)))
    return found


def read_views(path: Path) -> list[ColmapView]:
    """images.bin in its order, without the points."""
    found: list[ColmapView] = []
    with file_at(path).open("rb") as stream:
        table = _Table(stream, path)
        count = table.count(4 + 56 + 4 + 1 + 8, "images")
        if count > MAX_VIEWS:
            raise ValueError(f"{path.name} holds {count} images, which is no rig")
        for _ in range(count):
            view_id, *numbers, lens = table.take("I7dI")
            name = named(table.text(), f"name of image {int(view_id)} in {path.name}")
            table.pass_over(_POINT * table.count(_POINT, f"points of image {name}"))
            found.append(ColmapView(int(view_id), tuple(numbers[:4]), tuple(numbers[4:]), int(lens), name))
    return found


def tables(rig: ColmapRig) -> dict[str, bytes]:
    """The bytes of every table by its name."""
    count = len(rig.views)
    cameras = struct.pack("<Q", count)
    for lens in rig.lenses:
        cameras += struct.pack("<IiQQ", lens.id, LENSES[lens.model].number, lens.width, lens.height)
        cameras += struct.pack(f"<{len(lens.parameters)}d", *lens.parameters)
    images = struct.pack("<Q", count)
    for view in rig.views:
        images += struct.pack("<I7dI", view.id, *view.quaternion, *view.translation, view.lens)
        images += view.name.encode() + b"\0" + struct.pack("<Q", 0)
    rigs = struct.pack("<QIIiI", 1, 1, count, _CAMERA, rig.lenses[0].id)
    for lens, pose in zip(rig.lenses[1:], rig.sensors[1:], strict=True):
        quaternion, translation = placed(pose)
        rigs += struct.pack("<iIB7d", _CAMERA, lens.id, 1, *quaternion, *translation)
    head = rig.views[0]
    frames = struct.pack("<QII7dI", 1, 1, 1, *head.quaternion, *head.translation, count)
    frames += b"".join(struct.pack("<iIQ", _CAMERA, view.lens, view.id) for view in rig.views)
    return {"cameras": cameras, "images": images, "points3D": struct.pack("<Q", 0), "rigs": rigs, "frames": frames}
