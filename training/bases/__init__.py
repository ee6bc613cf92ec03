"""Families of base models behind one small protocol, and the base that the repository carries."""

from pathlib import Path

EMBEDDED = Path(__file__).parent / "embedded_base"
"""Folder of the embedded base. Named here so that finding it does not import diffusers."""
