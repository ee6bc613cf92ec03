"""Pose networks: outputs decoded where their peaks are, a real ONNX file run where onnxruntime is, clear words else."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from calibration.motion.detector import Detector, decode, load_detector

HAS_RUNTIME = importlib.util.find_spec("onnxruntime") is not None
WIDTH, HEIGHT, POINTS = 48, 64, 17


class _Input:
    name = "input"
    shape = (1, 3, HEIGHT, WIDTH)


class Brightest:
    """A network whose every point lies where the cut-out picture is brightest, as SimCC with two bins a pixel."""

    def get_inputs(self) -> Sequence[_Input]:
        return [_Input()]

    def run(self, names: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        plane = feed["input"][0].sum(axis=0)
        x, y = np.repeat(plane.max(axis=0), 2), np.repeat(plane.max(axis=1), 2)
        return [np.tile(line / 10, (1, POINTS, 1)).astype(np.float32) for line in (x, y)]


def spot(u: int, v: int) -> np.ndarray:
    picture = np.full((200, 300, 3), 20, dtype=np.uint8)
    picture[v - 4 : v + 5, u - 4 : u + 5] = 250
    return picture


@pytest.mark.parametrize("box", [None, (60.0, 30.0, 180.0, 190.0), (-40.0, -20.0, 150.0, 130.0)])
def test_a_point_comes_back_to_its_place_in_the_picture(box: tuple[float, float, float, float] | None) -> None:
    places, scores = Detector(Brightest(), WIDTH, HEIGHT).look(spot(120, 90), box)
    assert places.shape == (POINTS, 2)
    assert scores.shape == (POINTS,)
    # A pixel of the network is up to 8 of the picture, and the spot is 9 wide.
    assert np.abs(places - (120, 90)).max() < 9
    assert np.abs(Detector(Brightest(), WIDTH, HEIGHT).look(spot(160, 90), box)[0] - (120, 90)).max() > 15


def test_frames_become_keypoints_of_the_layout() -> None:
    detector = Detector(Brightest(), WIDTH, HEIGHT)
    seen = detector.follow([spot(100 + 10 * k, 90) for k in range(4)])
    assert seen.names[16] == "right_ankle"
    assert np.allclose(np.diff(seen.places[:, 0, 0]), 10, atol=9)
    assert seen.confidence.max() <= 1
    with pytest.raises(ValueError, match="no pictures"):
        detector.follow([])


def test_simcc_is_decoded_by_its_bins() -> None:
    x, y = np.zeros((1, 3, 2 * WIDTH), np.float32), np.zeros((1, 3, 2 * HEIGHT), np.float32)
    for j, (u, v) in enumerate([(10, 20), (31, 63), (0, 1)]):
        x[0, j, u], y[0, j, v] = 0.9, 0.7
    places, scores = decode([x, y], WIDTH, HEIGHT)
    assert places.tolist() == [[5.0, 10.0], [15.5, 31.5], [0.0, 0.5]]
    assert scores == pytest.approx([0.7] * 3)


def test_heatmaps_are_decoded_to_a_fraction_of_a_cell() -> None:
    v, u = np.mgrid[0 : HEIGHT // 4, 0 : WIDTH // 4]
    maps = np.stack([np.exp(-((u - a) ** 2 + (v - b) ** 2) / 4) for a, b in ((5.3, 9.0), (2.0, 3.8))])
    places, scores = decode([maps[None].astype(np.float32)], WIDTH, HEIGHT)
    # A cell is 4 pixels; its middle is at 4 k + 1.5, and the peak is told to a quarter of a cell.
    assert np.abs(places - (4 * np.array([[5.3, 9.0], [2.0, 3.8]]) + 1.5)).max() <= 1.0
    assert (scores > 0.9).all()


def test_other_outputs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"gives \[\(1, 51\)\]; SimCC"):
        decode([np.zeros((1, 51), np.float32)], WIDTH, HEIGHT)
    with pytest.raises(ValueError, match="SimCC"):
        decode([], WIDTH, HEIGHT)


def test_pictures_and_boxes_of_no_use_are_refused() -> None:
    detector = Detector(Brightest(), WIDTH, HEIGHT)
    with pytest.raises(ValueError, match="give \\(H, W, 3\\) BGR"):
        detector.look(np.zeros((20, 20), np.uint8))
    with pytest.raises(ValueError, match="box of the person is"):
        detector.look(spot(50, 50), (10.0, 10.0, 10.0, 50.0))


def test_a_missing_file_and_a_missing_runtime_are_said_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="is not there; give a local .onnx file, nothing is downloaded"):
        load_detector(tmp_path / "none.onnx")
    (tmp_path / "a.onnx").write_bytes(tiny_network())
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match="onnxruntime is not installed; install the extra `pose`"):
        load_detector(tmp_path / "a.onnx")


@pytest.mark.skipif(not HAS_RUNTIME, reason="onnxruntime is not installed (the extra `pose`)")
def test_a_network_in_a_file_is_run(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(tiny_network())
    detector = load_detector(tmp_path / "a.onnx")
    assert (detector.width, detector.height) == (WIDTH, HEIGHT)
    places, _ = detector.look(spot(120, 90))
    # The tiny network has one heatmap a colour, the picture itself: all peak in the spot.
    assert places.shape == (3, 2)
    assert np.abs(places - (120, 90)).max() < 12
    (tmp_path / "b.onnx").write_bytes(b"no network")
    with pytest.raises(ValueError, match="b.onnx cannot be loaded"):
        load_detector(tmp_path / "b.onnx")
    (tmp_path / "c.onnx").write_bytes(tiny_network((1, 1, 8, 8)))
    with pytest.raises(ValueError, match=r"takes \[1, 1, 8, 8\]; a fixed \(1, 3, height, width\)"):
        load_detector(tmp_path / "c.onnx")


def tiny_network(shape: tuple[int, ...] = (1, 3, HEIGHT, WIDTH)) -> bytes:
    """An ONNX file with one node, Identity, from `input` to `maps`: the few fields of onnx.proto that it needs."""

    def number(value: int) -> bytes:
        out = b""
        while value > 127:
            out, value = out + bytes([value & 127 | 128]), value >> 7
        return out + bytes([value])

    def whole(tag: int, value: int) -> bytes:
        return number(tag << 3) + number(value)

    def part(tag: int, content: bytes | str) -> bytes:
        raw = content.encode() if isinstance(content, str) else content
        return number(tag << 3 | 2) + number(len(raw)) + raw

    def value(name: str) -> bytes:
        sides = b"".join(part(1, whole(1, side)) for side in shape)
        return part(1, name) + part(2, part(1, whole(1, 1) + part(2, sides)))

    node = part(1, "input") + part(2, "maps") + part(4, "Identity")
    graph = part(1, node) + part(2, "tiny") + part(11, value("input")) + part(12, value("maps"))
    return whole(1, 8) + part(8, part(1, "") + whole(2, 13)) + part(7, graph)
