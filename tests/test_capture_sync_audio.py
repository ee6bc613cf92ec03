"""Time offsets by sound: known lags and drifts of drawn rooms, through files with a sound track and without."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from conftest import texture
from numpy.typing import NDArray

from capture.sync.audio import by_audio, read_sound, sound_lag
from capture.sync.evidence import Method, Stream
from capture.sync.offsets import time_offsets

RATE = 8000
Floats = NDArray[np.float64]


def room(seconds: float, seed: int) -> Floats:
    """Steps and claps at random times: short bursts of noise that die away."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(round(seconds * RATE))
    burst = np.exp(-np.arange(800) / 120)
    for start in rng.uniform(0, seconds - 0.2, round(seconds * 2)):
        at = int(start * RATE)
        sound[at : at + 800] += rng.normal(0, rng.uniform(0.2, 1), 800) * burst
    return sound


def heard(sound: Floats, *, late_s: float = 0.0, slow_ppm: float = 0.0, seed: int = 0) -> Floats:
    """What a camera records that begins late, or whose clock runs slow; with noise of its own."""
    count = len(sound) - round(abs(late_s) * RATE) - 100
    at = np.arange(count) * (1 + slow_ppm * 1e-6) + late_s * RATE
    own = np.random.default_rng(seed + 100)
    return np.interp(at, np.arange(len(sound)), sound) + own.normal(0, 0.02, count)


@pytest.mark.parametrize("late_s", [0.0, 0.0123, 3.4567])
def test_a_known_lag_is_found_to_a_millisecond(late_s: float) -> None:
    sound = room(25, 1)
    found = sound_lag(heard(sound, seed=1), heard(sound, late_s=late_s, seed=2), reach_s=10)
    assert found is not None
    assert found.seconds == pytest.approx(late_s, abs=1e-3)
    assert found.clear > 0.8


@pytest.mark.parametrize("ppm", [150.0, -40.0, 0.0])
def test_a_drift_is_found_to_a_few_ppm(ppm: float) -> None:
    sound = room(120, 2)
    found = sound_lag(heard(sound, seed=1), heard(sound, late_s=0.5, slow_ppm=ppm, seed=2), reach_s=10)
    assert found is not None
    assert found.drift_ppm == pytest.approx(ppm, abs=5)


def test_other_rooms_and_silence_say_nothing() -> None:
    for seed in range(5):
        found = sound_lag(heard(room(25, seed)), heard(room(25, seed + 50), seed=3), reach_s=10)
        assert found is None or found.clear < 0.5
    assert sound_lag(np.zeros(25 * RATE), heard(room(25, 1)), reach_s=10) is None
    assert sound_lag(np.zeros(0), np.zeros(0), reach_s=10) is None


def write_clip(path: Path, sound: Floats | None) -> None:
    """A video of two seconds less than its sound is long, with AAC sound on demand."""
    with av.open(str(path), "w") as container:
        picture = container.add_stream("libx264", rate=25)
        picture.width = picture.height = 64
        picture.pix_fmt = "yuv420p"
        track = container.add_stream("aac", rate=48000, layout="mono") if sound is not None else None
        for n in range(10):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(texture(n)), "bgr24")))
        container.mux(picture.encode(None))
        if track is None or sound is None:
            return
        fine = np.interp(np.arange(len(sound) * 6) / 6, np.arange(len(sound)), sound).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(np.clip(fine, -1, 1), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(track.encode(frame))
        container.mux(track.encode(None))


def test_cameras_by_the_sound_in_their_files(tmp_path: Path) -> None:
    sound = room(14, 5)
    late = {"a": 0.0, "b": 0.28, "c": 0.0}
    for k, (name, seconds) in enumerate(late.items()):
        write_clip(tmp_path / f"{name}.mp4", heard(sound, late_s=seconds, seed=k))
    write_clip(tmp_path / "mute.mp4", None)
    streams = [Stream(name, tmp_path / f"{name}.mp4", 10, 25.0) for name in (*late, "mute")]
    assert not len(read_sound(tmp_path / "mute.mp4"))
    assert not by_audio(streams, reach_s=5).drift_ppm  # too short to tell
    found = time_offsets(streams, methods=[Method.AUDIO])
    assert {c.camera: round(c.seconds, 3) for c in found.cameras} == pytest.approx(late, abs=2e-3)
    assert found.unresolved == ("mute",)
