"""Every file of a session through the decoders: on all cores, in order, and no file stops another."""

from __future__ import annotations

import atexit
import json
import os
import queue
import select
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import capture
from capture import video
from capture.decode.maker_notes import serials_by_exiftool
from capture.decode_worker import Refusal, unpack
from capture.issues import Issue, issue
from capture.session import Shot
from capture.thumbnails import Thumbnails
from capture.validate import Original

if TYPE_CHECKING:
    from capture.custody.offload import Custody
    from capture.vault import SessionFolder

Found: TypeAlias = "dict[str, object] | Refusal"

_PER_WORKER = 24 << 20  # bytes of files that pay for starting one more process
_AHEAD = 16  # answers that may wait for an earlier one, for each worker
_LARGE = 48 << 20  # bytes; files from here on are decoded one at a time, as each may take 0.7 GB
_PATIENCE_S = 120.0  # for a picture; the largest takes seconds on a busy machine
_PATIENCE_PER_MB_S = 20.0  # for a video, on top


@dataclass(frozen=True)
class Looked:
    """What became of the files: those that decode, and an issue for each that does not."""

    originals: tuple[Original, ...]
    issues: tuple[Issue, ...]


def decode_all(folder: SessionFolder, shots: Mapping[Shot, Custody], thumbnails: Thumbnails) -> Looked:
    """Decode every file to its end and measure it; thumbnails go to disk as they come."""
    originals: list[Original] = []
    issues: list[Issue] = []
    thumbnails.clear()
    paths = [folder.originals / record.logical for record in shots.values()]
    for (shot, record), path, found in zip(shots.items(), paths, decode_files(paths), strict=True):
        if isinstance(found, Refusal):
            issues.append(issue(found.code, where=record.logical, found=found.found))
            continue
        thumbnail = found.pop("thumbnail")
        assert isinstance(thumbnail, bytes)
        thumbnails.put(shot, thumbnail)
        # The names and types are those of measure.Decoded, which Original shares.
        originals.append(
            Original(
                shot=shot, path=path, name_on_card=record.name_on_card, size=record.size, sha256=record.sha256,
                xxh128=record.xxh128, **found,  # type: ignore[arg-type]
            )
        )  # fmt: skip
    return Looked(tuple(_with_serials(originals)), tuple(issues))


def decode_files(paths: Sequence[Path], *, workers: int = 0) -> Iterator[Found]:
    """What each file gives, in the order of `paths`; `workers` is the number of processes, 0 for what pays.

    The processes are kept for the next call. One that dies is replaced and its file tried once more alone.
    """
    sizes = [path.stat().st_size if path.is_file() else 0 for path in paths]
    count = workers or min(os.cpu_count() or 1, 1 + sum(sizes) // _PER_WORKER, max(len(paths), 1))
    threads = 1 if len(paths) > 2 * count else 0  # of a video's decoder: a lone clip gets every core
    tasks: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    answers: dict[int, Found] = {}
    arrived, room = threading.Condition(), threading.Semaphore(count * _AHEAD)
    stop = threading.Event()

    def serve(worker: _Worker) -> None:
        while (number := tasks.get()) is not None and not stop.is_set():
            with _one_large if sizes[number] >= _LARGE else nullcontext():
                try:
                    found = worker.ask(paths[number], sizes[number], threads)
                except Exception as err:  # whoever waits for this answer would wait for ever
                    found = Refusal("INTERNAL_ERROR", f"{type(err).__name__}: {err}")
            with arrived:
                answers[number] = found
                arrived.notify()

    with _crew_lock:
        crew = _crew(count)
        servers = [threading.Thread(target=serve, args=(worker,), daemon=True) for worker in crew]
        for server in servers:
            server.start()
        try:
            sent = 0
            for number in range(len(paths)):
                while sent < len(paths) and room.acquire(blocking=False):
                    tasks.put(sent)
                    sent += 1
                with arrived:
                    arrived.wait_for(lambda: number in answers)  # noqa: B023  # waited for within this turn
                    found = answers.pop(number)
                room.release()
                yield found
        finally:
            stop.set()
            for _ in servers:
                tasks.put(None)
            for server in servers:
                server.join()


class _Worker:
    """A decoder process and the talk with it; started when it is first asked."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, path: Path, size: int, threads: int) -> Found:
        """What the file gives. A process that dies over it is replaced once, as another may have taken its memory."""
        is_video = path.suffix.lower() in video.EXTENSIONS
        patience = _PATIENCE_S + (_PATIENCE_PER_MB_S * size / 1e6 if is_video else 0)
        line = json.dumps({"path": str(path), "threads": threads}) + "\n"
        code = 0
        for _ in range(2):
            try:
                process = self._running()
            except OSError as err:
                return Refusal("DECODER_STOPPED", f"its decoder could not be started: {err.strerror or err}")
            try:
                assert process.stdin is not None
                process.stdin.write(line.encode())
                process.stdin.flush()
                answer = _line_of(process, patience)
            except TimeoutError:
                self.close()
                return Refusal("DECODER_STOPPED", f"its decoder was still at work after {patience:.0f} seconds")
            except BrokenPipeError:
                answer = b""
            if answer.endswith(b"\n"):
                values = json.loads(answer)
                return Refusal(values["code"], values["found"]) if "code" in values else unpack(values)
            code = process.wait()
            self.close()
        reason = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Refusal("DECODER_STOPPED", f"its decoder ended with {reason}, twice")

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
        self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            root = str(Path(capture.__file__).resolve().parents[1])
            environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
            # -P: a folder called `capture` where the command was typed must not be taken for this one.
            command = [sys.executable, "-P", "-m", "capture.decode_worker"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, bufsize=0
            )
        return self._process


def _line_of(process: subprocess.Popen[bytes], patience: float) -> bytes:
    """The next line of its answers, or what came of it before the process ended. Raises TimeoutError."""
    assert process.stdout is not None
    parts: list[bytes] = []
    while not (parts and parts[-1].endswith(b"\n")):
        ready, _, _ = select.select([process.stdout], [], [], patience)
        if not ready:
            raise TimeoutError
        part = os.read(process.stdout.fileno(), 1 << 20)
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


_kept: list[_Worker] = []
_crew_lock = threading.Lock()
_one_large = threading.Lock()


def _crew(count: int) -> list[_Worker]:
    while len(_kept) < count:
        _kept.append(_Worker())
    return _kept[:count]


@atexit.register
def _dismiss() -> None:
    for worker in _kept:
        worker.close()


def _with_serials(originals: list[Original]) -> list[Original]:
    """Where exiftool is installed it is asked for the serial numbers that were not found: first of one file of each
    camera, and of the others only where that has one."""
    bare: dict[str, list[Original]] = {}
    for original in originals:
        bare.setdefault(original.shot.camera, []).append(original)
    asked = [files[0] for files in bare.values() if files[0].exif.make and not any(o.exif.serial for o in files)]
    first = serials_by_exiftool([o.path for o in asked])
    cameras = {o.shot.camera for o in asked if o.path in first}
    serials = serials_by_exiftool([o.path for o in originals if o.shot.camera in cameras and o.exif.make])
    return [
        replace(o, exif=replace(o.exif, serial=serials[o.path])) if o.path in serials else o for o in originals
    ]  # fmt: skip
