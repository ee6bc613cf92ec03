"""How long a session of 100,000 stills takes to plan: what lies on the card, what is missing, what to shoot again.

    python -m scripts.bench.large_session --out scripts/bench/results

The files are empty of pictures, a byte each: what is measured is everything that ingest does before and after the
pixels. Prints processor seconds and the largest memory of the process; with `--out` also writes `large_session.json`.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from capture.coverage import coverage
from capture.custody.cards import name_cards, take_load
from capture.issues import JsonObject
from capture.session import Session, ShotKind
from capture.validate import Numbers, Original
from scripts.bench.record import record

CAMERAS, LIGHTS, TAKES = 100, 20, 50


def session(takes: int) -> Session:
    """CAMERAS x LIGHTS x takes stills and nothing else."""
    return Session.model_validate(
        {
            "session": {"id": "large", "person": "p", "consent": "c", "date": "2026-01-01"},
            "camera": [{"id": f"cam{k:03d}", "width": 4000, "height": 3000} for k in range(CAMERAS)],
            "light": [{"id": f"light{k:02d}", "azimuth_deg": 18 * k, "elevation_deg": 30} for k in range(LIGHTS)],
            "take": [{"id": f"take{k:03d}"} for k in range(takes)],
            "calibration": {"plates": False},
        }
    )


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of the JSON; none is written without it")
    parser.add_argument("--takes", type=int, default=TAKES, help=f"takes of {CAMERAS * LIGHTS} stills")
    options = parser.parse_args(argv)
    if options.takes < 1:
        parser.error(f"number of takes is {options.takes}; give at least 1")
    shoot = session(options.takes)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for shot in shoot.stills():
            path = folder / f"{shot.stem}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        start = time.process_time()
        load = take_load(name_cards([folder]), shoot)
        listed = time.process_time() - start
        numbers = (Numbers(frame=0, luma=0.2, clipped=0.0, focus=1.0),)
        originals = tuple(
            Original(shot, folder / f"{shot.stem}.jpg", shot.stem, 1, "", 4000, 3000, 1, 0.0, numbers=numbers)
            for shot in shoot.stills()
            if shot.kind is ShotKind.STILL
        )
        start = time.process_time()
        covered, _ = coverage(shoot, originals[:-7], ())
        planned = time.process_time() - start
    frames = len(load.items)
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(f"{frames} stills: listed in {listed:.1f} CPU-s, coverage in {planned:.1f} CPU-s, at most {peak} MB")
    if options.out is not None:
        results: JsonObject = {
            "frames": frames,
            "listing_cpu_s": round(listed, 2),
            "coverage_cpu_s": round(planned, 2),
            "reshoot_lines": len(covered.lines),
            "peak_mb": peak,
        }
        record(
            options.out / "large_session.json",
            command=f"python -m scripts.bench.large_session --takes {options.takes}",
            packages=("pydantic", "numpy"),
            figures={"results": results},
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
