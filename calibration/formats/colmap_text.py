"""COLMAP's text tables. Files of gigabytes are read in little memory: the points of an image are passed over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from calibration.formats.colmap_model import LENSES, ColmapLens, ColmapRig, ColmapView, placed
from calibration.formats.reading import file_at, named, number, shown, text_of, whole

_LINE = 1 << 16  # bytes of a line that is read; COLMAP writes a few hundred
_MOST_IDS = (1 << 32) - 1
MAX_VIEWS = 100_000


def read_lenses(path: Path) -> dict[int, ColmapLens]:
    """cameras.txt by camera id."""
    found: dict[int, ColmapLens] = {}
    for line in text_of(path).splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 5 or words[1] not in LENSES:
            raise ValueError(
                f"cameras.txt has the line {shown(line)}; it must be id, a known model, width, height, parameters"
            )
        lens_id, model = whole(words[0], "cameras.txt camera id", _MOST_IDS), words[1]
        where = f"camera {lens_id} of cameras.txt"
        if len(words) != 4 + len(LENSES[model].parameters):
            wanted = " ".join(LENSES[model].parameters)
            raise ValueError(f"{where} has {len(words) - 4} parameters; {model} has {wanted}")
        if lens_id in found:
            raise ValueError(f"{where} is there twice; remove one")
        width, height = (whole(w, f"size of {where}") for w in words[2:4])
        found[lens_id] = ColmapLens(lens_id, model, width, height, tuple(number(w, where) for w in words[4:]))
    return found


def read_views(path: Path) -> list[ColmapView]:
    """images.txt in its order, without the points."""
    found: list[ColmapView] = []
    with file_at(path).open("rb") as stream:
        for line in _pose_lines(stream):
            words = line.split()
            if len(words) != 10:
                raise ValueError(
                    f"images.txt has the line {shown(line)}; it must be id, quaternion, translation, camera, name"
                )
            where = f"image {shown(words[9])} of images.txt"
            numbers = tuple(number(w, where) for w in words[1:8])
            ids = (whole(words[0], f"id of {where}", _MOST_IDS), whole(words[8], f"camera of {where}", _MOST_IDS))
            found.append(ColmapView(ids[0], numbers[:4], numbers[4:], ids[1], named(words[9], where)))
            if len(found) > MAX_VIEWS:
                raise ValueError(f"images.txt holds more than {MAX_VIEWS} images, which is no rig")
    return found


def _pose_lines(stream: BinaryIO) -> Iterator[str]:
    """Every other line that is no comment: the second of each pair holds the points, and may be empty."""
    first = True
    while line := stream.readline(_LINE):
        if b"\0" in line:
            raise ValueError("images.txt is no UTF-8 text: it holds zero bytes; save it as UTF-8")
        try:
            text = line.decode("utf-8-sig" if first else "utf-8").strip()
        except UnicodeDecodeError:
            raise ValueError("images.txt is no UTF-8 text; save it as UTF-8") from None
        first = False
        if len(line) == _LINE:
            raise ValueError(f"images.txt has a line of more than {_LINE} bytes where a pose should be")
        if text and not text.startswith("#"):
            yield text
            while len(stream.readline(_LINE)) == _LINE:
                pass


def tables(rig: ColmapRig) -> dict[str, str]:
    """The text of every table by its name."""
    count = len(rig.views)
    cameras = [f"{x.id} {x.model} {x.width} {x.height} {_row(x.parameters)}" for x in rig.lenses]
    images = [f"{v.id} {_row(v.quaternion)} {_row(v.translation)} {v.lens} {v.name}\n" for v in rig.views]
    sensors = [f"CAMERA {rig.lenses[0].id}"]
    for lens, pose in zip(rig.lenses[1:], rig.sensors[1:], strict=True):
        quaternion, translation = placed(pose)
        sensors.append(f"CAMERA {lens.id} 1 {_row(quaternion)} {_row(translation)}")
    head = rig.views[0]
    data = " ".join(f"CAMERA {v.lens} {v.id}" for v in rig.views)
    frame = f"1 1 {_row(head.quaternion)} {_row(head.translation)} {count} {data}"
    return {
        "cameras": _table(
            ("Camera list with one line of data per camera:", "  CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"), cameras
        ),
        "images": _table(
            (
                "Image list with two lines of data per image:",
                "  IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME",
                "  POINTS2D[] as (X, Y, POINT3D_ID)",
            ),
            images,
        ),
        "points3D": _table(("3D point list with one line of data per point: none",), []),
        "rigs": _table(
            (
                "Rig calib list with one line of data per calib:",
                "  RIG_ID, NUM_SENSORS, REF_SENSOR_TYPE, REF_SENSOR_ID, SENSORS[] as (SENSOR_TYPE, SENSOR_ID, "
                "HAS_POSE, [QW, QX, QY, QZ, TX, TY, TZ])",
            ),
            [f"1 {count} {' '.join(sensors)}"],
        ),
        "frames": _table(
            (
                "Frame list with one line of data per frame:",
                "  FRAME_ID, RIG_ID, RIG_FROM_WORLD[QW, QX, QY, QZ, TX, TY, TZ], NUM_DATA_IDS, DATA_IDS[] as "
                "(SENSOR_TYPE, SENSOR_ID, DATA_ID)",
            ),
            [frame],
        ),
    }


def _row(values: Sequence[float]) -> str:
    return " ".join(repr(v) for v in values)


def _table(comments: Sequence[str], lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in (*(f"# {comment}" for comment in comments), *lines))
