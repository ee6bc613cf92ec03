"""One file on its way: read once from the card, digested and written to every disk at the same time, and read back.

While one block is digested and written by other threads, the next one is read. Copies are compared by XXH3-128; SHA-256
is taken once, of what the card gave.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import xxhash

from capture.custody.blocks import Part, Source, drop_pages, new_block
from capture.custody.journal import Evidence


@dataclass(frozen=True)
class Digests:
    """What a file's bytes are."""

    size: int
    sha256: str
    xxh128: str


@dataclass(frozen=True)
class Read:
    """A file of the card as it was read."""

    digests: Digests
    mtime_ns: int
    steady: bool  # size and time were the same before and after


class Copier:
    """Two buffers and the threads that digest and write one while the other is filled."""

    def __init__(self, parts: int) -> None:
        self._blocks = (memoryview(new_block()), memoryview(new_block()))
        self._pool = ThreadPoolExecutor(max_workers=1 + parts, thread_name_prefix="copy")

    def __enter__(self) -> Copier:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None) -> None:
        self._pool.shutdown()

    def copy(self, source: Path, parts: Sequence[Part]) -> Read:
        """Read `source` to its end and write it to the parts; with none it is only digested.

        Raises OSError for trouble with the source. Trouble of a part stays in its `error`, and the others go on.
        """
        sha256, xxh128, size = hashlib.sha256(), xxhash.xxh3_128(), 0
        current, spare = self._blocks

        def digest(view: memoryview) -> None:
            sha256.update(view)
            xxh128.update(view)

        with Source(source) as stream:
            before = os.fstat(stream.handle)
            count = stream.fill(current)
            while count:
                view = current[:count]
                size += count
                jobs: list[Future[None]] = [self._pool.submit(digest, view)]
                jobs += [self._pool.submit(part.write, view) for part in parts if part.error is None]
                try:
                    count = stream.fill(spare)
                finally:
                    wait(jobs)  # they read the block that is filled next
                for job in jobs:
                    job.result()
                current, spare = spare, current
            after = os.fstat(stream.handle)
        digests = Digests(size, sha256.hexdigest(), xxh128.hexdigest())
        steady = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns) == (size, after.st_mtime_ns)
        return Read(digests, before.st_mtime_ns, steady)


def flush(part: Part, mtime_ns: int) -> None:
    """Give a part its time and rights, and wait until the disk has it. Raises OSError."""
    if part.error is not None:
        raise part.error
    os.utime(part.handle, ns=(mtime_ns, mtime_ns))
    os.fchmod(part.handle, 0o444)
    os.fsync(part.handle)
    part.close()


def read_back(path: Path, block: memoryview) -> tuple[str, Evidence]:
    """XXH3-128 of a file on a disk, and whether it came from there. Raises OSError."""
    digest = xxhash.xxh3_128()
    with Source(path) as stream:
        evidence = Evidence.DISK if drop_pages(stream.handle) else Evidence.CACHE
        while count := stream.fill(block):
            digest.update(block[:count])
    return digest.hexdigest(), evidence
