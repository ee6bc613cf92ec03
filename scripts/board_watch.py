"""`twin calibrate --watch`: says what to show next, and to which camera, while the board is shot."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from capture.admission import Papers
from capture.errors import EXIT_OK, IncompleteInput
from capture.issues import JsonObject, JsonValue, Report
from scripts.printing import Outcome, Printer

if TYPE_CHECKING:
    from calibration.guide import Guide

PAGE_EVERY_S = 2
_LINES = 3  # instructions on the terminal


def board_watch(printer: Printer, folder: Path, vault: Path, papers: Papers, *, once: bool) -> int:
    """Watch a folder until every camera has enough, until Ctrl-C, or for one look; returns the exit code."""
    from calibration.board_watch import BoardWatcher, watch_boards
    from calibration.guide_page import headline, progress, write_guide_page
    from capture.report.session_page import session_title
    from capture.vault import Vault

    watcher = BoardWatcher(folder, Vault(vault), papers=papers)
    page = watcher.page_folder / "board.html"
    title = f"{session_title(watcher.session)}: the board"
    printer.say(f"page: {page}")
    last, told, written = None, "", 0.0
    try:
        for sight in watch_boards(watcher, once=once):
            last = sight
            for name in sight.landed:
                found = "no board in it" if name in sight.without else "board found"
                printer.event("landed", f"{name}: {found}", {"file": name, "board": name not in sight.without})
            if headline(sight) != told:
                told = headline(sight)
                printer.event("next", f"{told} ({progress(sight)})", {"do": told})
            if sight.landed or time.monotonic() - written > PAGE_EVERY_S:
                write_guide_page(page, sight, title, refresh_s=PAGE_EVERY_S)
                written = time.monotonic()
    except KeyboardInterrupt:
        printer.say("stopped")
    if last is None:
        return EXIT_OK
    write_guide_page(page, last, title, refresh_s=0)
    did = f"{progress(last)} {headline(last)}"
    code = EXIT_OK if last.guide.done else IncompleteInput.exit_code
    facts = _facts(last.guide)
    following = f"twin ingest {folder}" if last.guide.done else "shoot the board as the page says, or ingest as it is"
    printer.outcome(Outcome("calibrate", did, Report("board", (), facts), (page,), following, code))
    return code


def _facts(guide: Guide) -> JsonObject:
    cameras: JsonObject = {
        c.name: {"views": c.views, "distinct_poses": c.distinct_poses, "cells": len(c.covered), "shared": c.shared}
        for c in guide.cameras
    }
    steps: list[JsonValue] = [step.do for step in guide.next[:_LINES]]
    return {"cameras": cameras, "next": steps}
