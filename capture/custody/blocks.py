"""Files read and written past the page cache, so that what is read comes from the disk and not from memory.

O_DIRECT is used where the file system takes it; elsewhere the pages are dropped before reading. Whether a file has
pages in memory is looked up with mincore, so that "read from the disk" is seen and not believed.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
from pathlib import Path
from types import TracebackType

BLOCK = 4 << 20
_DIRECT = getattr(os, "O_DIRECT", 0)
_ALIGNED = 4096  # the largest sector of disks in use; O_DIRECT takes whole sectors only
_WINDOW = 1 << 30  # bytes that one mincore call looks at
_MINCORE = getattr(ctypes.CDLL(None), "mincore", None)


def new_block() -> mmap.mmap:
    """A buffer of BLOCK bytes at a page boundary, as O_DIRECT asks for."""
    return mmap.mmap(-1, BLOCK)


class _Direct:
    """An open file that bypasses the page cache until the system refuses."""

    def __init__(self, path: Path, flags: int, mode: int = 0) -> None:
        flags |= os.O_CLOEXEC
        self._direct = bool(_DIRECT)
        try:
            self.handle = os.open(path, flags | _DIRECT, mode)
        except OSError as err:
            if err.errno != errno.EINVAL or not _DIRECT:
                raise
            self._direct = False
            # A file system may create the file before it refuses the flag.
            self.handle = os.open(path, flags & ~os.O_EXCL, mode)

    def through_the_cache(self) -> None:
        """Go on with buffered calls: at an odd offset, or where the file system knows no other."""
        if self._direct:
            fcntl.fcntl(self.handle, fcntl.F_SETFL, fcntl.fcntl(self.handle, fcntl.F_GETFL) & ~_DIRECT)
        self._direct = False

    def close(self) -> None:
        """Give the handle back; a second call does nothing."""
        if self.handle >= 0:
            os.close(self.handle)
        self.handle = -1


class Source(_Direct):
    """A file that is read once from its first byte to its last. Raises OSError as the system does."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, os.O_RDONLY)

    def fill(self, block: memoryview) -> int:
        """Bytes that were put into the block; fewer than it holds only at the end of the file."""
        total = 0
        while total < len(block):
            try:
                got = os.readv(self.handle, [block[total:]])
            except OSError as err:
                if err.errno != errno.EINVAL or not self._direct:
                    raise
                self.through_the_cache()
                continue
            if not got:
                break
            total += got
        return total

    def __enter__(self) -> Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class Part(_Direct):
    """A new file under a temporary name. The first error of a write is kept, and nothing is written after it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.path = path
        self.error: OSError | None = None

    def write(self, block: memoryview) -> None:
        """Append a block; only the last one may be other than a multiple of the sector."""
        try:
            while len(block) and self.error is None:
                if len(block) < _ALIGNED:
                    self.through_the_cache()
                whole = len(block) - len(block) % _ALIGNED if self._direct else len(block)
                try:
                    block = block[os.write(self.handle, block[:whole]) :]
                except OSError as err:
                    if err.errno != errno.EINVAL or not self._direct:
                        raise
                    self.through_the_cache()
        except OSError as err:
            self.error = err

    def discard(self) -> None:
        """Close and remove the file."""
        self.close()
        self.path.unlink(missing_ok=True)


def drop_pages(handle: int) -> bool:
    """Ask the system to forget the pages of an open file; True when none is left in memory, as far as can be seen."""
    if not hasattr(os, "posix_fadvise"):
        return False
    size = os.fstat(handle).st_size
    for _ in range(2):  # pages on their way through another processor's list leave at the second call
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        if pages_in_memory(handle, size) == 0:
            return True
    return False


def pages_in_memory(handle: int, size: int) -> int | None:
    """Pages of an open file that lie in the page cache, or None where the system does not tell."""
    if _MINCORE is None:
        return None
    pages = 0
    for start in range(0, size, _WINDOW):
        length = min(_WINDOW, size - start)
        vector = (ctypes.c_ubyte * -(-length // mmap.PAGESIZE))()
        # Writable only because ctypes asks for it; a private mapping never reaches the file.
        view = mmap.mmap(handle, length, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE, offset=start)
        first = ctypes.c_char.from_buffer(view)
        failed = _MINCORE(ctypes.byref(first), ctypes.c_size_t(length), vector)
        del first  # a mapping that is pointed to cannot be closed
        view.close()
        if failed:
            return None
        pages += len(vector) - bytes(vector).count(0)
    return pages
