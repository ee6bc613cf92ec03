"""Who was recorded, how, and under which consent. Imports numpy, OpenCV and PyAV; never torch, never Open3D."""

VERSION = "0.1.0"
"""Written into every artefact, so that a later reader knows which code made it."""
