"""A data set of a shoot whose cameras see colours differently: where they were measured, its pictures agree."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import CONSENT
from test_calibration_colour_stage import CASTS, LIGHTS, RIG, SIZE, boards, camera_of, cast, charts, rig_of, session_of

from calibration.colour import calibrate_colour
from calibration.colour.reference import LUMINANCE
from capture import store
from capture.decode.picture import Picture
from capture.images import encode_jpeg, read_image
from capture.issues import Report
from capture.session import Session, Shot, ShotKind, Take
from capture.stage.person import make_person
from capture.stage.render import render, render_empty
from capture.stage.scene import Scene, Stance
from capture.validate import Original, ValidatedSession
from capture.vault import Vault
from training.dataset.build import DatasetRecipe, build_dataset
from training.dataset.frames import TwinDataset
from training.dataset.framing import crop_map, cut

LIGHT = LIGHTS[0]
# What all cameras share, here their mean exposure, is no error of one of them.
LEVEL = float(np.exp(np.mean([np.log(CASTS[c.id].sum(axis=1) @ LUMINANCE) for c in RIG])))


@pytest.fixture(scope="module")
def clean() -> dict[Shot, Picture]:
    """Stills and plates as one perfect camera would have taken all of them."""
    scene = Scene(make_person(1), Stance(), "blue")
    stills = {Shot(ShotKind.STILL, c.id, "take1", LIGHT.id): render(scene, c, LIGHT) for c in RIG}
    return stills | {Shot(ShotKind.PLATE, c.id): render_empty("grey", c, LIGHT) for c in RIG}


@pytest.fixture(scope="module")
def shot(tmp_path_factory: pytest.TempPathFactory, clean: dict[Shot, Picture]) -> ValidatedSession:
    """The session in a vault, each camera with its cast, its colours measured by the chart."""
    vault = Vault(tmp_path_factory.mktemp("vault"))
    folder = vault.session("p001", "s001")
    plain = session_of(board=True, chart=True)
    head = plain.session.model_copy(update={"person": "p001", "id": "s001", "consent": "c001"})
    take = Take(id="take1", lights=(LIGHT.id,), outfit="blue", backdrop="grey")
    session = Session.model_validate(plain.model_dump() | {"session": head.model_dump(), "take": [take.model_dump()]})
    store.write_atomic(vault.consent_file("p001", "c001"), CONSENT)
    originals = []
    for place, picture in (
        charts(CASTS) | boards(CASTS, LIGHT) | {s: cast(p, CASTS[s.camera]) for s, p in clean.items()}
    ).items():
        path = folder.originals / f"{place.stem}.jpg"
        store.write_atomic(path, encode_jpeg(picture, 97))
        size, digest = path.stat().st_size, store.sha256_file(path)
        originals.append(Original(place, path, path.name, size, digest, SIZE, SIZE, 1, 0.0))
    store.finish(folder.derived("calibration"), "calibration", consent="c001", inputs={}, settings={}, result={})
    validated = ValidatedSession(session, folder, tuple(originals), Report("ingest"), "0" * 64)
    calibrate_colour(validated, rig_of())
    return validated


def errors(dataset: TwinDataset, clean: dict[Shot, Picture]) -> dict[str, float]:
    """Mean difference in grey levels on her, by camera, to the crop of the picture without a cast."""
    found = {}
    for frame in dataset.frames:
        camera = camera_of(next(c for c in RIG if c.id == frame.camera))
        true = cast(clean[Shot(ShotKind.STILL, frame.camera, "take1", LIGHT.id)], LEVEL * np.eye(3))
        wanted = cut(true, crop_map(camera, frame.crop_camera), frame.crop_camera.width)
        made, mask = read_image(dataset.picture(frame)), read_image(dataset.mask(frame))[..., 0] > 127
        found[frame.camera] = float(np.abs(made.astype(int) - wanted.astype(int))[mask].mean())
    return found


def test_crops_of_unlike_cameras_have_like_colours(shot: ValidatedSession, clean: dict[Shot, Picture]) -> None:
    recipe = DatasetRecipe()
    before = [o.sha256 for o in shot.originals]
    measured, _ = build_dataset(shot, rig_of(), None, recipe=recipe)
    assert len(measured.frames) == len(RIG)
    with_colour = errors(measured, clean)
    assert "colour" in measured.artefact.inputs
    # Negative control: the casts are there without it.
    plain, _ = build_dataset(shot, rig_of(), None, recipe=recipe.model_copy(update={"colour": False}))
    without = errors(plain, clean)
    assert "colour" not in plain.artefact.inputs
    for name in ("cam02", "cam03"):
        assert with_colour[name] < 3.0 < 6.0 < without[name], (name, with_colour, without)
    assert [store.sha256_file(o.path) for o in shot.originals] == before  # never the originals
