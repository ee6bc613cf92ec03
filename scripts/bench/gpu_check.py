"""Does the training room work on this GPU, and how fast: the demo's twin, and a LoRA step on full-size models.

    python -m scripts.bench.gpu_check --out scripts/bench/results

Writes `gpu_check.json` with machine, versions and command; ends with exit code 1 where there is no GPU. What fails
is written with its reason, and the rest goes on: such a machine is lent for minutes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from capture.issues import JsonObject
from scripts.bench.full_size import measure
from scripts.bench.record import record
from scripts.demo import Size, run_demo

PACKAGES = ("torch", "diffusers", "peft", "accelerate", "transformers", "numpy", "opencv-python-headless")


def main(argv: list[str] | None = None) -> int:
    """Run the check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the JSON")
    parser.add_argument("--steps", type=int, default=Size.steps)
    options = parser.parse_args(argv)
    import torch

    if not torch.cuda.is_available():
        print("no GPU here: torch.cuda.is_available() is False", file=sys.stderr)
        return 1
    lines: list[str] = []
    began = time.monotonic()
    full: JsonObject = {}
    for model in ("sdxl", "flux"):
        try:
            full[model] = measure(model, torch.device("cuda"), rounds=3, steps=4)
        except RuntimeError as err:  # out of memory above all
            full[model] = {"failed": str(err).splitlines()[0]}
        print(model, full[model], flush=True)
        torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        _, _, report = run_demo(Path(folder), size=Size(steps=options.steps), ablate=True, say=lines.append)
    record(
        options.out / "gpu_check.json",
        command=f"python -m scripts.bench.gpu_check --steps {options.steps}",
        packages=PACKAGES,
        figures={
            "seconds": round(time.monotonic() - began, 1),
            "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2),
            "full_size": full,
            "steps": list(lines),
            "report": report.to_json(),
        },
        machine=torch.cuda.get_device_name(),
    )
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
