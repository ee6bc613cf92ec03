"""What a verified copy costs, beside what the disk and a known tool take for the same files in the same minutes.

    python -m scripts.bench.verified_copy --peer --out scripts/bench/results

Each round drops the source from memory and runs, one after the other: reading it, writing as much, the copy, and with
`--peer` ocopy from the package index, in an environment that is made for it. The serial bound is what a copy takes that
reads, writes and reads back one after the other, each at the speed of its probe. Beside the seal of our copy, whose
hashes are known by then, `--peer` also runs `ascmhl create`, which has to read the folder again. Prints medians of
ratios within a round; with `--out` also writes `verified_copy.json`.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from capture.custody.blocks import BLOCK, Part, Source, drop_pages, new_block
from capture.custody.items import VAULT, Item
from capture.custody.journal import Evidence
from capture.custody.offload import Offload, offload
from capture.issues import JsonObject
from capture.mhl.originals import seal_originals
from capture.vault import SessionFolder
from scripts.bench.record import record

PEER = "ocopy==0.9.2"
_SIZES_MB = (2, 5, 5, 5, 12, 12, 60)  # pictures of three cameras and a clip


@dataclass(frozen=True)
class Cost:
    """What one run took for every gigabyte."""

    wall: float  # s/GB
    cpu: float  # s/GB, of all threads and children


def measure(gigabytes: float, run: Callable[[], object]) -> Cost:
    """Run once."""
    wall, cpu = time.perf_counter(), _cpu()
    run()
    return Cost((time.perf_counter() - wall) / gigabytes, (_cpu() - cpu) / gigabytes)


def make_card(folder: Path, megabytes: int) -> list[Path]:
    """Files of the sizes of a shoot, with bytes that no disk can compress."""
    files: list[Path] = []
    total = 0
    while total < megabytes:
        size = _SIZES_MB[len(files) % len(_SIZES_MB)]
        path = folder / f"DCIM/1{len(files) // 20:02}CARD/_ABC{len(files):04}.JPG"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size * 1_000_000 + 4321))
        files.append(path)
        total += size
    return files


def forget(files: list[Path]) -> None:
    """Drop the files from memory."""
    for path in files:
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
            drop_pages(stream.fileno())


def read_all(files: list[Path]) -> None:
    """The probe of reading: past the page cache, the faster of the two ways."""
    block = memoryview(new_block())
    for path in files:
        with Source(path) as stream:
            while stream.fill(block) == BLOCK:
                pass


def write_all(files: list[Path], folder: Path) -> None:
    """The probe of writing: as many files of the same sizes, each flushed."""
    block = memoryview(new_block())
    folder.mkdir()
    for path in files:
        part = Part(folder / path.name)
        left = path.stat().st_size
        while left:
            part.write(block[: min(left, BLOCK)])
            left -= min(left, BLOCK)
        if part.error is not None:
            raise part.error
        os.fsync(part.handle)
        part.close()


def copy_all(card: Path, files: list[Path], target: Path) -> Offload:
    """Our copy; every file must have been read back from the disk, or the figure would be of something else."""
    names = [path.relative_to(card).as_posix() for path in files]
    items = [Item(name, path, "card", name) for name, path in zip(names, files, strict=True)]
    copies = offload(items, SessionFolder(target), cards={"card": card})
    return _verified(copies)


def seal_all(copies: Offload, target: Path) -> None:
    """The ASC MHL generation of our copy."""
    if not seal_originals(SessionFolder(target), VAULT, copies, when=dt.datetime.now(dt.UTC)).written:
        raise SystemExit("seal of a fresh copy wrote nothing; it must")


def _verified(copies: Offload) -> Offload:
    levels = {level for trace in copies.traces for level in trace.places.values()}
    if copies.issues or levels != {Evidence.DISK}:
        raise SystemExit(f"copy is not verified from the disk: {copies.issues[:1]} {levels}; choose another --work")
    return copies


def round_of(card: Path, files: list[Path], work: Path, peer: Path | None) -> dict[str, Cost]:
    """One round: probes, our copy, the peer's."""
    gigabytes = sum(path.stat().st_size for path in files) / 1e9
    costs: dict[str, Cost] = {}
    copied: list[Offload] = []
    runs: dict[str, Callable[[], object]] = {
        "read": lambda: read_all(files),
        "write": lambda: write_all(files, work / "write"),
        "ours": lambda: copied.append(copy_all(card, files, work / "ours")),
        "seal": lambda: seal_all(copied[0], work / "ours"),
        "ours_again": lambda: copy_again(card, files, work / "ours"),
    }
    if peer is not None:
        (work / "peer").mkdir()
        runs["peer"] = lambda: _quietly(str(peer), str(card), str(work / "peer"))
        runs["peer_seal"] = lambda: _quietly(_ascmhl(), "create", "-h", "xxh128", str(work / "peer"))
    for name, run in runs.items():
        forget(files)
        costs[name] = measure(gigabytes, run)
    for name in ("write", "ours", "peer"):
        shutil.rmtree(work / name, ignore_errors=True)
    return costs


def _quietly(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _ascmhl() -> str:
    """The reference tool, which the set-up installs beside us."""
    return str(Path(sys.executable).with_name("ascmhl"))


def copy_again(card: Path, files: list[Path], target: Path) -> None:
    """A second run of a finished copy."""
    names = [path.relative_to(card).as_posix() for path in files]
    items = [Item(name, path, "card", name) for name, path in zip(names, files, strict=True)]
    if offload(items, SessionFolder(target), cards={"card": card}).wrote:
        raise SystemExit("second run of a finished copy wrote something; it must not")


def summary(rounds: list[dict[str, Cost]]) -> JsonObject:
    """Medians, and ratios within each round."""
    result: JsonObject = {}
    for name in rounds[0]:
        result[name] = {
            "cpu_s_per_gb": _median([costs[name].cpu for costs in rounds]),
            "wall_s_per_gb": _median([costs[name].wall for costs in rounds]),
        }
    bound = [2 * costs["read"].wall + costs["write"].wall for costs in rounds]
    result["share_of_serial_bound"] = _median([b / c["ours"].wall for b, c in zip(bound, rounds, strict=True)])
    if "peer" in rounds[0]:
        result["peer_cpu_over_ours"] = _median([costs["peer"].cpu / costs["ours"].cpu for costs in rounds])
        result["peer_seal_cpu_over_ours"] = _median([c["peer_seal"].cpu / c["seal"].cpu for c in rounds])
        result["peer_wall_over_ours"] = _median([costs["peer"].wall / costs["ours"].wall for costs in rounds])
    return result


def make_peer(folder: Path) -> Path:
    """The command of the peer in an environment of its own."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", PEER], check=True)
    return folder / "bin" / "ocopy"


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder of the JSON; none is written without it")
    parser.add_argument("--work", type=Path, help="folder on the disk to measure; a temporary one by default")
    parser.add_argument("--megabytes", type=int, default=250, help="size of the card")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", action="store_true", help=f"also run {PEER}")
    options = parser.parse_args(argv)
    if options.megabytes < 1 or options.rounds < 1:
        parser.error(f"{options.megabytes} MB and {options.rounds} rounds are too few; give at least 1 of each")
    with tempfile.TemporaryDirectory(dir=options.work) as temporary:
        work = Path(temporary)
        peer = make_peer(work / "environment") if options.peer else None
        files = make_card(work / "card", options.megabytes)
        rounds = [round_of(work / "card", files, work, peer) for _ in range(options.rounds)]
    results = summary(rounds)
    for name, value in results.items():
        print(f"{name}: {value}")
    if options.out is not None:
        command = f"python -m scripts.bench.verified_copy --megabytes {options.megabytes} --rounds {options.rounds}"
        record(
            options.out / "verified_copy.json",
            command=command + (f" --peer  # {PEER}" if options.peer else ""),
            packages=("xxhash", "ascmhl"),
            figures={"load_at_the_end": round(os.getloadavg()[0], 1), "openssl": ssl.OPENSSL_VERSION, **results},
        )
    return 0


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 3)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


if __name__ == "__main__":
    sys.exit(main())
