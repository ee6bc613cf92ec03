"""Groups of cameras that share no view of a board, joined by boards that are fixed to each other; or named as groups.

Each group is placed for itself. Where one group saw a board and another group a second board in the same shots, and
the two moved as one, the boards become one target and the groups one rig.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from calibration.detect import Detections, file_shot
from calibration.intrinsics import Intrinsics
from calibration.link import MIN_SHOTS, Link, board_seen, join, link_groups
from calibration.pose import Pose
from calibration.start import MIN_SHARED, Start, place_rig, view_poses
from calibration.target import Target
from capture.issues import Issue, issue


@dataclass(frozen=True, eq=False)
class Groups:
    """Cameras that are placed together, group by group, the first the one with most shared shots."""

    groups: tuple[tuple[str, ...], ...]
    target: Target  # joined where boards are fixed to each other
    notes: Mapping[int, str]  # group -> what was seen of boards that it and others saw in one shot


def find_groups(lenses: Mapping[str, Intrinsics], detections: Detections, target: Target) -> Groups:
    """Place every group of cameras for itself and look for pairs of boards that link them."""
    starts: list[Start] = []
    rest = dict(lenses)
    while rest:
        views = {name: detections[name] for name in rest}
        starts.append(place_rig(rest, views, target, view_poses(rest, views, target)))
        rest = {name: rest[name] for name in starts[-1].unlinked}
    seen = [_boards_of(start, detections, target) for start in starts]
    places: dict[int, tuple[int, Pose]] = {}
    notes: dict[int, str] = {}
    linked, waiting = [0], list(range(1, len(starts)))
    while waiting:
        tried = [(k, *found) for k in waiting for a in linked if (found := _best_link(seen[a], seen[k])) is not None]
        notes |= {k: _said(link, pair) for k, pair, link in tried if k in waiting}
        sound = [t for t in tried if t[2].rigid]
        if not sound:
            break
        k, (ours, theirs), link = max(sound, key=lambda t: t[2].shots)
        first, frame = places.setdefault(ours, (ours, Pose.identity()))
        places.setdefault(theirs, (first, frame @ link.first_board_from_second))
        linked.append(k)
        waiting.remove(k)
    names = tuple(tuple(c.id for c in start.cameras) for start in starts)
    merged = (tuple(n for k in linked for n in names[k]), *(names[k] for k in waiting))
    left = {i: notes[k] for i, k in enumerate(waiting, 1) if k in notes}
    return Groups(merged, join(target, _by_lowest(places)) if places else target, left)


def group_issues(found: Groups, detections: Detections, order: Sequence[str]) -> Iterator[Issue]:
    """Every group but the first, with its cameras in the order of the session."""
    largest = found.groups[0]
    for number, group in enumerate(found.groups[1:], 1):
        own = {file_shot(s) for name in group for s in detections[name]}
        others = {file_shot(s) for name in largest for s in detections[name]}
        listed = sorted(group, key=order.index)
        text = (
            f"{len(_shared(group, largest, detections))} board views with {', '.join(sorted(largest, key=order.index))}"
        )
        text += f"; in {len(own & others)} shots each side saw a board of its own"
        text += f", {found.notes[number]}" if number in found.notes else ""
        yield issue(
            "CAMERA_NOT_LINKED",
            where=f"camera{'s' if len(listed) > 1 else ''} {', '.join(listed)}",
            expected=f"{MIN_SHARED} board views shared with the other cameras, or {MIN_SHOTS} shots of two boards "
            "that are fixed to each other, one seen from each side",
            found=text,
        )


def _boards_of(start: Start, detections: Detections, target: Target) -> dict[int, dict[str, Pose]]:
    """Board -> shot of the file -> where it was in the world of a group."""
    result: dict[int, dict[str, Pose]] = {}
    for camera in start.cameras:
        for shot, corners in detections[camera.id].items():
            if shot in start.boards:
                result.setdefault(board_seen(corners, target), {})[file_shot(shot)] = start.boards[shot]
    return result


def _best_link(
    ours: Mapping[int, Mapping[str, Pose]], theirs: Mapping[int, Mapping[str, Pose]]
) -> tuple[tuple[int, int], Link] | None:
    """The pair of boards that agrees best about how it is fixed, or disagrees least."""
    links = [((a, b), link) for a in ours for b in theirs if a != b and (link := link_groups(ours[a], theirs[b]))]
    return min(links, key=lambda found: found[1].spread_mm / max(found[1].moved_mm, 1e-9), default=None)


def _said(link: Link, boards: tuple[int, int]) -> str:
    first, second = (b + 1 for b in boards)
    return (
        f"but boards {first} and {second} moved by themselves: over {link.shots} shots their distance varies by "
        f"{link.spread_mm:.0f} mm where they moved by {link.moved_mm:.0f} mm"
    )


def _shared(group: Sequence[str], others: Sequence[str], detections: Detections) -> set[str]:
    return {s for n in group for s in detections[n]} & {s for n in others for s in detections[n]}


def _by_lowest(places: Mapping[int, tuple[int, Pose]]) -> dict[int, tuple[int, Pose]]:
    """The same with the first board of each set as its frame, so that its shots keep their names."""
    lowest = {first: min(b for b, (f, _) in places.items() if f == first) for first, _ in places.values()}
    return {
        b: (lowest[first], places[lowest[first]][1].inverse() @ pose) for b, (first, pose) in places.items()
    }  # fmt: skip
