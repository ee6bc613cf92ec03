"""A delivered picture says to people and to machines that it is an AI twin, and none is written without a permit."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from capture import VERSION
from capture.consent import Act, Permit
from capture.errors import ConsentRefused
from capture.images import read_image, write_png
from training import disclose


def permit(act: Act = Act.RENDER) -> Permit:
    return Permit("consent-1", "ada", act, dt.date(2026, 1, 1), "ab" * 32)


def picture(height: int, width: int) -> disclose.U8:
    ramp = np.linspace(60, 200, height * width).reshape(height, width, 1)
    return np.repeat(ramp, 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(96, 96), (96, 128), (512, 512), (2160, 3840)])
def test_label_stands_below_the_picture_and_stays_small(height: int, width: int) -> None:
    image = picture(height, width)
    labelled = disclose.label(image)
    factor = disclose.enlargement(height, width)
    strip = labelled[factor * height :]
    assert labelled.shape[1] == factor * width
    assert 20 <= strip.shape[0] <= 0.08 * labelled.shape[0] + 1
    ink = strip.max(axis=2) > 200
    letters = np.flatnonzero(ink.any(axis=1))
    assert letters[-1] - letters[0] >= 10  # px of letter height on the delivered picture
    assert strip.min() < 30  # white on near black
    assert ink.any(axis=0).sum() > 25


def test_label_covers_no_pixel_of_a_large_picture() -> None:
    image = picture(512, 400)
    assert np.array_equal(disclose.label(image)[:512], image)


def test_label_refuses_another_shape() -> None:
    with pytest.raises(ValueError, match=r"\(96, 96\) uint8; give \(H, W, 3\)"):
        disclose.label(np.zeros((96, 96), dtype=np.uint8))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG"])
def test_disclosure_comes_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    disclose.write_disclosed(path, picture(96, 96), permit=permit(), twin="ada <1> & co", adapter_digest="cd" * 32)
    found = disclose.read_disclosure(path)
    assert found is not None
    assert found.digital_source_type == disclose.TRAINED_MEDIA
    assert found.digital_source_type.startswith("http://cv.iptc.org/newscodes/digitalsourcetype/")
    assert found.creator_tool == f"Likeness {VERSION}"
    assert (found.consent, found.twin, found.adapter_digest) == ("consent-1", "ada <1> & co", "cd" * 32)
    assert "not a photograph" in found.description
    assert read_image(path).shape == (384 + 25, 384, 3)
    assert list(tmp_path.iterdir()) == [path]  # nothing half-written is left


def test_packet_lies_where_foreign_readers_look(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg"):
        disclose.write_disclosed(tmp_path / name, picture(96, 96), permit=permit(), twin="t", adapter_digest="d")
    assert b"iTXtXML:com.adobe.xmp\0\0\0\0\0" in (tmp_path / "a.png").read_bytes()
    jpeg = (tmp_path / "a.jpg").read_bytes()
    at = jpeg.index(b"http://ns.adobe.com/xap/1.0/\0")
    assert jpeg[at - 4 : at - 2] == b"\xff\xe1"  # APP1


def test_unlabelled_pixels_are_exact_and_still_disclosed(tmp_path: Path) -> None:
    path, image = tmp_path / "raw.png", picture(96, 96)
    disclose.write_disclosed(path, image, permit=permit(), twin="t", adapter_digest="d", visible=False)
    assert np.array_equal(read_image(path), image)
    assert disclose.read_disclosure(path) is not None


@pytest.mark.parametrize("act", [Act.INGEST, Act.DATASET, Act.TRAIN])
def test_no_picture_without_a_permit_to_render(tmp_path: Path, act: Act) -> None:
    with pytest.raises(ConsentRefused, match=f"permit is for '{act}', a render needs 'render'"):
        disclose.write_disclosed(tmp_path / "a.png", picture(96, 96), permit=permit(act), twin="t", adapter_digest="d")
    assert not list(tmp_path.iterdir())


def test_other_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"suffix '.webp'; use .png"):
        disclose.write_disclosed(tmp_path / "a.webp", picture(96, 96), permit=permit(), twin="t", adapter_digest="d")


def test_a_photograph_and_a_resaved_render_disclose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    disclose.write_disclosed(path, picture(96, 96), permit=permit(), twin="t", adapter_digest="d")
    write_png(tmp_path / "again.png", read_image(path))
    assert disclose.read_disclosure(tmp_path / "again.png") is None


def test_attribute_form_of_other_writers_is_read(tmp_path: Path) -> None:
    rdf, iptc = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    packet = (
        f'<rdf:RDF xmlns:rdf="{rdf}"><rdf:Description xmlns:i="{iptc}" '
        f'i:DigitalSourceType="{disclose.TRAINED_MEDIA}"/></rdf:RDF>'
    )
    info = PngImagePlugin.PngInfo()
    info.add_itxt(disclose.XMP_KEY, packet)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    found = disclose.read_disclosure(tmp_path / "a.png")
    assert found is not None
    assert found.digital_source_type == disclose.TRAINED_MEDIA


@pytest.mark.parametrize(
    ("packet", "text"), [("<a><b></a>", "is not XML"), ("<!DOCTYPE x><x/>", "declares a document type")]
)
def test_broken_packets_are_named(tmp_path: Path, packet: str, text: str) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(disclose.XMP_KEY, packet)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(ValueError, match=text):
        disclose.read_disclosure(tmp_path / "a.png")


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(ValueError, match="'a.png' cannot be read"):
        disclose.read_disclosure(tmp_path / "a.png")
