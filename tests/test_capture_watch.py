"""The live watch: it waits for what is half written, decodes each file once, and writes nothing into the folder."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from conftest import CONSENT, texture

from capture import watch as watching
from capture.admission import Papers
from capture.errors import ConsentRefused
from capture.images import encode_jpeg
from capture.issues import Severity
from capture.report.watch_page import what_now, write_watch_page
from capture.vault import Vault
from capture.watch import PATIENCE_S, QUIET_S, Sight, Watcher, scan, watch
from scripts.cli import main

Build = Callable[..., Path]
ONE = "stills/take1/light1/cam1"


class Tether:
    """A folder into which files of a whole shoot land, and a watcher with a clock of its own."""

    def __init__(self, card: Path, folder: Path, vault: Vault) -> None:
        self.card, self.folder, self.vault = card, folder, vault
        folder.mkdir()
        for name in ("session.toml", "consent.toml"):
            shutil.copy(card / name, folder / name)
        self.now = 4e9  # far from the times of the files
        self.watcher = Watcher(folder, vault, checks_share=float("inf"))

    def land(self, *parts: str, data: bytes | None = None) -> None:
        """Copy the files whose place begins so, or write `data` in place of one."""
        for path in sorted(self.card.rglob("*.*")):
            name = path.relative_to(self.card).as_posix()
            if name.startswith(parts) and not name.endswith(".toml"):
                target = self.folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes() if data is None else data)
                os.utime(target, (self.now, self.now))

    def look(self, after: float = 1.0) -> Sight:
        self.now += after
        return self.watcher.look(self.now)

    def settle(self) -> Sight:
        """Two looks, so that what has landed stands still; then one after nothing has come for a while."""
        self.look()
        self.look()
        return self.look(after=QUIET_S + 1)


@pytest.fixture
def tether(small_session: Build, tmp_path: Path) -> Tether:
    return Tether(small_session(takes=2), tmp_path / "tether", Vault(tmp_path / "vault"))


def codes(sight: Sight) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in sight.report.issues:
        found.setdefault(item.code, []).append(item.where)
    return found


def states(sight: Sight) -> dict[str, str]:
    return {group.id: group.state for group in sight.groups}


def files_under(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()}


def test_nothing_is_missing_before_it_began(tether: Tether) -> None:
    sight = tether.look()
    assert sight.report.issues == ()
    assert sight.covered.lines == ()
    assert states(sight) == {"take1": "not begun", "take2": "not begun", "plates": "not begun"}
    assert what_now(sight) == ("good", "Nothing to shoot again so far. Next: take1.")


def test_a_take_gets_its_verdict_when_its_grid_is_full(tether: Tether) -> None:
    tether.look()
    tether.land("stills/take1")
    tether.look()
    sight = tether.look()
    assert states(sight)["take1"] == "complete"
    assert sight.groups[0].verdict == "All there, nothing wrong. Next."
    assert (sight.groups[0].landed, sight.groups[0].expected) == (9, 9)
    assert not sight.complete


def test_what_lacks_counts_when_the_take_no_longer_comes_in(tether: Tether) -> None:
    tether.look()
    tether.land("stills/take1/light1", "stills/take1/light2")
    tether.look()
    sight = tether.look()
    assert sight.report.issues == ()
    assert sight.groups[0].verdict == "3 still to come"
    sight = tether.look(after=QUIET_S)
    assert codes(sight) == {"GRID_FRAME_MISSING": [f"stills/take1/light3/cam{n}" for n in (1, 2, 3)]}
    assert [line.call for line in sight.covered.lines] == ["take1, light light3, cameras cam1, cam2, cam3"]
    assert sight.groups[0].tone == "bad"
    assert what_now(sight) == ("bad", "Shoot now: take1, light light3, cameras cam1, cam2, cam3")
    tether.land("stills/take1/light3")
    tether.look()
    assert tether.look().report.issues == ()


def test_a_take_that_is_declared_finished_counts_at_once(small_session: Build, tmp_path: Path) -> None:
    watcher = Watcher(small_session(takes=2), Vault(tmp_path / "vault"), finished=("take2",))
    shutil.rmtree(watcher.folder / "stills")
    assert len(codes(watcher.look(4e9))["GRID_FRAME_MISSING"]) == 9
    with pytest.raises(ValueError, match="take 'take9' is not in session.toml"):
        Watcher(watcher.folder, Vault(tmp_path / "vault"), finished=("take9",))


def test_a_growing_file_is_waited_for(tether: Tether) -> None:
    tether.look()
    whole = (tether.card / f"{ONE}.jpg").read_bytes()
    for size in (0, 100, len(whole) // 2):
        tether.land(ONE, data=whole[:size])
        sight = tether.look()
        assert [w.name for w in sight.waiting] == [f"{ONE}.jpg"]
        assert sight.report.issues == ()
    sight = tether.look()  # stands still, and ends too early
    assert "does not decode yet" in sight.waiting[0].why
    assert sight.report.issues == ()
    tether.land(ONE, data=whole)
    tether.look()
    sight = tether.look()
    assert sight.landed == (f"{ONE}.jpg",)
    assert sight.waiting == ()


@pytest.mark.parametrize(("share", "code"), [(0.5, "FILE_TRUNCATED"), (0.0, "FILE_EMPTY")])
def test_a_file_that_stays_broken_is_reported(tether: Tether, share: float, code: str) -> None:
    tether.look()
    whole = (tether.card / f"{ONE}.jpg").read_bytes()
    tether.land(ONE, data=whole[: int(len(whole) * share)])
    tether.look()
    assert tether.look(after=PATIENCE_S / 2).report.issues == ()
    assert codes(tether.look(after=PATIENCE_S))[code] == [f"{ONE}.jpg"]


def test_each_file_is_decoded_once(tether: Tether, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []
    decode = watching.decode_files

    def counting(paths: Sequence[Path]) -> Iterator[watching.Decoding]:
        decoded.extend(path.name for path in paths)
        return decode(paths)

    monkeypatch.setattr(watching, "decode_files", counting)
    tether.land("stills/take1")
    for _ in range(5):
        tether.look()
    assert len(decoded) == 9
    (tether.folder / f"{ONE}~2.jpg").write_bytes(encode_jpeg(texture(77)))
    tether.look()
    sight = tether.look()
    assert decoded[9:] == ["cam1~2.jpg"]  # the reshoot is used from now on
    assert len(sight.context.originals) == 9


def test_the_folder_is_never_written_into(tether: Tether, tmp_path: Path) -> None:
    tether.land("stills", "plates")
    before = files_under(tether.folder)
    sight = tether.settle()
    write_watch_page(tether.watcher.page_folder / "watch.html", sight, refresh_s=5)
    assert files_under(tether.folder) == before
    assert sight.complete
    with pytest.raises(ValueError, match="lies in the folder that is watched"):
        Watcher(tether.folder, Vault(tether.folder / "vault"))


def test_without_consent_no_picture_is_opened(tether: Tether, monkeypatch: pytest.MonkeyPatch) -> None:
    tether.land("stills/take1")
    tether.look()
    stored = tether.vault.consent_file("p001", "c001")
    stored.write_text(CONSENT + "withdrawn_on = 2026-01-01\n")

    def never(paths: Sequence[Path]) -> Iterator[watching.Decoding]:
        raise AssertionError(f"{paths} were opened")

    monkeypatch.setattr(watching, "decode_files", never)
    with pytest.raises(ConsentRefused, match="withdrawn on 2026-01-01"):
        tether.look()
    (tether.folder / "consent.toml").write_text(CONSENT.replace("adult = true", "adult = false"))
    with pytest.raises(ConsentRefused, match="adulthood"):
        Watcher(tether.folder, tether.vault)


def test_trouble_is_seen_while_she_is_there(tether: Tether) -> None:
    tether.look()
    tether.land("stills/take1")
    tether.land("stills/take1/light2/cam2", data=(tether.card / f"{ONE}.jpg").read_bytes())
    sight = tether.settle()
    assert codes(sight) == {"FRAME_IDENTICAL": ["stills/take1/light2/cam2"]}
    assert sight.report.issues[0].severity is Severity.ERROR
    assert [line.call for line in sight.covered.lines] == ["take1, light light2, camera cam2"]


def test_a_take_may_be_added_and_a_half_edited_description_is_survived(tether: Tether) -> None:
    tether.land("stills/take1")
    tether.settle()
    text = (tether.folder / "session.toml").read_text()
    (tether.folder / "session.toml").write_text(text + "[[take]\n")
    sight = tether.look()
    assert codes(sight) == {"SESSION_FILE_INVALID": ["session.toml"]}
    (tether.folder / "session.toml").write_text(text + '[[take]]\nid = "take3"\n')
    assert "take3" in states(tether.look())


def test_a_folder_that_goes_away_is_said_and_comes_back(small_session: Build, tmp_path: Path) -> None:
    card = small_session()
    papers, folder = tmp_path / "papers", tmp_path / "tether"
    papers.mkdir()
    for name in ("session.toml", "consent.toml"):
        (card / name).rename(papers / name)
    card.rename(folder)
    watcher = Watcher(folder, Vault(tmp_path / "vault"), papers=Papers(papers))
    before = watcher.look(4e9)
    folder.rename(tmp_path / "gone")
    sight = watcher.look(4e9 + 1)
    assert sight.note == "The folder cannot be read: No such file or directory."
    assert sight.groups == before.groups
    (tmp_path / "gone").rename(folder)
    assert watcher.look(4e9 + 2).note == ""


def test_it_ends_when_all_is_there(tether: Tether) -> None:
    sleeps: list[float] = []

    def sleep(seconds: float) -> None:
        sleeps.append(seconds)
        tether.now += seconds
        if len(sleeps) == 3:
            tether.land("stills", "plates")

    sights = list(watch(tether.watcher, until_complete=True, clock=lambda: tether.now, sleep=sleep))
    assert [s.complete for s in sights] == [False] * (len(sights) - 1) + [True]


def test_names_of_a_folder_without_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c.jpg").write_bytes(b"123")
    (tmp_path / "a/.part").write_bytes(b"1")
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere")
    assert {name: size for name, (size, _) in scan(tmp_path).items()} == {"a/b/c.jpg": 3}


def test_the_page_has_the_list_on_top_and_reads_itself_again(tether: Tether) -> None:
    tether.look()
    tether.land("stills/take1/light1")
    sight = tether.settle()
    page = tether.watcher.page_folder / "watch.html"
    write_watch_page(page, sight, refresh_s=5)
    html = page.read_text()
    assert '<meta http-equiv="refresh" content="5">' in html
    assert (
        html.index("Shoot now, in this order") < html.index(">Takes<") < html.index("Latest") < html.index("is covered")
    )
    assert str(tether.folder) not in html
    write_watch_page(page, sight, refresh_s=0)
    assert "http-equiv" not in page.read_text()
    assert "the watch has ended" in page.read_text()


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["watch", *arguments])
    return int(stop.value.code or 0)


def test_one_look_from_the_command_line(
    small_session: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = small_session()
    options = (str(card), "--vault", str(tmp_path / "vault"), "--once", "--every", "0.05")
    assert run(*options) == 0
    assert "take1: All there, nothing wrong. Next." in capsys.readouterr().out
    (card / f"{ONE}.jpg").unlink()
    assert run(*options, "--json") == 14
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {e["event"] for e in events} == {"progress", "landed", "take", "issue", "outcome"}
    assert next(e for e in events if e["event"] == "issue")["where"] == ONE
    assert events[-1]["report"]["facts"]["coverage"]["reshoot"][0]["cameras"] == ["cam1"]


def test_ctrl_c_ends_with_the_summary(
    small_session: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = small_session()
    (card / f"{ONE}.jpg").unlink()

    def interrupted(*arguments: object, **options: object) -> Iterator[Sight]:
        yield Watcher(card, Vault(tmp_path / "vault"), quiet_s=0).look(4e9)
        raise KeyboardInterrupt

    monkeypatch.setattr(watching, "watch", interrupted)
    assert run(str(card), "--vault", str(tmp_path / "vault")) == 0
    said = capsys.readouterr().out
    assert "1 error" in said
    assert "next: twin ingest" in said


def test_it_is_refused_before_anything_is_written(small_session: Build, tmp_path: Path) -> None:
    card = small_session()
    (card / "consent.toml").unlink()
    assert run(str(card), "--vault", str(tmp_path / "vault"), "--once") == 12
    assert not (tmp_path / "vault").exists()
