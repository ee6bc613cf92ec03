"""Small pictures of every shot, on disk: contact sheets show them, and checks that need no detail compare them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from capture import images
from capture.images import Picture
from capture.session import Shot

FOLDER = "thumbnails"


@dataclass(frozen=True)
class Thumbnails:
    """A folder of JPEG files of at most measure.THUMBNAIL_PX pixels, upright, each named after its shot."""

    folder: Path

    def clear(self) -> None:
        """Forget those of an earlier run."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def put(self, shot: Shot, jpeg: bytes) -> None:
        """Keep the thumbnail of a shot, in place of an earlier one."""
        path = self._path(shot)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg)  # the artefact around it is unfinished while this goes on, so nobody reads half a file

    def __contains__(self, shot: Shot) -> bool:
        """True when the shot decoded."""
        return self._path(shot).is_file()

    def jpeg(self, shot: Shot) -> bytes:
        """The file. Raises OSError for a shot that did not decode."""
        return self._path(shot).read_bytes()

    def picture(self, shot: Shot) -> Picture:
        """The pixels (H, W, 3) BGR. Raises OSError for a shot that did not decode."""
        return images.decode_image(self.jpeg(shot))

    def _path(self, shot: Shot) -> Path:
        return self.folder / f"{shot.stem}.jpg"
