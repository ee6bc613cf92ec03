"""The census of a data set: every frame that came in is used or named with a reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from capture.issues import Issue, JsonObject, issue


@dataclass
class Census:
    """Counts frames while they come in. A frame is one photograph or one moment of a clip, whatever is cut from it."""

    offered: int = 0
    used: Counter[str] = field(default_factory=Counter)  # by split
    left_out: list[tuple[str, str]] = field(default_factory=list)  # frame, reason
    issues: list[Issue] = field(default_factory=list)

    def leave_out(self, frame: str, reason: str) -> None:
        """Name a frame that is not used."""
        self.left_out.append((frame, reason))
        self.issues.append(issue("FRAME_NOT_USED", where=frame, found=reason))

    def to_json(self) -> JsonObject:
        """The facts of the report. Raises RuntimeError when a frame was lost without a reason."""
        counted = sum(self.used.values()) + len(self.left_out)
        if counted != self.offered:
            raise RuntimeError(f"census does not balance: {self.offered} frames came in, {counted} are accounted for")
        left_out: list[JsonObject] = [{"frame": f, "reason": r} for f, r in self.left_out]
        return {"offered": self.offered, "used": dict(self.used), "left_out": list(left_out)}
