"""`twin render --movement`: an action that her twin makes, drawn, disclosed, made once; what does not go together."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import CONSENT
from tiny_movement import SHORT, SMALL, make_base, walk, write_session

from capture import store
from capture.errors import ConsentRefused, IncompleteInput
from capture.motion.bvh import read_bvh
from capture.motion.canonical import leg_length
from capture.motion.clip import MotionClip
from capture.motion.skeletons import canonical_skeleton, retarget
from capture.stage.person import make_person
from capture.vault import SessionFolder, Vault
from capture.video import probe
from scripts.cli import main
from training.disclose import read_disclosure
from training.movement.base import load_base, save_base
from training.movement.factors import at_rate
from training.movement.generate import Wish, generate, generate_twin
from training.movement.learn import CLIPS, load_movement_twin, train_movement
from training.movement.rendering.generated import asked_of, render_generated
from training.movement.rendering.produce import MADE, Look, Origin, render_movement
from training.movement.rendering.shot import Angle
from training.movement.sampling import Sampling

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
TINY = Look(stick=Angle(96, 64, 62.0), body=Angle(48, 64), person=make_person(3))
FEW_HZ = 4.0  # frames per second of the base: pictures take longer than movement
QUICK = Sampling(steps=2)


@dataclass(frozen=True)
class House:
    """A session whose twin has a movement adapter, and the base that it was trained on."""

    session: SessionFolder
    base: Path

    @property
    def folder(self) -> Path:
        return self.session.vault.renders("p001", "twin1-movement")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> House:
    root = tmp_path_factory.mktemp("house")
    save_base(make_base(config=replace(SMALL, rate_hz=FEW_HZ)), root / "base")
    session = write_session(root)
    train_movement(session, "twin1", base=root / "base", recipe=SHORT)
    return House(session, root / "base")


@pytest.fixture
def house(trained: House, tmp_path: Path) -> House:
    """A copy that a test may change."""
    shutil.copytree(trained.session.vault.root, tmp_path / "vault")
    return House(Vault(tmp_path / "vault").session("p001", "s001"), trained.base)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def command(house: House, *words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["render", "s001", "--vault", str(house.session.vault.root), *words])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return command


def test_an_action_is_generated_drawn_and_disclosed(house: House, run: Callable[..., tuple[int, str]]) -> None:
    words = ["--movement", "walk", "--path", "0,0 0.5,0 0.5,0.5", "--speed", "1", "--seed", "5", "--plant-feet"]
    words += ["--begin", "walk2"]
    code, said = run(house, *words, "--base", str(house.base))
    assert code == 0, said
    assert said.startswith("render: 4 frames of walk at 4 per second as twin twin1 moves, labelled as generated")
    assert "next: twin compare s001 --movement\n" in said
    assert str(house.folder / "body.mp4") in said
    assert "seed: 5" in said
    twin = load_movement_twin(house.session, "twin1")
    made = json.loads((house.folder / MADE).read_text())
    assert (made["action"], made["adapter"], made["seed"]) == ("walk", twin.adapter_digest, 5)
    assert made["changed_afterwards"] == ["plant_feet"]
    assert "AI twin" in made["generated"]
    artefact = store.read(house.folder, "movement")
    assert artefact.inputs["adapter"] == twin.adapter_digest
    assert artefact.result["generated"] == made
    assert MADE in artefact.outputs
    for film in ("stick.mp4", "body.mp4"):
        assert probe(house.folder / film).tags["comment"] == f"consent=c001; twin=twin1; adapter={twin.adapter_digest}"
    found = read_disclosure(house.folder / "pose/00000.png")
    assert found is not None
    assert (found.twin, found.adapter_digest) == ("twin1", twin.adapter_digest)
    clip = read_bvh(house.folder / "movement.bvh")
    assert len(clip) == 4
    assert leg_length(clip.track) == pytest.approx(leg_length(walk().track), rel=1e-3)
    # It goes on from her clip, which it does not where nobody asks for that.
    hers = at_rate(retarget(read_bvh(house.session.derived(CLIPS) / "walk2.bvh")), FEW_HZ).rotations[-1, 1:]
    alone = generate_twin(house.session, "twin1", Wish("walk", 1.0), base=house.base).clip
    assert retarget(clip).rotations[0, 1:] == pytest.approx(hers, abs=1e-3)
    assert np.abs(alone.rotations[0, 1:] - hers).max() > 0.05
    # The same once more: nothing is generated, nothing is drawn.
    before = (house.folder / "body.mp4").stat().st_mtime_ns
    code, said = run(house, *words, "--base", str(house.base))
    assert code == 0
    assert said.startswith("render: already done, nothing has changed: 4 frames of walk")
    assert (house.folder / "body.mp4").stat().st_mtime_ns == before


def test_what_was_made_so_before_is_not_made_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = Wish("walk", 1.0, sampling=QUICK)

    def made(asked: Wish = wish, *, force: bool = False) -> bool:
        return render_generated(house.session, "twin1", asked, base=house.base, look=TINY, force=force)[1].facts != {
            "skipped": True
        }

    assert made()
    monkeypatch.setattr("training.movement.rendering.generated.generate_twin", None)  # would be called in vain
    assert not made()
    monkeypatch.undo()
    assert made(force=True)
    train_movement(house.session, "twin1", base=house.base, recipe=SHORT.model_copy(update={"steps": 5}))
    before = (house.folder / "movement.json").read_text()
    assert made()
    now = store.read(house.folder, "movement")
    assert now.inputs["adapter"] == load_movement_twin(house.session, "twin1").adapter_digest
    assert now.inputs["adapter"] not in before


def test_a_clip_that_is_given_names_no_twin(house: House) -> None:
    render_generated(house.session, "twin1", Wish("walk", 1.0, sampling=QUICK), base=house.base, look=TINY)
    assert (house.folder / MADE).is_file()
    given = render_movement(
        house.session, read_bvh(house.folder / "movement.bvh"), name="twin1-movement", origin=Origin(), look=TINY
    )[1]
    assert given.facts["generated"] == {}
    assert not (house.folder / MADE).exists()
    assert "adapter" not in store.read(house.folder, "movement").inputs


def test_everything_of_a_wish_decides() -> None:
    plain, skeleton = Wish("walk", 2.0), canonical_skeleton()
    clips = [MotionClip(skeleton, np.tile(np.eye(3), (2, 18, 1, 1)), np.full((2, 3), k), 30.0) for k in range(2)]
    others = [
        replace(plain, action="turn"), replace(plain, seconds=3.0), replace(plain, speed_m_s=1.0),
        replace(plain, path=np.array([[0.0, 0], [2, 0]])), replace(plain, begins=clips[0]),
        replace(plain, ends=clips[0]), replace(plain, begins=clips[1]), replace(plain, loop=True),
        replace(plain, plant_feet=True), replace(plain, sampling=Sampling(seed=1)),
        replace(plain, sampling=Sampling(steps=9)), replace(plain, sampling=Sampling(guidance=2.0)),
        replace(plain, sampling=Sampling(calm=300)),
    ]  # fmt: skip
    said = [json.dumps(asked_of(wish)) for wish in (plain, *others)]
    assert len(set(said)) == len(said)
    assert said[0] == json.dumps(asked_of(Wish("walk", 2.0)))
    assert len(asked_of(plain)) == 12  # a field that is added to Wish belongs here too


NO_FILE = "it is for an action that the twin makes"
NO_PATH = "path is given without seconds or speed; give one of the two"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--movement wlak", "action 'wlak' is unknown to the base; choose of turn, walk"),
        ("--movement walk.fbx", "movement 'walk.fbx' is neither a file that ends in .bvh nor an action"),
        ("--movement none.bvh", "none.bvh: file cannot be opened"),
        ("--movement a.bvh --seconds 2", f"--seconds does not go with a clip that is given; {NO_FILE}"),
        ("--movement a.bvh --plant-feet", f"--plant-feet does not go with a clip that is given; {NO_FILE}"),
        ("--movement a.bvh --base x", f"--base does not go with a clip that is given; {NO_FILE}"),
        ("--movement walk --drop-first", "--drop-first does not go with an action; it is for a clip that is given"),
        ("--movement walk --view 0,0", "--view does not go with --movement; it is for pictures"),
        ("--movement walk --light 30,35", "--light does not go with --movement"),
        ("--seed 0", "--seed does not go with pictures; it is for --movement"),
        ("--movement walk --path 0,0", "path is (1, 2); give two points or more"),
        ("--movement walk --path 0,0_1", "--path takes 2 numbers with commas between them, got '1'"),
        ("--movement walk --path 0,0_4,0", NO_PATH),
        ("--movement walk --begin run9", "clip 'run9' is not among those of her movement; there are turn1, walk1"),
        ("--movement walk --loop --end walk1", "loop cannot begin or end with another clip"),
        ("--movement walk --seed -1", "Invalid value for '--seed': Input should be greater than or equal to 0"),
    ],
)
def test_what_does_not_go_is_one_line(
    trained: House, run: Callable[..., tuple[int, str]], words: str, said: str
) -> None:
    base = ["--base", str(trained.base)] if "walk" in words or "wlak" in words else []
    found, line = run(trained, *(word.replace("_", " ") for word in words.split()), *base)
    assert found == 2
    assert said in " ".join(line.split())
    assert "Traceback" not in line
    assert not trained.folder.exists()


def test_a_twin_without_a_movement_adapter_is_told_how_to_get_one(
    trained: House, run: Callable[..., tuple[int, str]]
) -> None:
    code, line = run(trained, "--movement", "walk", "--twin", "twin9")
    assert code == IncompleteInput.exit_code
    told = "twin 'twin9' has no finished movement adapter; train one: twin train s001 --movement --twin twin9"
    assert line == f"twin: {told}\n"


def test_without_her_consent_nothing_is_made(house: House, run: Callable[..., tuple[int, str]]) -> None:
    store.write_atomic(house.session.vault.consent_file("p001", "c001"), CONSENT.replace(', "render"', ""))
    code, said = run(house, "--movement", "walk", "--base", str(house.base))
    assert code == ConsentRefused.exit_code
    assert "does not allow 'render'" in said
    assert not house.folder.exists()


def test_rows_of_a_clip_that_goes_before_stand_on_the_floor(trained: House) -> None:
    """A clip on a higher floor goes before as one on a floor at zero does."""
    model, clip = load_base(trained.base), walk(4, 2.0)
    raised = replace(clip, root=clip.root + (0, 0, 0.4))
    low, high = (generate(Wish("walk", 1.5, begins=c, sampling=QUICK), model).clip.root for c in (clip, raised))
    np.testing.assert_allclose(low, high, atol=1e-6)
