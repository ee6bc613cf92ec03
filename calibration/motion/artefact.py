"""derived/motion of a session as one run makes it, whether from keypoints or from files that another system recorded.

Of each clip CLIP.bvh (where a skeleton could be fitted) and CLIP.npz (track and contacts); report.json, report.html,
and motion.json last.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calibration.motion.page import Wording, render_page
from calibration.motion.skeleton import Captured
from capture import store
from capture.ignore import apply_rules
from capture.issues import Issue, JsonObject, Report
from capture.motion.bvh import write_bvh
from capture.session import Session

ARTEFACT = "motion"
Taken = tuple[Captured | None, Report]
"""What was captured of a clip, None where nothing could be, and what there is to say of it."""


@dataclass(frozen=True)
class Making:
    """One run: what it reads, and what else decides its result."""

    session: Session
    folder: Path  # derived/motion
    inputs: Mapping[str, str]  # label -> SHA-256
    settings: JsonObject
    wording: Wording

    def done(self) -> Report | None:
        """The report of an earlier run of the same, marked as skipped; None where there is none."""
        if store.current(self.folder, ARTEFACT, inputs=self.inputs, settings=self.settings) is None:
            return None
        made = Report.from_json((self.folder / "report.json").read_text(encoding="utf-8"))
        return Report(made.step, made.issues, {**made.facts, "skipped": True})

    def begin(self) -> tuple[str, ...]:
        """Mark the folder as unfinished and clear it of the clips of an earlier run, whose inputs are not these.

        Returns the names of those clips.
        """
        store.reopen(self.folder, ARTEFACT)
        old = [path for kind in ("bvh", "npz") for path in self.folder.glob(f"*.{kind}")]
        for path in old:
            path.unlink()
        return tuple(sorted({path.stem for path in old}))

    def keep(self, name: str, taken: Taken) -> Taken:
        """Write the files of one clip; the same comes back with the issues as the rules of the shoot weigh them."""
        captured, own = taken
        if captured is not None:
            if captured.fitted is not None:
                write_bvh(captured.fitted.clip, self.folder / f"{name}.bvh")
            store.write_atomic(self.folder / f"{name}.npz", _packed(captured))
        return captured, replace(own, issues=apply_rules(self.session, own.issues))

    def finish(self, clips: Mapping[str, Taken], *, gone: Iterable[str] = (), more: Iterable[Issue] = ()) -> Report:
        """Report and page of all clips, and of `more` that is of no single one; then the artefact is complete.

        `gone` are clips that an earlier run had made; those that this one does not make are told.
        """
        issues = (*(i for _, own in clips.values() for i in own.issues), *apply_rules(self.session, more))
        removed = [name for name in gone if name not in clips]
        facts: JsonObject = {"clips": {name: own.facts for name, (_, own) in clips.items()}}
        facts |= {"clips_removed": ", ".join(removed)} if removed else {}
        report = Report(ARTEFACT, issues, facts)
        head = self.session.session
        store.write_json(self.folder / "report.json", report.to_json())
        page = render_page(report, clips, head.id, wording=self.wording)
        store.write_atomic(self.folder / "report.html", page)
        store.finish(
            self.folder,
            ARTEFACT,
            consent=head.consent,
            inputs=self.inputs,
            settings=self.settings,
            result={"ok": report.ok, "codes": [f"{i.code} {i.where}" for i in issues], "clips": facts["clips"]},
        )
        return report


def _packed(captured: Captured) -> bytes:
    nothing = np.zeros(0, dtype=bool)
    contacts = captured.contacts
    held = io.BytesIO()
    np.savez_compressed(
        held,
        names=np.array(captured.track.names),
        places=captured.track.places,  # (T, 18, 3) metres, world
        fps=captured.track.fps,
        first=captured.first,
        left_stands=contacts.left if contacts else nothing,  # of the clip, which begins with frame `first`
        right_stands=contacts.right if contacts else nothing,
    )
    return held.getvalue()
