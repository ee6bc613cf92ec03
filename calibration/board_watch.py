"""The board shots while they are made: looks at a tether folder again and again and says what to show next.

A picture counts when its size and time stood still over two looks; each is searched once, in memory, and nothing is
written into the folder. Consent is asked at every look, before a picture is opened.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from calibration.detect import Corners, detect_frames, make_finder
from calibration.guide import Guide, guide
from calibration.target import Target, target_of
from capture.admission import ON_THE_CARD, Papers, admit_shoot
from capture.images import ImageError, read_image
from capture.layout import Found, take_inventory
from capture.session import ShotKind, read_session
from capture.vault import Vault
from capture.video import EXTENSIONS, VideoError, read_frames
from capture.watch import PATIENCE_S, Signature, latest_of, scan

_AT_ONCE = 24  # pictures that one look searches, so that the first advice comes soon
_EVERY_FRAME = 10  # of a clip of the board: neighbours show it in the same place
_THREADS = 2


@dataclass(frozen=True)
class BoardSight:
    """What one look saw."""

    at: float  # seconds since the epoch
    guide: Guide
    landed: tuple[str, ...]  # pictures that this look searched
    without: tuple[str, ...]  # pictures in which the board is not found
    waiting: tuple[str, ...]  # not searched yet
    broken: tuple[str, ...]  # that do not decode
    note: str = ""  # why the folder could not be looked at


class BoardWatcher:
    """Looks at the board shots of one folder."""

    def __init__(self, folder: Path, vault: Vault, *, papers: Papers = ON_THE_CARD) -> None:
        """Raises ValueError where session.toml has no board, InvalidSession and ConsentRefused as ingest does."""
        self.folder = folder
        self._vault, self._admission, self._papers = vault, papers, papers.folder or folder
        self.session = read_session(self._papers)
        board = self.session.calibration.board
        if board is None:
            raise ValueError(f"session.toml in {self._papers} describes no board; fill in [calibration.board]")
        self._target: Target = target_of(board)
        self._sizes = {camera.id: (camera.width, camera.height) for camera in self.session.camera}
        self._admit()
        head = self.session.session
        self.page_folder = vault.session(head.person, head.id).derived("watch")
        self._seen: dict[str, tuple[Signature, float]] = {}
        self._searched: dict[str, tuple[Signature, dict[str, Corners] | None]] = {}  # None: does not decode

    def look(self, now: float) -> BoardSight:
        """See what has landed, find the board in it and judge all shots. `now` is in seconds since the epoch."""
        self._admit()
        try:
            signatures = scan(self.folder)
            inventory = take_inventory(self.folder, self.session)
        except OSError as err:
            note = f"The folder cannot be read: {err.strerror or err}."
            return BoardSight(now, self._judge(()), (), (), (), (), note)
        boards = [item for item in latest_of(inventory).values() if item.shot.kind is ShotKind.BOARD]
        ready = [item for item in boards if self._stands(item.name, signatures.get(item.name), now)]
        new = [item for item in ready if self._is_new(item, signatures[item.name])][:_AT_ONCE]
        with ThreadPoolExecutor(_THREADS) as pool:
            for item, found in zip(new, pool.map(self._search, new), strict=True):
                self._searched[item.name] = (signatures[item.name], found)
        known = {item.name: self._searched[item.name][1] for item in boards if item.name in self._searched}
        broken = tuple(
            name for name, found in known.items() if found is None and now - self._seen[name][1] >= PATIENCE_S
        )
        waiting = tuple(i.name for i in boards if known.get(i.name) is None and i.name not in broken)
        without = tuple(name for name, found in known.items() if found == {})
        return BoardSight(now, self._judge(boards), tuple(i.name for i in new), without, waiting, broken)

    def _admit(self) -> None:
        admit_shoot(self._papers, self._vault, self.session, self._admission)

    def _stands(self, name: str, signature: Signature | None, now: float) -> bool:
        """True when an earlier look saw the file as it is now, or it is older than any copy that still runs."""
        if signature is None:
            return False
        known = self._seen.get(name)
        if known is None or known[0] != signature:
            written = signature[1] / 1e9
            self._seen[name] = (signature, written if now - written >= PATIENCE_S else now)
        return now - self._seen[name][1] > 0

    def _is_new(self, item: Found, signature: Signature) -> bool:
        """True for what was not searched as it is; what did not decode is tried again when it has changed."""
        known = self._searched.get(item.name)
        return known is None or known[0] != signature

    def _search(self, item: Found) -> dict[str, Corners] | None:
        try:
            if item.path.suffix.lower() in EXTENSIONS:
                frames = detect_frames(read_frames(item.path, every=_EVERY_FRAME), self._target)
                return {f"{item.shot.group} {frame}".strip(): corners for frame, corners in frames.items()}
            corners = make_finder(self._target)(read_image(item.path))
        except (ImageError, VideoError, OSError):
            return None
        return {} if corners is None else {item.shot.group: corners}

    def _judge(self, boards: list[Found] | tuple[()]) -> Guide:
        detections: dict[str, dict[str, Corners]] = {}
        for item in boards:
            found = self._searched.get(item.name, ((0, 0), None))[1]
            detections.setdefault(item.shot.camera, {}).update(found or {})
        return guide(detections, self._sizes, self._target)


def watch_boards(
    watcher: BoardWatcher,
    *,
    every_s: float = 1.0,
    once: bool = False,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[BoardSight]:
    """Sights, one after each look: until the guide is done, or once, which looks until nothing is left to search."""
    while True:
        sight = watcher.look(clock())
        searching = bool(sight.landed or sight.waiting)
        if not once or not searching:
            yield sight
        if (once and not searching) or (sight.guide.done and not searching):
            return
        sleep(every_s)
