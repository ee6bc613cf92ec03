"""Decoders of single formats behind `capture.images`, `capture.video` and `capture.exif`, which everybody else uses."""
