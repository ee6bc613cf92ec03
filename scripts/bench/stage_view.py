"""How much processor time the simulated studio takes to draw one view of a person, with her shadow, at 1024 px.

    python -m scripts.bench.stage_view --out scripts/bench/results

Prints the median per number of samples; with `--out` also writes `stage_view.json` with machine, versions and command.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from capture.issues import JsonObject
from capture.stage.person import make_person
from capture.stage.render import render
from capture.stage.rig import make_lights, make_rig
from capture.stage.scene import Limb, Scene, Stance
from scripts.bench.record import record

SIZE = 1024
PACKAGES = ("numpy", "opencv-python", "opencv-python-headless")


def measure(views: int, supersample: int) -> list[float]:
    """Milliseconds of processor time of each view: three people, twelve cameras and four lights in turn.

    What is kept between views (paint, light on the body, empty studio) is made before the clock starts.
    """
    cameras, lights = make_rig(12, seed=0, image_size=SIZE), make_lights(4)
    scenes = (
        Scene(make_person(1), Stance(), "black"),
        Scene(make_person(2), Stance(facing_deg=30, arm_left=Limb(10, 15, 20)), "striped", "white"),
        Scene(make_person(7), Stance(facing_deg=-100, head_turn_deg=10), "red", "black"),
    )
    spent = []
    for k in range(views):
        scene, camera, light = scenes[k % 3], cameras[k % 12], lights[k % 4]
        render(scene, camera, light, supersample=supersample)
        start = time.process_time()
        render(scene, camera, light, supersample=supersample)
        spent.append(1e3 * (time.process_time() - start))
    return spent


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of the JSON; none is written without it")
    parser.add_argument("--views", type=int, default=20, help="views per number of samples")
    options = parser.parse_args(argv)
    if options.views < 1:
        parser.error(f"number of views is {options.views}; give at least 1")
    results: JsonObject = {}
    for supersample in (1, 2):
        spent = measure(options.views, supersample)
        median = round(statistics.median(spent), 1)
        print(f"supersample {supersample}: {median} ms CPU per {SIZE} px view, median of {len(spent)}")
        results[f"supersample_{supersample}"] = {"median_ms": median, "max_ms": round(max(spent), 1), "n": len(spent)}
    if options.out is not None:
        record(
            options.out / "stage_view.json",
            command=f"python -m scripts.bench.stage_view --views {options.views}",
            packages=PACKAGES,
            figures={"measured": "processor time of all threads", "results": results},
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
