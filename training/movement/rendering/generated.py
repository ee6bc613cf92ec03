"""A movement that her twin makes, generated and drawn in one step; what was made so before is not made again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from capture.issues import JsonObject, Report
from capture.motion.bvh import read_bvh
from capture.motion.clip import MotionClip
from capture.vault import SessionFolder
from training.movement.base import base_digest
from training.movement.generate import Wish, generate_twin
from training.movement.learn import load_movement_twin
from training.movement.rendering.produce import Look, MovementSet, Origin, clip_digest, drawn, render_movement, set_of
from training.movement.sources import her_clips

_TOLD = ("seconds", "seed", "off_path_m")


def render_generated(
    session: SessionFolder,
    twin: str,
    wish: Wish,
    *,
    base: Path,
    look: Look = Look(),  # noqa: B008 - frozen
    force: bool = False,
) -> tuple[MovementSet, Report]:
    """Generate the movement that is wished for as she does it, and draw it into `renders/<twin>-movement/`.

    The same wish of the same adapter and base is found done before anything is generated. Raises ConsentRefused,
    IncompleteInput (no adapter, or one of another base), ValueError as `generate` does.
    """
    made = load_movement_twin(session, twin)
    origin = Origin(twin, made.adapter_digest, asked=asked_of(wish) | {"base": base_digest(base)})
    done = None if force else drawn(session, set_of(twin), origin=origin, look=look)
    if done is not None:
        return done, Report("render", facts={"skipped": True})
    generated = generate_twin(session, twin, wish, base=base)
    origin = replace(origin, made=generated.facts)
    drew, report = render_movement(session, generated.clip, name=set_of(twin), origin=origin, look=look, force=force)
    told: JsonObject = {name: generated.facts[name] for name in _TOLD if name in generated.facts}
    return drew, Report(report.step, report.issues, {**told, **report.facts})


def asked_of(wish: Wish) -> JsonObject:
    """Everything of a wish that decides the movement; clips by their digests."""
    ways: JsonObject = {"path": None if wish.path is None else [[float(v) for v in point] for point in wish.path]}
    ends: JsonObject = {
        name: None if clip is None else clip_digest(clip)
        for name, clip in (("begins", wish.begins), ("ends", wish.ends))
    }
    how = wish.sampling
    return {
        "action": wish.action, "seconds": wish.seconds, "speed_m_s": wish.speed_m_s, **ways, **ends, "loop": wish.loop,
        "plant_feet": wish.plant_feet, "seed": how.seed, "steps": how.steps, "guidance": how.guidance,
        "calm": how.calm,
    }  # fmt: skip


def clip_of_hers(session: SessionFolder, name: str) -> MotionClip:
    """One clip of the session's derived/motion, to begin or to end with.

    Raises ValueError for a name that is none, IncompleteInput where the clips are not there or changed.
    """
    clips = her_clips(session)
    known = sorted(path.stem for path in clips.folder.glob("*.bvh"))
    if name not in known:
        raise ValueError(f"clip {name!r} is not among those of her movement; there are {', '.join(known) or 'none'}")
    return read_bvh(clips.folder / f"{name}.bvh")
