"""The reshoot list: lines that a technician reads aloud, each with its take, lights, cameras and what to do now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING

from capture.issues import Issue, JsonObject, Severity
from capture.layout import place_of
from capture.session import Session, Shot, ShotKind

if TYPE_CHECKING:
    from capture.coverage import Cell
    from capture.validate import Original

_NAMED = 4  # cameras or lights that a line names; of more it says how many


@dataclass(frozen=True)
class Line:
    """One line of the list."""

    kind: str  # "still", "clip" or "new": nothing of the session shows it
    group: str  # take or clip, or the view of the plan that is new
    lights: tuple[str, ...]
    cameras: tuple[str, ...]
    do: str  # what to do now
    why: str
    gain: float  # what the twin gains; 0 where the plan holds without it
    must: bool = True  # False: usable as it is, worth a look
    shots: tuple[Shot, ...] = ()

    @property
    def call(self) -> str:
        """Where, as one calls it across the studio."""
        lights, cameras = _few(self.lights, "light"), _few(self.cameras, "camera")
        return ", ".join(part for part in (self.group, lights, cameras) if part)

    def to_json(self) -> JsonObject:
        """The line as a report carries it."""
        return {
            "call": self.call, "do": self.do, "why": self.why, "kind": self.kind, "group": self.group,
            "lights": list(self.lights), "cameras": list(self.cameras), "gain": round(self.gain, 4),
            "must": self.must, "shots": [shot.stem for shot in self.shots],
        }  # fmt: skip


class Trouble:
    """Which shots are usable, which are not and why, and which nobody asks for."""

    def __init__(
        self, session: Session, originals: Iterable[Original], issues: Sequence[Issue], pending: Set[Shot]
    ) -> None:
        self.grid = [*session.stills(), *session.clips()]
        self.pending = pending
        self._issues = issues
        errors = self.of(Severity.ERROR)
        there = {o.shot for o in originals}
        self.usable = {shot for shot in self.grid if shot in there and shot not in errors}
        set_aside = self.of(Severity.IGNORED)
        # A shot that is not there and whose absence a rule accepts is not asked for again.
        self.waived = {s for s in self.grid if s not in there and s in set_aside and s not in errors}
        self.bad = [s for s in self.grid if s not in self.usable and s not in self.waived and s not in pending]

    @cached_property
    def _by_stem(self) -> dict[str, Shot]:
        return {shot.stem: shot for shot in self.grid}

    def of(self, severity: Severity) -> dict[Shot, list[Issue]]:
        """Issues of one severity by the shots that they name; a folder or a pattern names all that it holds."""
        found: dict[Shot, list[Issue]] = {}
        for item in self._issues:
            if item.severity is severity:
                for shot in self._named(place_of(item.where)):
                    found.setdefault(shot, []).append(item)
        return found

    def _named(self, place: str) -> list[Shot]:
        one = self._by_stem.get(place)
        if one is not None:
            return [one]
        if "*" in place:
            return [shot for stem, shot in self._by_stem.items() if fnmatchcase(stem, place)]
        if place.split("/", 1)[0] in (ShotKind.STILL.value, ShotKind.CLIP.value):
            return [shot for stem, shot in self._by_stem.items() if stem.startswith(f"{place}/")]
        return []


def reshoot_lines(session: Session, short: Sequence[tuple[Cell, float]], trouble: Trouble) -> list[Line]:
    """Lines for every view that lacks files, with its worth per file, then for what is bad though no view lacks it.

    Where several takes can fill a view, it goes to the one that gains most by being shot again, one take after the
    other, so that few takes are set up twice.
    """
    bad = dict.fromkeys(trouble.bad)
    open_cells = [(cell, value, cell.short) for cell, value in short]
    chosen: dict[Shot, float] = {}
    while True:
        gains: Counter[str] = Counter()
        for cell, value, lacking in open_cells:
            fillers = Counter(shot.group for shot in cell.shots if shot in bad and shot not in chosen)
            gains.update({group: value * min(lacking, count) for group, count in fillers.items()})
        if not gains:
            break
        best = max(gains, key=lambda group: (gains[group], group))
        rest = []
        for cell, value, lacking in open_cells:
            fillers_here = [s for s in cell.shots if s.group == best and s in bad]
            taken = min(lacking, len(fillers_here))
            for shot in fillers_here:  # the light is lit for all of them, so each camera that failed fires again
                chosen[shot] = chosen.get(shot, 0.0) + value * taken / len(fillers_here)
            if taken < lacking:
                rest.append((cell, value, lacking - taken))
        open_cells = rest
    errors = trouble.of(Severity.ERROR)
    lines = _grouped(chosen, errors)
    lines += _new_lines(session, [entry for entry in open_cells if not set(entry[0].shots) & trouble.pending])
    lines.sort(key=lambda line: -line.gain)
    return lines + _grouped({shot: 0.0 for shot in bad if shot not in chosen}, errors)


def optional_lines(trouble: Trouble) -> list[Line]:
    """Files that can be used and carry a warning that a reshoot would lift."""
    warned = {
        shot: found
        for shot, issues in trouble.of(Severity.WARNING).items()
        if shot in trouble.usable and (found := [i for i in issues if "eshoot" in i.remedy])
    }
    return _grouped(dict.fromkeys(warned, 0.0), warned, must=False)


def _grouped(worth: dict[Shot, float], issues: dict[Shot, list[Issue]], *, must: bool = True) -> list[Line]:
    """One line for each take, set of cameras and thing to do, with all its lights."""
    cameras: dict[tuple[ShotKind, str, str, str], list[Shot]] = {}
    for shot in worth:
        cameras.setdefault((shot.kind, shot.group, shot.light, _remedy(issues.get(shot, ()))), []).append(shot)
    lines: dict[tuple[ShotKind, str, tuple[str, ...], str], list[Shot]] = {}
    for (kind, group, _, do), shots in cameras.items():
        lines.setdefault((kind, group, tuple(s.camera for s in shots), do), []).extend(shots)
    made = []
    for (kind, group, names, do), shots in lines.items():
        lights = tuple(dict.fromkeys(s.light for s in shots if s.light))
        gain = sum(worth[s] for s in shots)
        why = _why([i for s in shots for i in issues.get(s, ())][: len(shots)], len(shots), needed=gain > 0, must=must)
        name = "still" if kind is ShotKind.STILL else "clip"
        made.append(Line(name, group, lights, names, do, why, gain, must, tuple(shots)))
    return sorted(made, key=lambda line: (-line.gain, -len(line.shots)))


def _remedy(issues: Sequence[Issue]) -> str:
    return issues[0].remedy if issues else "Shoot it."


def _why(issues: Sequence[Issue], files: int, *, needed: bool, must: bool) -> str:
    what = issues[0].reason.rstrip(".") if issues else "Nothing is there yet"
    count = f"{files} files" if files > 1 else "1 file"
    end = "" if needed else ("; usable as it is" if not must else "; the plan holds without it")
    return f"{count}: {what[0].lower()}{what[1:]}{end}"


def _new_lines(session: Session, lacking: Sequence[tuple[Cell, float, int]]) -> Iterator[Line]:
    """Views that no file of the session can fill, one line for each entry of the plan."""
    entries: dict[int, list[tuple[Cell, float, int]]] = {}
    for entry in lacking:
        entries.setdefault(entry[0].entry, []).append(entry)
    for number, cells in entries.items():
        first = cells[0][0]
        lights = tuple(cell.light for cell, _, _ in cells)
        cameras = tuple(dict.fromkeys(s.camera for cell, _, _ in cells for s in cell.shots))
        gain = sum(value * count for _, value, count in cells)
        files = sum(count for _, _, count in cells)
        do = _advice(session, first, cameras)
        lacks = "1 file" if files == 1 else f"{files} files"
        why = f"plan {number} lacks {lacks}, and nothing else of the session shows it"
        named = () if session.plan[number - 1].cameras else cameras  # the row names them already
        yield Line("new", first.row, lights, named, do, why, gain)


def _advice(session: Session, cell: Cell, cameras: Sequence[str]) -> str:
    plan = session.plan[cell.entry - 1]
    if cameras:
        return "Shoot one more take of it and add it to session.toml."
    able = [c for c in session.camera if (c.id in plan.cameras if plan.cameras else plan.region in c.framing)]
    placed = [c for c in able if c.azimuth_deg is not None]
    if not placed:
        return f"No camera shows her {plan.region} from there: set one up and declare it in session.toml."
    low, high = plan.azimuth_deg
    turn = ((placed[0].azimuth_deg or 0.0) - (low + high) / 2 + 180.0) % 360.0 - 180.0
    return f"Turn her to face {turn:.0f}°, where {placed[0].id} sees it, and shoot one more take."


def _few(names: Sequence[str], what: str) -> str:
    if not names:
        return ""
    if len(names) > _NAMED:
        return f"{len(names)} {what}s"
    return f"{what if len(names) == 1 else what + 's'} {', '.join(names)}"
