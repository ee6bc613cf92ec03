"""The numbers of a solved rig for its report: errors, sigmas, what was left out, and what a diagnosis needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from calibration.bundle.covariance import Covariance
from calibration.camera import COEFFICIENTS, Camera
from calibration.detect import natural_order
from calibration.findings import distances_m
from calibration.fitting import Fitted
from calibration.intrinsics import IntrinsicsFacts
from calibration.judge import Judgement
from calibration.pose import Floats
from calibration.uncertainty import CameraSigma
from capture.issues import JsonObject

_WORST_SHOTS = 5


def rig_facts(
    fitted: Fitted,
    verdicts: tuple[Judgement, Judgement | None],
    lens_facts: Mapping[str, IntrinsicsFacts],
    uncertainty: tuple[Covariance | None, Mapping[str, CameraSigma]],
    dropped: Mapping[str, Mapping[str, int]],
) -> JsonObject:
    """All facts of one solve. `verdicts` are the judge's on all shots and on those held out."""
    verdict, held = verdicts
    found, sigmas = uncertainty
    problem, fit = fitted.problem, fitted.fit
    away = distances_m(fitted)
    by_shot = sorted(verdict.shot_rms_px, key=lambda s: -verdict.shot_rms_px[s])[:_WORST_SHOTS]
    return {
        "rig_rms_px": verdict.rig_rms_px,
        "held_out_rms_px": held.rig_rms_px if held else None,
        "held_out_shots": list(natural_order(held.boards)) if held else [],
        "distance_rmse_mm": verdict.distance_rmse_mm,
        "shots": verdict.shots,
        "worst_shots": {shot: verdict.shot_rms_px[shot] for shot in by_shot},
        "iterations": fit.iterations,
        "converged": fit.converged,
        "dropped_corners": int((problem.seen & ~fit.kept).sum()),
        "dropped_above_px": fit.limit_px,
        "used_corners": int(fit.kept.sum()),
        "dropped": {name: dict(shots) for name, shots in dropped.items()},
        "noise_px": found.noise_px if found else None,
        "placements": found.groups if found else None,
        "offsets_s": {name: fitted.clock.offset_s[name] for name in fitted.lagging},
        "clock": fitted.cameras[0].id if fitted.lagging else None,
        "moving_shots": len(fitted.clock.time_s),
        "warp_mm": [1000 * w for w in fitted.clock.warp_m],
        "cameras": {
            camera.id: {
                **{("intrinsic_rms_px" if k == "rms_px" else k): v for k, v in _plain(lens_facts[camera.id]).items()},
                "rms_px": verdict.rms_px.get(camera.id),
                "held_out_rms_px": held.rms_px.get(camera.id) if held else None,
                "dropped": sum(dropped.get(camera.id, {}).values()),
                "shared_shots": int(np.isin(_boards_of(fitted, row), _measured(fitted, verdict)).sum()),
                "distance_m": away.get(camera.id),
                "lens": _lens(camera),
                **_sigma_facts(camera, sigmas.get(camera.id), lag=camera.id in fitted.lagging),
            }
            for row, camera in sorted(enumerate(fitted.cameras), key=lambda c: list(lens_facts).index(c[1].id))
        },
    }


def _plain(facts: IntrinsicsFacts) -> JsonObject:
    return {**asdict(facts), "coverage": list(facts.coverage)}


def _lens(camera: Camera) -> JsonObject:
    numbers: JsonObject = {"model": camera.model, "width": camera.width, "height": camera.height}
    numbers |= {"fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy}
    names = COEFFICIENTS[camera.model]
    return numbers | {name: float(v) for name, v in zip(names, camera.distortion, strict=True)}


def _sigma_facts(camera: Camera, sigma: CameraSigma | None, *, lag: bool) -> JsonObject:
    """One standard deviation each, with the factor by which it is larger than noise alone would give."""
    if sigma is None:
        return {"sigma_focal_px": None, "sigma": None}
    names = ("fx", "fy", "cx", "cy", *COEFFICIENTS[camera.model])
    lens: JsonObject = {name: float(s) for name, s in zip(names, sigma.lens, strict=False)}
    return {
        "sigma_focal_px": float(sigma.lens[:2].max()),
        "sigma": {
            **lens,
            "position_mm": sigma.position_mm,
            "rotation_deg": sigma.rotation_deg,
            "subject_px": sigma.subject_px,
            "subject_mm": sigma.subject_mm,
            "offset_s": sigma.offset_s if lag else None,
        },
        "sigma_inflation": sigma.inflation,
        "sigma_placements": sigma.groups,
        "sigma_reach_95": sigma.reach,
    }


def _boards_of(fitted: Fitted, camera: int) -> Floats:
    return np.unique(fitted.problem.board[fitted.problem.camera == camera])


def _measured(fitted: Fitted, verdict: Judgement) -> list[int]:
    return [row for row, shot in enumerate(fitted.boards) if shot in verdict.boards]
