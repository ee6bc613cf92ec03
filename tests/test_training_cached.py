"""The cache of latents and conditions: found only for what it was made of, and whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny_twin import finish, write_base, write_session

from capture import store
from capture.errors import ConsentRefused
from capture.vault import SessionFolder
from training.bases.flux import FluxBase
from training.cached import ROOM, Cached, TensorCache, Wanted, base_digest, prepare, tensors_of
from training.dataset.frames import load_dataset, write_metadata
from training.order import Order

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> FluxBase:
    return FluxBase(write_base(tmp_path_factory.mktemp("base")))


def prepared(session: SessionFolder, base: FluxBase, *, digest: str = "d", wanted: Wanted | None = None) -> Cached:
    dataset = load_dataset(session.derived("dataset"))
    return prepare(dataset, base, digest=digest, cache=session.derived(ROOM), wanted=wanted or Wanted())


def equal(a: Cached, b: Cached) -> bool:
    pairs = zip(a.buckets, b.buckets, strict=True)
    return all(
        torch.equal(x.latents, y.latents)
        and all(torch.equal(tensors_of(x.condition)[k], v) for k, v in tensors_of(y.condition).items())
        for x, y in pairs
    )


def test_a_second_run_finds_all_and_is_the_same_to_the_bit(tmp_path: Path, base: FluxBase) -> None:
    session = write_session(tmp_path)
    first, second = prepared(session, base), prepared(session, base)
    assert first.made == 18  # six pictures, their captions, and the captions without the trigger
    assert (second.hits, second.made) == (18, 0)
    assert equal(first, second)


def test_a_pixel_a_caption_or_another_base_is_a_miss(tmp_path: Path, base: FluxBase) -> None:
    session = write_session(tmp_path)
    prepared(session, base)
    folder = session.derived("dataset")
    picture = cv2.imread(str(folder / "train" / "0.png"))
    assert picture is not None
    picture[3, 3, 0] ^= 1
    cv2.imwrite(str(folder / "train" / "0.png"), picture)
    finish(session, {"train": 6, "test": 2})
    assert prepared(session, base).made == 1
    frames = [f.model_copy(update={"text": f.text + ", smile"}) for f in load_dataset(folder).frames]
    write_metadata(folder, frames)
    finish(session, {"train": 6, "test": 2})
    assert prepared(session, base).made == 12
    assert prepared(session, base, digest="another").made == 18
    assert prepared(session, base).made == 0  # the control


def test_every_file_of_the_base_decides(tmp_path: Path, base: FluxBase) -> None:
    folder = write_base(tmp_path / "base")
    before = base_digest(folder, base)
    (folder / "vae" / "config.json").write_text((folder / "vae" / "config.json").read_text() + " ")
    assert base_digest(folder, base) != before


@pytest.mark.parametrize("damage", ["cut short", "foreign", "altered", "no tensors at all"])
def test_a_damaged_or_foreign_file_is_passed_over_and_written_again(
    tmp_path: Path, base: FluxBase, damage: str
) -> None:
    session = write_session(tmp_path)
    first = prepared(session, base)
    a, b = sorted(session.derived(ROOM).glob("*.safetensors"), key=lambda p: (p.stat().st_size, p.name))[-2:]
    data = a.read_bytes()
    a.write_bytes(
        {
            "cut short": data[:200],
            "foreign": b.read_bytes(),
            "altered": data[:-1] + bytes([data[-1] ^ 1]),
            "no tensors at all": b"hello",
        }[damage]
    )
    again = prepared(session, base)
    assert again.made == 1
    assert equal(first, again)
    assert prepared(session, base).made == 0


def test_a_write_that_breaks_off_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = TensorCache(tmp_path)

    def broken(self: Path, target: Path) -> Path:
        raise OSError("no space")

    monkeypatch.setattr(Path, "replace", broken)
    with pytest.raises(OSError, match="no space"):
        cache.put("k" * 64, {"a": torch.ones(2)})
    monkeypatch.undo()
    assert cache.get("k" * 64) is None
    cache.put("k" * 64, {"a": torch.ones(2), "flag": torch.tensor(3)})
    found = cache.get("k" * 64)
    assert found is not None
    assert torch.equal(found["a"], torch.ones(2))


def test_pictures_of_two_sizes_lie_in_two_buckets(tmp_path: Path, base: FluxBase) -> None:
    cached = prepared(write_session(tmp_path, wide=2), base)
    assert sorted(cached.sizes) == [2, 4]
    shapes = {b.latents.shape[-2:]: b.maps.region.shape[-2:] for b in cached.buckets}
    assert all(a == b for a, b in shapes.items())
    assert {w / h for h, w in shapes} == {1.0, 1.5}


def test_a_picture_far_from_the_bases_size_is_refused(tmp_path: Path, base: FluxBase) -> None:
    session = write_session(tmp_path)
    folder = session.derived("dataset")
    cv2.imwrite(str(folder / "train" / "2.png"), np.zeros((120, 120, 3), np.uint8))
    finish(session, {"train": 6, "test": 2})
    with pytest.raises(ValueError, match="pictures of 120 x 120 px, the base wants about 80 squared"):
        prepared(session, base)


def test_every_picture_comes_once_before_any_comes_again() -> None:
    order = Order((5, 3), 2, torch.Generator().manual_seed(4))
    for _ in range(3):
        epoch = [order.next() for _ in range(5)]
        seen = [(bucket, row) for bucket, rows in epoch for row in rows.tolist()]
        assert sorted(seen) == [(0, k) for k in range(5)] + [(1, k) for k in range(3)]
    same, other = (Order((5, 3), 2, torch.Generator().manual_seed(s)).next() for s in (4, 5))
    first = Order((5, 3), 2, torch.Generator().manual_seed(4)).next()
    assert (first[0], first[1].tolist()) == (same[0], same[1].tolist())
    assert (first[0], first[1].tolist()) != (other[0], other[1].tolist())


def test_a_private_mark_without_a_place_is_refused(tmp_path: Path, base: FluxBase) -> None:
    session = write_session(tmp_path)
    with pytest.raises(ConsentRefused, match="keeps mark 'm07' private, and the data set has no place for it"):
        prepared(session, base, wanted=Wanted(private=("m07",)))
    assert not list(session.derived(ROOM).glob("*"))


def test_the_cache_of_a_person_goes_with_her(tmp_path: Path, base: FluxBase) -> None:
    session = write_session(tmp_path)
    prepared(session, base)
    assert session.derived(ROOM).is_relative_to(session.vault.person("p001"))
    assert store.safe_name(ROOM) == ROOM
