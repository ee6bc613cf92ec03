"""Is this how she walks: her own clip passes and another's fails, what is judged beside what, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import CONSENT, session_toml
from stage_walkers import blended, fingerprints_of_takes, person_of, varied

from capture import store
from capture.errors import ComparisonFailed, ConsentRefused, IncompleteInput
from capture.issues import JsonObject, JsonValue, Report
from capture.motion.bvh import write_bvh
from capture.motion.clip import MotionClip, Skeleton
from capture.stage.person import Person
from capture.stage.travel import stage_clip
from capture.vault import SessionFolder, Vault
from scripts.cli import main
from training.movement.cohort import Cohort, read_cohort, self_test, write_cohort
from training.movement.compare import ARTEFACT, Against, compare_movement
from training.movement.gait import SCORED
from training.movement.others import REFERENCE
from training.movement.rendering.produce import ARTEFACT as MOVEMENT
from training.movement.rendering.produce import BVH, set_of
from training.movement.sources import CLIPS
from training.movement.style import Verdict

HER, OTHER = 4, 7
LEG_M = 0.8
TOLD = "A real person among simulated ones is easily told apart"


@dataclass(frozen=True)
class Shoot:
    """A session with takes of hers, and files that are judged."""

    session: SessionFolder
    own: Path
    other: Path

    @property
    def vault(self) -> str:
        return str(self.session.vault.root)

    @property
    def out(self) -> Path:
        return self.session.derived(ARTEFACT) / "twin1"


def clip(person: Person, seconds: float = 3.0) -> MotionClip:
    """A walk on the spot, moved on steadily: how each foot bears her takes the stage longer to find."""
    made = stage_clip(person, seconds=seconds, fps=20.0)
    speed = 4 * LEG_M * np.sin(np.radians(person.gait.hip_swing_deg)) * person.gait.cadence_hz
    way = speed * np.arange(len(made))[:, None] / made.fps * (1.0, 0.0, 0.0)
    return MotionClip(made.skeleton, made.rotations, made.root + way, made.fps)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Against:
    """Six of the house's walkers, where it does not matter who the others are."""
    path = tmp_path_factory.mktemp("few") / "few.npz"
    takes = {name: rows[:3] for name, rows in list(read_cohort(REFERENCE).takes.items())[:6]}
    write_cohort(path, Cohort("walk", takes))
    return Against(cohort=path)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Shoot:
    root = tmp_path_factory.mktemp("shoot")
    vault = Vault(root / "vault")
    session = vault.session("p001", "s001")
    said = {**{f"walk{k}": "Walk" for k in range(1, 6)}, "turn1": "turn", "stand1": "walk"}
    seconds = {name: 1.2 if name == "stand1" else 3.0 for name in said}
    people = (varied(person_of(HER), 400 + k) for k in range(7))
    recorded(session, said, [clip(person, seconds[name]) for name, person in zip(said, people, strict=True)])
    write_bvh(clip(varied(person_of(HER), 999)), root / "own.bvh")
    write_bvh(clip(varied(person_of(OTHER), 1)), root / "other.bvh")
    return Shoot(session, root / "own.bvh", root / "other.bvh")


def recorded(session: SessionFolder, said: Mapping[str, str], clips: Sequence[MotionClip]) -> None:
    """A session of whoever it is in the vault of, with clips and the action of each."""
    person = session.root.parents[1].name
    entries = [f'[[clip]]\nid = "{name}"\naction = "{word}"\nlight = "light1"\n' for name, word in said.items()]
    toml = (
        session_toml(extra="".join(entries))
        .replace('"p001"', f'"{person}"')
        .replace('"s001"', f'"{session.root.name}"')
    )
    store.write_atomic(session.toml, toml)
    store.write_atomic(session.vault.consent_file(person, "c001"), CONSENT.replace('"p001"', f'"{person}"'))
    session.derived(CLIPS).mkdir(parents=True)
    for name, made in zip(said, clips, strict=True):
        write_bvh(made, session.derived(CLIPS) / f"{name}.bvh")
    store.finish(session.derived(CLIPS), CLIPS, consent="c001", inputs={}, settings={}, result={})


@pytest.fixture
def shoot(drawn: Shoot, tmp_path: Path) -> Shoot:
    """A copy that a test may change."""
    shutil.copytree(drawn.session.vault.root, tmp_path / "vault")
    return Shoot(Vault(tmp_path / "vault").session("p001", "s001"), drawn.own, drawn.other)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def command(shoot: Shoot, *words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["compare", "s001", "--movement", "--vault", shoot.vault, *words])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return command


def trained(shoot: Shoot, adapter: str, *, motion: str = "", session: str = "s001") -> None:
    """A movement adapter as an artefact; nothing of it but its digests is read here."""
    folder = shoot.session.vault.twin("p001", "twin1") / MOVEMENT
    store.write_atomic(folder / "adapter.safetensors", adapter)
    inputs = {"motion": motion or store.read(shoot.session.derived(CLIPS), CLIPS).digest}
    store.finish(folder, MOVEMENT, consent="c001", inputs=inputs, settings={}, result={"session": session})


def rendered(shoot: Shoot, adapter: str, person: Person, *, action: str = "walk", planted: bool = False) -> None:
    """What is drawn of a generated movement, without its pictures."""
    folder = shoot.session.vault.renders("p001", set_of("twin1"))
    store.write_atomic(folder / BVH, "")
    write_bvh(clip(person, 2.8), folder / BVH)
    afterwards: list[JsonValue] = ["plant_feet"] if planted else []
    made: JsonObject = {"action": action, "seconds": 2.8, "changed_afterwards": afterwards}
    inputs = {"adapter": store.sha256_text(adapter)}
    store.finish(folder, MOVEMENT, consent="c001", inputs=inputs, settings={}, result={"generated": made})


def test_her_own_walk_passes(shoot: Shoot, run: Callable[..., tuple[int, str]]) -> None:
    code, said = run(shoot, "--clip", str(shoot.own))
    assert code == 0
    assert said.startswith("compare: This is her walk. Nearer to her than to 30 of 30 others; ")
    assert "others: 30 simulated walkers of the house" in said
    assert str(shoot.out / "report.html") in said
    page = (shoot.out / "report.html").read_text()
    assert page.index("This is her walk.") < page.index(TOLD) < page.index("Side by side")
    assert "The others: 30 simulated walkers of the house." in page
    assert "Her takes: walk1, walk2, walk3, walk4, walk5." in page
    assert "own.bvh, a file that was given; nothing says what made it" in page
    assert "The floor is where the clip's own feet stand" in page
    report = Report.from_json((shoot.out / "report.json").read_text())
    assert report.facts["verdict"] == "same"
    assert [(i.code, i.where) for i in report.warnings if i.code == "MOTION_UNREADABLE"] == [
        ("MOTION_UNREADABLE", "motion/stand1")
    ]
    artefact = store.read(shoot.out, ARTEFACT)
    assert (artefact.consent, artefact.result["passed"]) == ("c001", True)
    assert artefact.inputs["clip"] == store.sha256_file(shoot.own)
    assert artefact.inputs["cohort"] == store.sha256_file(REFERENCE)
    assert set(artefact.outputs) == {"report.html", "report.json"}


def test_anothers_walk_fails(shoot: Shoot, run: Callable[..., tuple[int, str]]) -> None:
    code, said = run(shoot, "--clip", str(shoot.other))
    assert code == ComparisonFailed.exit_code
    assert said.startswith("compare: This is not her walk. ")
    assert "error MOTION_NOT_HER" in said
    assert "next: do what the page says, then compare again" in said
    assert "This is not her walk." in (shoot.out / "report.html").read_text()
    # The same once more is not judged again, and fails again.
    code, said = run(shoot, "--clip", str(shoot.other))
    assert code == ComparisonFailed.exit_code
    assert "already done, nothing has changed: This is not her walk." in said
    code, said = run(shoot, "--clip", str(shoot.own))
    assert code == 0
    assert "already done" not in said


def test_anybodys_walk_fails(shoot: Shoot, tmp_path: Path, few: Against) -> None:
    people = [person_of(seed) for seed in range(1, 13)]
    write_bvh(clip(blended(person_of(HER), people, 1.0)), tmp_path / "mean.bvh")
    qa, report = compare_movement(shoot.session, "twin1", clip=tmp_path / "mean.bvh", against=few)
    assert not qa.passed
    assert qa.verdict in (Verdict.TOO_GENERIC, Verdict.NOT_HER)
    assert float(str(report.facts["genericness"])) < 0.5


def test_what_the_twin_made_is_judged_and_said(shoot: Shoot, run: Callable[..., tuple[int, str]]) -> None:
    trained(shoot, "one")
    rendered(shoot, "one", varied(person_of(HER), 998), planted=True)
    code, said = run(shoot)
    assert code == 0, said
    assert "learned from her takes: all" in said
    page = (shoot.out / "report.html").read_text()
    assert "The clip: walk, 2.8 s, generated by twin twin1, then changed: plant feet." in page
    assert "The twin learned from all of them; takes that it never saw are better to judge beside" in page
    assert "Floor and usual values are those of 5 real takes" in page
    # Trained anew: what was drawn is not hers of now.
    trained(shoot, "two")
    code, said = run(shoot)
    assert code == IncompleteInput.exit_code
    assert "was made by an earlier adapter; make it anew: twin render s001 --movement walk --twin twin1" in said


def test_what_the_twin_made_of_another_fails(shoot: Shoot, run: Callable[..., tuple[int, str]], few: Against) -> None:
    trained(shoot, "one", motion="cd" * 32, session="s000")
    rendered(shoot, "one", person_of(OTHER))
    code, said = run(shoot, "--cohort", str(few.cohort))
    assert code == ComparisonFailed.exit_code
    assert "learned from her takes: none" in said
    trained(shoot, "one", motion="cd" * 32)
    assert compare_movement(shoot.session, "twin1", against=few)[1].facts["learned_from_her_takes"] == "not known"


def test_a_clip_of_another_action_needs_others_in_it(shoot: Shoot, run: Callable[..., tuple[int, str]]) -> None:
    rendered(shoot, "one", person_of(HER), action="turn")
    code, said = run(shoot)
    assert code == IncompleteInput.exit_code
    assert "clip shows 'turn' and the walkers of reference_walkers.npz 'walk'" in said
    assert "name others in 'turn' with --cohort" in said
    write_cohort(shoot.session.root / "kick.npz", Cohort("kick", read_cohort(REFERENCE).takes))
    code, said = run(shoot, "--clip", str(shoot.own), "--cohort", str(shoot.session.root / "kick.npz"))
    assert code == IncompleteInput.exit_code
    assert "session 's001' has no clip of hers in 'kick'; it has stand1 (walk), turn1 (turn), walk1 (Walk)" in said


def test_a_cohort_of_the_studio(shoot: Shoot, tmp_path: Path) -> None:
    """Recorded as she was: no caveat, a second opinion; she is no other than herself."""
    takes = {f"m{seed}": fingerprints_of_takes(seed, 2) for seed in (1, 2, 3, 5, 6)}
    path = tmp_path / "studio.npz"
    write_cohort(path, Cohort("walk", {**takes, "p001": takes["m1"]}, who="models of the studio"))
    qa, report = compare_movement(shoot.session, "twin1", clip=shoot.own, against=Against(cohort=path))
    assert qa.verdict is Verdict.SAME
    assert (report.facts["others"], report.facts["people"]) == ("5 models of the studio", 6)
    assert "rank_on_learned_scale" in report.facts
    page = (shoot.out / "report.html").read_text()
    assert "Her place, learned scale" in page
    assert TOLD not in page
    write_cohort(path, Cohort("walk", {name: rows[:, :40] for name, rows in takes.items()}))
    with pytest.raises(ValueError, match=r"cohort studio.npz has fingerprints of 40 numbers, not 212; make it anew"):
        compare_movement(shoot.session, "twin1", clip=shoot.own, against=Against(cohort=path))
    with pytest.raises(ValueError, match="cohort .*none.npz is not there"):
        compare_movement(shoot.session, "twin1", clip=shoot.own, against=Against(cohort=tmp_path / "none.npz"))


def test_among_other_sessions_of_the_vault(shoot: Shoot, run: Callable[..., tuple[int, str]]) -> None:
    """Read anew each time, so that whoever takes her consent back is no part of it any more."""
    vault = shoot.session.vault
    for k, seed in enumerate((OTHER, 1, 2), 2):
        takes = [clip(varied(person_of(seed), n)) for n in (31, 32)]
        recorded(vault.session(f"p{k:03d}", f"s{k:03d}"), {"a": "walk", "b": "walk"}, takes)
    everybody = ("--among", "s001,s002, s003,s004")  # her own session is no other's
    code, said = run(shoot, "--clip", str(shoot.own), *everybody)
    assert code == 0, said
    report = Report.from_json((shoot.out / "report.json").read_text())
    assert (report.facts["others"], report.facts["people"]) == ("3 people recorded in this house", 4)
    assert TOLD not in (shoot.out / "report.html").read_text()
    code, said = run(shoot, "--clip", str(shoot.other), *everybody)
    assert code == ComparisonFailed.exit_code
    assert said.startswith("compare: This is not her walk.")
    code, said = run(shoot, "--clip", str(shoot.own), "--among", "s002,s003")
    assert code == 2
    assert "cohort has 2 people; a score among others needs 3 or more" in said
    code, said = run(shoot, "--clip", str(shoot.own), *everybody, "--cohort", "x.npz")
    assert code == 2
    assert "--cohort does not go with --among; name the others once" in said
    short = vault.session("p004", "s004").derived(CLIPS)
    for name in ("a", "b"):
        write_bvh(clip(person_of(2), 1.0), short / f"{name}.bvh")
    store.finish(short, CLIPS, consent="c001", inputs={}, settings={}, result={})
    code, said = run(shoot, "--clip", str(shoot.own), *everybody)
    assert code == IncompleteInput.exit_code
    assert "session 's004' has no take of 'walk' to judge among (motion/a MOTION_TOO_SHORT" in said
    consent = vault.consent_file("p003", "c001")
    consent.write_text(consent.read_text() + "withdrawn_on = 2026-01-31\n")
    code, said = run(shoot, "--clip", str(shoot.own), *everybody)
    assert code == ConsentRefused.exit_code
    assert "withdrawn on 2026-01-31" in said


def test_takes_can_be_chosen_and_none_is_judged_beside_itself(shoot: Shoot, few: Against) -> None:
    chosen = replace(few, clips=("walk4", "walk2", "walk5"))
    _, report = compare_movement(shoot.session, "twin1", clip=shoot.own, against=chosen)
    assert report.facts["takes"] == ["walk4", "walk2", "walk5"]
    assert [i.found for i in report.warnings if i.code == "GALLERY_THIN"] == ["3"]
    take = shoot.session.derived(CLIPS) / "walk2.bvh"
    qa, report = compare_movement(shoot.session, "twin1", clip=take, against=few)
    assert report.facts["takes"] == ["walk1", "walk3", "walk4", "walk5"]
    assert qa.passed
    with pytest.raises(IncompleteInput, match="1 of her takes of 'walk' can be judged beside; a spread from take to"):
        compare_movement(shoot.session, "twin1", clip=take, against=Against(("walk2", "walk3")))
    for name in ("walk9", "turn1"):
        with pytest.raises(ValueError, match=f"clip '{name}' is none of hers in 'walk'; there are stand1, walk1"):
            compare_movement(shoot.session, "twin1", clip=shoot.own, against=Against((name,)))


def test_clips_that_cannot_be_judged_fail(shoot: Shoot, tmp_path: Path, run: Callable[..., tuple[int, str]]) -> None:
    write_bvh(clip(person_of(HER), 1.2), tmp_path / "short.bvh")
    code, said = run(shoot, "--clip", str(tmp_path / "short.bvh"))
    assert code == ComparisonFailed.exit_code
    assert said.startswith("compare: Too short to judge.")
    assert "MOTION_TOO_SHORT" in said
    whole = clip(person_of(HER), 1.2)
    names = tuple("bone" if name == "toe_left" else name for name in whole.skeleton.names)
    lacking = Skeleton(names, whole.skeleton.parents, whole.skeleton.offsets)
    write_bvh(MotionClip(lacking, whole.rotations, whole.root, whole.fps), tmp_path / "lacking.bvh")
    code, said = run(shoot, "--clip", str(tmp_path / "lacking.bvh"))
    assert code == ComparisonFailed.exit_code
    assert "MOTION_JOINT_MISSING" in said
    assert "lacking.bvh: expected 18 joints, found no toe_left" in said
    (tmp_path / "torn.bvh").write_text("HIERARCHY")
    code, said = run(shoot, "--clip", str(tmp_path / "torn.bvh"))
    assert code == 2
    assert "torn.bvh: " in said
    assert "Traceback" not in said


def test_a_t_pose_in_front_is_left_out(shoot: Shoot, tmp_path: Path, few: Against) -> None:
    whole = clip(varied(person_of(HER), 997))
    standing = np.concatenate([np.zeros_like(whole.rotations[:1]) + np.eye(3), whole.rotations])
    root = np.concatenate([whole.root[:1], whole.root])
    write_bvh(MotionClip(whole.skeleton, standing, root, whole.fps), tmp_path / "t.bvh")
    jerks = []
    for drop in (True, False):
        qa, report = compare_movement(shoot.session, "twin1", clip=tmp_path / "t.bvh", drop_first=drop, against=few)
        assert qa.passed or not drop
        numbers = report.facts["plausibility"]
        assert isinstance(numbers, dict)
        jerks.append(float(str(numbers["jerk_peak_ratio"])))
    assert jerks[0] < 1.5 < jerks[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--thresholds", "x.toml"], "--thresholds does not go with --movement; her own takes set the limits there"),
        (["--drop-first"], "--drop-first does not go with what was rendered; it is for --clip"),
        (["--clip", "none.bvh"], "clip none.bvh is not there; name a BVH file"),
    ],
)
def test_options_that_do_not_go_together(
    drawn: Shoot, run: Callable[..., tuple[int, str]], words: list[str], said: str
) -> None:
    code, found = run(drawn, *words)
    assert code == 2
    assert said in found


def test_movement_options_are_not_for_pictures(drawn: Shoot, capsys: pytest.CaptureFixture[str]) -> None:
    for option, value in (("--clip", "a.bvh"), ("--clips", "a"), ("--cohort", "a.npz"), ("--among", "s")):
        with pytest.raises(SystemExit) as ended:
            main(["compare", "s001", option, value, "--vault", drawn.vault])
        assert ended.value.code == 2
        assert f"{option} does not go with pictures; it is for --movement" in capsys.readouterr().err


def test_what_is_missing_is_told(shoot: Shoot) -> None:
    with pytest.raises(IncompleteInput, match="twin 'twin9' has no rendered movement; make one: twin render s001 "):
        compare_movement(shoot.session, "twin9")
    take = shoot.session.derived(CLIPS) / "walk1.bvh"
    take.write_text(take.read_text() + "\n")
    with pytest.raises(IncompleteInput, match="changed since they were made, first walk1.bvh; run twin motion"):
        compare_movement(shoot.session, "twin1", clip=shoot.own)
    assert not shoot.out.exists()


def test_the_walkers_that_the_house_carries() -> None:
    cohort = read_cohort(REFERENCE)
    assert (len(cohort.people), cohort.action, cohort.who) == (30, "walk", "simulated walkers of the house")
    assert {takes.shape for takes in cohort.takes.values()} == {(5, int(SCORED.sum()))}
    assert REFERENCE.stat().st_size < 300_000
    with np.load(REFERENCE) as held:
        assert held["takes"].dtype == np.float32
    assert self_test(cohort).rank_1 > 0.9
