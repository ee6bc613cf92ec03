"""How much of the strict decoding speed is left when every picture is measured as well.

    python -m scripts.bench.decode_gate --photographs FOLDER --out scripts/bench/results [--peer]

Pictures of 12 megapixels are laid out from real photographs with their tags, so that a pixel costs what it costs
there. Strict decode and whole quality control (read, decode, tags, measures, digest, thumbnail) take turns on the
same file. With `--peer` cleanvision looks at the same files, in an environment of its own that is thrown away.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from capture.decode.exif_blocks import jpeg_segments
from capture.decode_all import decode_files
from capture.images import ImageError, read_image
from capture.issues import JsonObject
from capture.measure import decode
from scripts.bench.record import record

WIDTH, HEIGHT = 4032, 3024
PACKAGES = ("numpy", "opencv-python", "simplejpeg", "pillow", "xxhash")
PEER = "cleanvision==0.3.7"
_PEER_RUN = """\
import json, sys, time
from cleanvision import Imagelab
lab = Imagelab(data_path=sys.argv[1])
start = time.process_time()
lab.find_issues(n_jobs=1, verbose=False)
print("SPENT " + json.dumps(time.process_time() - start))
"""


def lay_out(photographs: Path, folder: Path, count: int) -> list[Path]:
    """Write `count` pictures of 12 megapixels, each one photograph beside and below its mirror images."""
    written: list[Path] = []
    for source in sorted(photographs.glob("*.jpg")):
        if len(written) == count:
            break
        try:
            image = read_image(source)
        except ImageError:
            continue
        if image.shape[0] * image.shape[1] < 1_500_000:
            continue
        pair = np.concatenate([image, image[:, ::-1]], axis=1)
        four = np.concatenate([pair, pair[::-1]], axis=0)
        times = (-(-HEIGHT // four.shape[0]), -(-WIDTH // four.shape[1]), 1)
        pixels = np.ascontiguousarray(np.tile(four, times)[:HEIGHT, :WIDTH])
        plain = simplejpeg.encode_jpeg(pixels, 92, "BGR", "420")
        tags = b"".join(
            bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body
            for marker, body in jpeg_segments(source.read_bytes())
            if marker in (0xE1, 0xE2)
        )
        written.append(folder / f"{len(written):02}.jpg")
        written[-1].write_bytes(plain[:2] + tags + plain[2:])
    if not written:
        raise SystemExit(f"{photographs} holds no photograph of 1.5 megapixels or more")
    return written


def processor_time(work: Callable[[], object]) -> float:
    """Seconds of processor time of all threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(files: Sequence[Path], rounds: int) -> JsonObject:
    """MP per second of processor time of both, and their ratio, from pairs that ran right after each other."""
    megapixels = WIDTH * HEIGHT / 1e6
    strict: list[float] = []
    whole: list[float] = []
    for _ in range(rounds):
        for path in files:
            strict.append(processor_time(lambda: simplejpeg.decode_jpeg(path.read_bytes(), "BGR", strict=True)))  # noqa: B023
            whole.append(processor_time(lambda: decode(path)))  # noqa: B023
    return {
        "strict_decode_mp_per_cpu_s": round(megapixels / statistics.median(strict), 1),
        "whole_qc_mp_per_cpu_s": round(megapixels / statistics.median(whole), 1),
        "share_of_strict": round(statistics.median(a / b for a, b in zip(strict, whole, strict=True)), 3),
        "pairs": len(strict),
    }


def on_all_cores(files: Sequence[Path]) -> JsonObject:
    """MP per second of wall time with one worker and with one for each core."""
    found: JsonObject = {"cores": os.cpu_count() or 1}
    list(decode_files(files, workers=os.cpu_count() or 1))  # starts the processes
    for workers in (1, os.cpu_count() or 1):
        start = time.perf_counter()
        list(decode_files(files, workers=workers))
        spent = time.perf_counter() - start
        found[f"mp_per_s_with_{workers}"] = round(len(files) * WIDTH * HEIGHT / 1e6 / spent, 1)
    return found


def peer(folder: Path, count: int) -> JsonObject:
    """The same figure for cleanvision on the same files."""
    with tempfile.TemporaryDirectory() as place:
        venv.create(place, with_pip=True)
        python = Path(place) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", PEER], check=True)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [str(python), "-c", _PEER_RUN, str(folder)]
        run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    line = next(line for line in run.stdout.splitlines() if line.startswith("SPENT "))
    seconds = float(json.loads(line.removeprefix("SPENT ")))
    return {"package": PEER, "mp_per_cpu_s": round(count * WIDTH * HEIGHT / 1e6 / seconds, 1)}


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True, help="folder of JPEG photographs")
    parser.add_argument("--out", type=Path, help="folder of the JSON; none is written without it")
    parser.add_argument("--files", type=int, default=12, help="pictures of 12 megapixels")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", action="store_true", help=f"compare with {PEER} from the package index")
    options = parser.parse_args(argv)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as place:
        files = lay_out(options.photographs, Path(place), options.files)
        results = compare(files, options.rounds)
        results["all_cores"] = on_all_cores(files)
        if options.peer:
            results["peer"] = peer(Path(place), len(files))
    print(json.dumps(results, indent=1))
    if options.out is not None:
        chosen = f"--photographs photographs --files {options.files} --rounds {options.rounds}"
        record(
            options.out / "decode_gate.json",
            command=f"python -m scripts.bench.decode_gate {chosen}{' --peer' if options.peer else ''}",
            packages=PACKAGES,
            figures={"measured": "processor time of all threads", "results": results},
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
