"""Templates of the two files that a person writes before a shoot is ingested."""

from __future__ import annotations

from pathlib import Path

from capture.store import write_atomic

SESSION_TEMPLATE = """\
# One shoot, field by field. SESSION_FORMAT.md explains each; an unknown key is an error.
format = 1

[session]
id = "2026-01-31-a"          # names the session's folder
person = "p001"              # opaque id; her legal name stays out of this file
consent = "c001"             # id of the record in consent.toml
date = 2026-01-31
studio = ""

# One for each person on set.
# [[crew]]
# name = ""
# role = "photographer"

# One for each camera of the rig, with the size of its files in pixels, upright.
[[camera]]
id = "cam01"
width = 6000
height = 4000
model = ""
serial = ""
# azimuth_deg = 0.0          # roughly where it stands, seen from above; a plan by angles needs it
# elevation_deg = 10.0       # roughly, above her chest
# framing = ["face", "bust"] # what of her it shows large enough; a plan by regions needs it

# One for each state of the lights. The direction is where the light comes from, seen from above,
# counter-clockwise from world x; a person who faces 0 looks along x and has her left hand toward +90.
[[light]]
id = "key"
azimuth_deg = 40.0
elevation_deg = 35.0
colour = [1.0, 1.0, 1.0]     # linear RGB, relative
intensity = 1.0
ambient = 0.25               # share of light that comes from everywhere

# One for each pose that is held while every camera sees every light.
# Files: stills/<take>/<light>/<camera>.jpg
[[take]]
id = "take1"
facing_deg = 0.0
outfit = ""
backdrop = ""
pose = ""
lights = []                  # empty: all lights of the session
cameras = []                 # empty: all cameras of the session

# One for each recording in motion. Files: clips/<clip>/<camera>.mp4
# [[clip]]
# id = "walk"
# action = "walks to the mark and back"
# light = "key"
# facing_deg = 0.0
# outfit = ""
# backdrop = ""
# cameras = []
# board = false              # true: the calibration board is in the picture

# One for each view of her that must come home, under each of its lights; without any, the grid above is the plan.
# The reshoot list is ordered by it.
# [[plan]]
# region = "face"            # face, bust, full, hands, arms, legs, feet or back
# azimuth_deg = [-45, 45]    # side of her: 0 her front, 90 her left, 180 her back
# elevation_deg = [-10, 30]  # from below, from above
# lights = []                # empty: all
# cameras = []               # empty: those whose framing has the region
# motion = ""                # id or action of a clip; empty: stills
# frames = 1                 # usable files that it takes under each light
# weight = 1.0

# Issues that this shoot accepts; they stay listed with the reason. Files: .likenessignore, in the syntax of .gitignore.
# [[ignore]]
# code = "EXPOSURE_CLIPPED"  # as the report has it
# where = "stills/take1/*/cam01"  # places, as a line of .gitignore
# reason = "white studio cove"
# severity = "ignored"       # or "warning", or "error"

[calibration]
plates = true                # plates/<camera>.jpg, the empty studio

# Files: calibration/board/<shot>/<camera>.jpg, or calibration/board/<camera>.mp4
[calibration.board]
kind = "charuco"             # or "chessboard"
columns = 7                  # squares (chessboard: inner corners)
rows = 5
square_m = 0.06              # METRES
marker_m = 0.045
dictionary = "DICT_4X4_50"
inverted = false
legacy = false
origin = ""                  # the shot in which the board lies on the floor

# Files: calibration/chart/<light>/<camera>.jpg
# [calibration.chart]
# kind = "colorchecker24"

# Files: calibration/ball/<light>/<camera>.jpg
# [calibration.ball]
# diameter_m = 0.10

# Files that do not follow the layout: place in the session = path on the card.
[sources]
# "stills/take1/key/cam01" = "DCIM/100ABCDE/ABCD0001.JPG"
"""

CONSENT_TEMPLATE = """\
# What she agreed to. Every field must be filled in; until then each step is refused.
# This record follows a document that she signed apart from any representation agreement.
id = ""                      # as [session] consent names it, e.g. "c001"
person = ""                  # as [session] person names it
scope = ""                   # what may be made, in words that she can check
purpose = ""                 # what it is made for
rate_of_pay = ""             # what she is paid, and for what
# valid_from = 2026-01-31
# valid_until = 2027-01-30   # the last day
acts = []                    # steps that she allows: "ingest", "dataset", "train", "render"
separate_document = false    # true: signed apart from the representation agreement
adult = false                # true: her age was checked
# signed_on = 2026-01-30
# withdrawn_on = 2026-06-01  # from this day on every step is refused
# private_marks = ["m03"]    # her marks that no twin may learn, by the ids that `twin marks` gave them
"""


def init_session(folder: Path) -> list[Path]:
    """Write session.toml and consent.toml templates into a folder and return those written.

    A file that is there is never touched. The consent template is refused until a person fills it in.
    """
    written = []
    for name, text in (("session.toml", SESSION_TEMPLATE), ("consent.toml", CONSENT_TEMPLATE)):
        path = folder / name
        if not path.exists() and not path.is_symlink():
            write_atomic(path, text)
            written.append(path)
    return written
