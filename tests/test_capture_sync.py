"""Time offsets that are written down or flashed: lags, timecode, tables of times, flashes, and their order of trust."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from capture.sync.evidence import Method, Stream
from capture.sync.flash import by_flash, find_flashes
from capture.sync.lags import Lag, solve
from capture.sync.motion import Step
from capture.sync.offsets import time_offsets
from capture.sync.stamps import by_stamps, match_cameras, read_stamps
from capture.sync.timecode import by_timecode, timecode_seconds

FPS = 25.0
NOWHERE = Path("no file")


def stream(camera: str, *, timecode: str = "", frames: int = 100, fps: float = FPS, card: str = "") -> Stream:
    return Stream(camera, NOWHERE, frames, fps, timecode=timecode, name_on_card=card)


def quiet(count: int = 100) -> list[Step]:
    """Steps of a camera on a tripod before an empty room: noise alone."""
    rng = np.random.default_rng(count)
    return [
        (float(e), 0.0, float(x)) for e, x in zip(rng.normal(1, 0.05, count), rng.normal(0, 2e-3, count), strict=True)
    ]


def lit(steps: list[Step], frame: int, by: float) -> list[Step]:
    """The light jumps by a natural logarithm at a frame."""
    return [(e, r, x + by * (k == frame - 1)) for k, (e, r, x) in enumerate(steps)]


def test_lags_close_their_loops_and_outvote_a_wrong_one() -> None:
    truth = {"a": 0.0, "b": 0.12, "c": 0.0, "d": 0.001}
    rng = np.random.default_rng(3)
    names = list(truth)
    lags = [
        Lag(one, two, truth[two] - truth[one] + float(rng.normal(0, 0.002)), 0.002)
        for k, one in enumerate(names)
        for two in names[k + 1 :]
    ]
    clean = solve(lags, together=0.02)
    assert all(abs(clean.offsets[n] - truth[n]) < 0.005 for n in names)
    assert clean.residual < 0.004
    assert not clean.contradicting
    wrong = Lag("a", "d", 0.4, 0.002)
    outvoted = solve([lag if (lag.first, lag.second) != ("a", "d") else wrong for lag in lags], together=0.02)
    assert all(abs(outvoted.offsets[n] - truth[n]) < 0.006 for n in names)
    assert outvoted.contradicting == (wrong,)
    assert outvoted.residual > 0.1


def test_one_late_camera_is_late_and_the_others_are_not_early() -> None:
    solution = solve([Lag("a", "b", 3.0, 0.1), Lag("b", "c", -3.0, 0.1), Lag("c", "d", 0.0, 0.1)], together=0.5)
    assert solution.offsets == pytest.approx({"a": 0.0, "b": 3.0, "c": 0.0, "d": 0.0}, abs=1e-9)


def test_lags_that_link_not_all_are_misuse() -> None:
    with pytest.raises(ValueError, match="link not all of the cameras"):
        solve([Lag("a", "b", 0.0, 1.0), Lag("c", "d", 0.0, 1.0)], together=0.1)


@pytest.mark.parametrize(
    ("text", "fps", "seconds"),
    [
        ("01:00:00:00", 25.0, 3600.0),
        ("00:00:01:12", 25.0, 1.48),
        ("00:01:00:02", 29.97, 1802 / 29.97),  # counted at 30: a minute of numbers takes longer than a minute
        ("00:01:00;02", 30000 / 1001, 1800 / (30000 / 1001)),  # drop-frame leaves out ;00 and ;01
        ("00:10:00;00", 30000 / 1001, 17982 / (30000 / 1001)),
        ("00:01:00;04", 60000 / 1001, 3600 / (60000 / 1001)),
    ],
)
def test_timecode_reads_frames_and_drop_frames(text: str, fps: float, seconds: float) -> None:
    assert timecode_seconds(text, fps) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize("text", ["", "25:00:00:00", "00:00:00:25", "00:61:00:00", "noon"])
def test_a_timecode_that_cannot_be_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="timecode"):
        timecode_seconds(text, FPS)


def test_cameras_by_timecode() -> None:
    streams = [
        stream("a", timecode="10:00:00:00"),
        stream("b", timecode="10:00:00:07"),
        stream("c", timecode="10:00:00:00"),
    ]
    found = time_offsets(streams, methods=[Method.TIMECODE])
    assert {c.camera: round(c.frames, 6) for c in found.cameras} == {"a": 0, "b": 7, "c": 0}
    assert all(c.method is Method.TIMECODE and c.confidence > 0.9 for c in found.cameras)
    over_midnight = by_timecode([stream("a", timecode="23:59:59:20"), stream("b", timecode="00:00:00:00")])
    assert over_midnight.lags[0].seconds == pytest.approx(0.2)


@pytest.mark.parametrize("codes", [("00:00:00:00", "00:00:00:00"), ("10:00:00:00", "11:00:00:00"), ("10:00:00:00", "")])
def test_a_counter_is_no_clock(codes: tuple[str, str]) -> None:
    found = time_offsets([stream("a", timecode=codes[0]), stream("b", timecode=codes[1])], methods=[Method.TIMECODE])
    assert found.unresolved == ("a", "b")


def write_table(path: Path, times: dict[str, np.ndarray], camera: str = "cam_id") -> Path:
    rows = [f"{k},{name},{t:.6f}" for name, own in times.items() for k, t in enumerate(own)]
    path.write_text("\n".join([f"sync_index,{camera},frame_time", *rows]))
    return path


def test_a_table_of_times_gives_offsets_and_drift(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    grid = np.arange(2500) / FPS  # 100 s
    true = {"0": 40 + grid, "1": 40.093 + grid * (1 + 150e-6), "2": 40 + grid}
    table = read_stamps(
        write_table(tmp_path / "timestamps.csv", {n: t + rng.normal(0, 5e-3, 2500) for n, t in true.items()})
    )
    streams = [stream(f"cam{k}", frames=2500) for k in range(3)]
    evidence = by_stamps(streams, table)
    late = {(lag.first, lag.second): lag.seconds for lag in evidence.lags}
    assert late["cam0", "cam1"] == pytest.approx(0.093 + 50 * 150e-6, abs=1e-3)  # in the middle of the clip
    assert evidence.drift_ppm["cam1"] - evidence.drift_ppm["cam0"] == pytest.approx(150, abs=10)


def test_a_table_that_does_not_fit_says_nothing_or_why(tmp_path: Path) -> None:
    path = write_table(tmp_path / "timestamps.csv", {"0": np.arange(99) / FPS, "1": np.arange(99) / FPS}, "port")
    streams = [stream("cam0"), stream("cam1")]
    assert time_offsets(streams, stamps=path, methods=[Method.STAMPS]).unresolved == (
        "cam0",
        "cam1",
    )  # 99 of 100 frames
    path.write_text("camera;time\n")
    found = time_offsets(streams, stamps=path, methods=[Method.STAMPS])
    assert "it needs cam_id and frame_time" in found.remarks[0]
    path.write_text("cam_id,frame_time\n0,1.0\n0,soon\n")
    with pytest.raises(ValueError, match=r"line 3: frame_time is 'soon'"):
        read_stamps(path)


def test_names_in_a_table_are_matched_without_guessing() -> None:
    streams = [stream("left", card="raw/cam_0.mp4"), stream("cam01"), stream("cam2")]
    assert match_cameras(streams, ["0", "1", "2"]) == {"left": "0", "cam01": "1", "cam2": "2"}
    assert match_cameras([stream("a1"), stream("b1")], ["1"]) == {}
    assert match_cameras([stream("a1")], ["1", "01"]) == {}


def test_the_real_recorders_table_is_exact_for_all_pairs(data_dir: Path) -> None:
    folder = data_dir / "caliscope-4cam" / "calibration" / "extrinsic"
    streams = [stream(f"cam{k}", frames=57, fps=6.0, card=f"cam_{k}.mp4") for k in range(4)]
    found = time_offsets(streams, stamps=folder / "timestamps.csv")
    assert {c.method for c in found.cameras} == {Method.STAMPS}
    frames = [c.frames for c in found.cameras]
    assert [round(b - a) for k, a in enumerate(frames) for b in frames[k + 1 :]] == [0] * 6
    assert max(abs(f) for f in frames) < 0.01


def test_flashes_are_found_in_the_frame_they_happen() -> None:
    steps = lit(lit(quiet(), 40, 0.5), 41, -0.5)
    assert [(round(f.seconds * FPS), f.up) for f in find_flashes(steps, FPS)] == [(40, True), (41, False)]
    assert find_flashes(quiet(), FPS) == ()
    assert find_flashes([], FPS) == ()


def test_cameras_by_flash() -> None:
    names = {"a": 0, "b": 4, "c": 0}
    streams = [stream(n, frames=101) for n in names]
    steps = {n: lit(lit(quiet(), 40 - late, 0.4), 70 - late, -0.3) for n, late in names.items()}
    evidence = by_flash(streams, steps)
    late = {(lag.first, lag.second): lag.seconds * FPS for lag in evidence.lags}
    assert late == pytest.approx({("a", "b"): 4, ("a", "c"): 0, ("b", "c"): -4})


def test_a_flicker_or_a_lamp_of_one_camera_says_nothing() -> None:
    streams = [stream(n, frames=101) for n in "ab"]
    even = quiet()
    for frame in range(10, 100, 10):
        even = lit(even, frame, 0.4)
    assert by_flash(streams, {"a": even, "b": even}).lags == ()
    assert by_flash(streams, {"a": lit(quiet(), 30, 0.4), "b": quiet()}).lags == ()
    assert by_flash(streams, {"a": lit(quiet(), 30, 0.4), "b": lit(quiet(), 30, -0.4)}).lags == ()


def test_a_trusted_method_is_not_moved_and_a_lesser_one_adds_the_rest() -> None:
    steps = {
        n: tuple(lit(lit(quiet(), 40 - late, 0.4), 70 - late, -0.3)) for n, late in {"a": 0, "b": 2, "c": 5}.items()
    }
    codes = {"a": "10:00:00:00", "b": "10:00:00:02", "c": ""}
    streams = [Stream(n, NOWHERE, 101, FPS, timecode=codes[n], steps=steps[n]) for n in "abc"]
    found = time_offsets(streams, methods=[Method.TIMECODE, Method.FLASH])
    assert {c.camera: c.method for c in found.cameras} == {
        "a": Method.TIMECODE,
        "b": Method.TIMECODE,
        "c": Method.FLASH,
    }
    frames = {c.camera: c.frames for c in found.cameras}
    assert [frames["b"] - frames["a"], frames["c"] - frames["a"]] == pytest.approx([2, 5], abs=1e-6)


def test_misuse_is_named() -> None:
    with pytest.raises(ValueError, match="give two or more cameras, each once"):
        time_offsets([stream("a")])
    with pytest.raises(ValueError, match="each once"):
        time_offsets([stream("a"), stream("a")])
