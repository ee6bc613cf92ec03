"""Wrong and swapped lights, from the pictures: every take shows each camera under each light, and light repeats itself.

In logarithms a picture is what the camera sees of the take plus what the light does to it. The first is the same under
all lights of a take, the second in all takes: what a camera shows under one light, less its mean over the lights, is
compared with the other takes by region and colour. A take alone is compared with the declared directions.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from capture.checks.foreground import foreground, look
from capture.issues import Issue, issue
from capture.session import Light, Shot, ShotKind

if TYPE_CHECKING:
    from capture.validate import Context

F64: TypeAlias = NDArray[np.float64]
Names: TypeAlias = dict[str, str]  # light as the files say -> light as the pictures say
Looks: TypeAlias = dict[tuple[str, str], F64]  # (light, camera) -> log light by region and colour (R,)

_GRID = 8  # regions along each side
_CLIP = 0.5  # log light: a region in which she stands otherwise counts no more than this
_NOISE = 0.02**2  # of one region, squared: below it two explanations are equally good
# What the right names may leave of the disagreement. With a second take 0.1 to 0.47 (simulated shoots, swapped pairs of
# eight lights), wrong names on clean sessions 1.0 and more, with somebody else in the picture 0.58: in between the
# declared directions are asked, too. Against these the right names leave 0.2 to 0.56, clean takes 1.0 and more.
_LEFT, _LEFT_UNSURE = 0.4, 0.55
_LEFT_ALONE = 0.6
_TIE = 0.85  # ratio of two explanations that are told apart
_MOST = 4  # faults that are named in one session


@dataclass(frozen=True)
class Finding:
    """One take whose lights are not what the files say."""

    take: str
    names: tuple[tuple[str, str], ...]  # (light as named, light that it is)
    left: float  # share of the disagreement that the true names leave
    other: str = ""  # the take that may be wrong instead


def check_light(context: Context) -> Iterator[Issue]:
    """One issue for each light of a take that shows another light, for all cameras together."""
    takes = [take.id for take in context.session.take]
    looks = {take: _looks(context, take) for take in takes}
    for finding in find_wrong_lights(looks, lambda take: _sides(context, take), context.session.light):
        for light, is_light in finding.names:
            found = f"looks like {is_light} ({finding.left:.0%} of the disagreement is left with that name)"
            if finding.other:
                found += f"; it may be {finding.other} instead"
            yield issue("LIGHT_MISMATCH", where=f"stills/{finding.take}/{light}", expected=light, found=found)


def find_wrong_lights(
    looks: Mapping[str, Looks], sides_of: Callable[[str], Looks], lights: tuple[Light, ...]
) -> list[Finding]:
    """Takes with other lights than their files say, the clearest first.

    `looks` gives each take's pictures by region; `sides_of` her lit and shaded sides in a take, as `side_profile`
    measures them, and is asked only where the other takes cannot decide.
    """
    seen = {take: pictures for take, pictures in looks.items() if pictures}
    if len(seen) == 1:
        (take,) = seen
        alone = _against_directions(take, sides_of(take), lights)
        return [alone] if alone else []
    stacks = _stacked(seen)
    names = {take: {light: light for light, _ in pictures} for take, pictures in seen.items()}
    findings: list[Finding] = []
    for _ in range(_MOST):
        compared = [found for take in seen if (found := _compare(take, stacks, names)) is not None]
        candidates = [found for found in compared if found.left < _LEFT or _borne_out(found, seen, sides_of, lights)]
        if not candidates:
            break
        best = _settle(min(candidates, key=lambda f: f.left), list(seen), sides_of, lights)
        findings.append(best)
        names[best.take] = {**names[best.take], **dict(best.names)}
    return findings


def explanations(lights: Sequence[str]) -> Iterator[Names]:
    """What can have gone wrong: two lights changed places, or one was lit instead of another."""
    for a, b in combinations(lights, 2):
        yield {a: b, b: a}
    for a, b in permutations(lights, 2):
        yield {a: b}


def _looks(context: Context, take: str) -> Looks:
    """Every picture of a take by region: (GRID * GRID * 3,) log light."""
    found: Looks = {}
    for shot in context.session.stills():
        picture = look(context, shot) if shot.group == take else None
        if picture is not None:
            small = cv2.resize(picture, (_GRID, _GRID), interpolation=cv2.INTER_AREA)
            found[shot.light, shot.camera] = small.astype(np.float64).ravel()
    return found


@dataclass(frozen=True)
class _Stack:
    """The pictures of one take as arrays; lights and cameras are those of all takes, in one order."""

    values: F64  # (L, C, R) log light, 0 where there is no picture
    there: F64  # (L, C, 1) 1 where there is one


def _stacked(looks: Mapping[str, Looks]) -> dict[str, tuple[list[str], _Stack]]:
    lights = sorted({light for pictures in looks.values() for light, _ in pictures})
    cameras = sorted({camera for pictures in looks.values() for _, camera in pictures})
    stacks = {}
    for take, pictures in looks.items():
        values = np.zeros((len(lights), len(cameras), _GRID * _GRID * 3))
        there = np.zeros((len(lights), len(cameras), 1))
        for (light, camera), value in pictures.items():
            values[lights.index(light), cameras.index(camera)] = value
            there[lights.index(light), cameras.index(camera)] = 1
        stacks[take] = (lights, _Stack(values, there))
    return stacks


def _reference(take: str, stacks: Mapping[str, tuple[list[str], _Stack]], names: Mapping[str, Names]) -> _Stack:
    """What each light does to each camera: the median over the other takes of a picture less its take's mean."""
    effects: dict[int, list[F64]] = {}
    weights: dict[int, list[F64]] = {}
    for other, (lights, stack) in stacks.items():
        if other == take:
            continue
        mean = (stack.values * stack.there).sum(axis=0) / np.maximum(stack.there.sum(axis=0), 1)
        for named, light in names[other].items():
            place = lights.index(light)
            effects.setdefault(place, []).append(stack.values[lights.index(named)] - mean)
            weights.setdefault(place, []).append(stack.there[lights.index(named)])
    _, stack = stacks[take]
    values, there = np.zeros_like(stack.values), np.zeros_like(stack.there)
    for place, found in effects.items():
        weight = np.stack(weights[place])
        there[place] = weight.max(axis=0)
        # Absent pictures take the mean of those that are there, which leaves the median between them.
        mean = (np.stack(found) * weight).sum(axis=0) / np.maximum(weight.sum(axis=0), 1)
        values[place] = np.median(np.where(weight > 0, np.stack(found), mean), axis=0)
    return _Stack(values, there)


def _costs(stack: _Stack, reference: _Stack, order: Sequence[int]) -> tuple[F64, F64]:
    """How far the pictures are from the reference in this order of lights, and how many were compared, (C,) each.

    What the take is (its mean over the lights) and the gain of each light, which all cameras share, are taken out.
    """
    there = stack.there * reference.there[list(order)]
    rest = (stack.values - reference.values[list(order)]) * there
    count = there.sum(axis=0)
    rest = (rest - rest.sum(axis=0) / np.maximum(count, 1)) * there
    for place in range(len(rest)):
        seen = there[place, :, 0] > 0
        if seen.any():
            rest[place, seen] -= np.median(np.median(rest[place, seen], axis=1))
    squares = np.minimum(rest**2, _CLIP**2).mean(axis=2).sum(axis=0)
    return squares / np.maximum(count[:, 0], 1), count[:, 0]


def _compare(take: str, stacks: Mapping[str, tuple[list[str], _Stack]], names: Mapping[str, Names]) -> Finding | None:
    """The best explanation of one take by the others, if it explains much more than the names of the files do."""
    lights, stack = stacks[take]
    reference = _reference(take, stacks, names)
    now = [lights.index(names[take].get(light, light)) for light in lights]
    plain, count = _costs(stack, reference, now)
    usable = count > 1
    if not usable.any():
        return None
    best, left = None, _LEFT_UNSURE
    for change in explanations([light for light, name in names[take].items() if light == name]):
        order = [lights.index(change[light]) if light in change else k for light, k in zip(lights, now, strict=True)]
        cost, compared = _costs(stack, reference, order)
        if (compared[usable] < count[usable]).any():
            continue  # a picture that nothing is compared with would cost nothing
        ratio = float(np.median((cost[usable] + _NOISE) / (plain[usable] + _NOISE)))
        if ratio < left:
            best, left = change, ratio
    return None if best is None else Finding(take, tuple(best.items()), left)


def _borne_out(
    finding: Finding, takes: Collection[str], sides_of: Callable[[str], Looks], lights: tuple[Light, ...]
) -> bool:
    """Whether the declared directions agree with the other names in this take or, where only two differ, in either."""
    for take in takes if len(takes) == 2 else (finding.take,):
        sides = sides_of(take)
        plain = direction_cost(sides, {}, lights)
        if plain and direction_cost(sides, dict(finding.names), lights) < _LEFT_ALONE * plain:
            return True
    return False


def _settle(
    finding: Finding, takes: Sequence[str], sides_of: Callable[[str], Looks], lights: tuple[Light, ...]
) -> Finding:
    """Of two takes that disagree about a swap either may be wrong: the directions decide, or both are named."""
    if len(takes) != 2 or len(finding.names) != 2:
        return finding
    left = {}
    for take in takes:
        sides = sides_of(take)
        plain = direction_cost(sides, {}, lights)
        left[take] = direction_cost(sides, dict(finding.names), lights) / plain if plain else 1.0
    wrong, right = sorted(left, key=lambda take: left[take])
    if left[wrong] < _TIE * left[right]:
        return Finding(wrong, finding.names, finding.left)
    return Finding(wrong, finding.names, finding.left, right)


# -- one take alone: her sides against the declared directions ---------------------------------------------------------

_BINS = 5  # from her left to her right border in the picture
_AZIMUTHS = np.radians(np.arange(0, 360, 5))
_ELEVATIONS = np.radians((0.0, 20.0, 45.0))  # of a camera
_HUE_WEIGHT = 5.0  # a body bends light in ways that a cylinder does not, but hardly its colour
_TURNS = np.arcsin((np.arange(_BINS) - (_BINS - 1) / 2) / (_BINS / 2))  # how far her skin is turned away, by bin


def _sides(context: Context, take: str) -> Looks:
    """Her side profile in every picture of a take whose camera has a plate."""
    found: Looks = {}
    for camera in context.session.camera:
        plate = look(context, Shot(ShotKind.PLATE, camera.id))
        pictures = {
            s.light: look(context, s) for s in context.session.stills() if (s.group, s.camera) == (take, camera.id)
        }
        seen = {
            light: p for light, p in pictures.items() if p is not None and plate is not None and p.shape == plate.shape
        }
        if plate is None or len(seen) < 3:
            continue
        masks = [foreground(p, plate) for p in seen.values()]
        mask = np.asarray(np.mean(masks, axis=0) > 0.5)
        if mask.mean() > 0.02:
            found.update({(light, camera.id): side_profile(p, mask) for light, p in seen.items()})
    return found


def side_profile(picture: NDArray[np.float32], mask: NDArray[np.bool_]) -> F64:
    """Mean log light (BINS * 3,) of strips of her from left to right, each row between its own borders.

    `picture` (h, w, 3) of `log_small`, `mask` (h, w) where she is.
    """
    rows, cols = np.nonzero(mask)
    first = np.full(mask.shape[0], mask.shape[1])
    last = np.zeros(mask.shape[0], dtype=int)
    np.minimum.at(first, rows, cols)
    np.maximum.at(last, rows, cols)
    width = last[rows] - first[rows] + 1
    strip = np.minimum((cols - first[rows]) * _BINS // width, _BINS - 1)
    values = picture[rows, cols].astype(np.float64)
    return np.concatenate(
        [values[strip == k].mean(axis=0) if (strip == k).any() else np.zeros(3) for k in range(_BINS)]
    )


def _predicted(light: Light) -> F64:
    """Log light (A, E, BINS, 3) on an upright cylinder for every direction of the camera."""
    azimuth, elevation = np.radians((light.azimuth_deg, light.elevation_deg))
    toward = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    a, e = _AZIMUTHS[:, None, None], _ELEVATIONS[None, :, None]
    # The x axis of a picture points to the left hand of who faces the camera; strips are turned that way.
    side, front = np.sin(_TURNS), np.cos(_TURNS)
    cosine = side * (-np.sin(a) * toward[0] + np.cos(a) * toward[1]) + front * (
        np.cos(e) * (np.cos(a) * toward[0] + np.sin(a) * toward[1]) + np.sin(e) * toward[2]
    )
    level = np.log(light.ambient + light.intensity * np.maximum(cosine, 0))
    return np.asarray(level[..., None] + np.log(np.array(light.colour[::-1])))


def direction_cost(sides: Looks, change: Names, lights: tuple[Light, ...]) -> float:
    """How far her sides are from the declared lights when some of them are what `change` says; 0 without pictures.

    Each camera may stand anywhere: its best direction counts.
    """
    predicted = {light.id: _predicted(light) for light in lights}
    total = 0.0
    for camera in {camera for _, camera in sides}:
        own = {light: value for (light, c), value in sides.items() if c == camera}
        if len(own) < 3:
            continue
        seen = np.stack(list(own.values())).reshape(len(own), _BINS, 3)
        told = np.stack([predicted[change.get(light, light)] for light in own])
        rest = _level_and_hue((seen - seen.mean(axis=0))[:, None, None] - (told - told.mean(axis=0)))
        total += float((rest**2).mean(axis=(0, 3, 4)).min())
    return total


def _level_and_hue(log_light: F64) -> F64:
    """(..., 3) as brightness and two differences of colour, which count more."""
    blue, green, red = (log_light[..., k] for k in range(3))
    differences = (_HUE_WEIGHT * (red - blue), _HUE_WEIGHT * (green - (red + blue) / 2))
    return np.stack([(blue + green + red) / 3, *differences], axis=-1)


def _against_directions(take: str, sides: Looks, lights: tuple[Light, ...]) -> Finding | None:
    names = tuple(dict.fromkeys(light for light, _ in sides))
    plain = direction_cost(sides, {}, lights)
    if not plain:
        return None
    left, change = min(
        ((direction_cost(sides, change, lights) / plain, change) for change in explanations(names)), key=lambda c: c[0]
    )
    return Finding(take, tuple(change.items()), left) if left < _LEFT_ALONE else None
