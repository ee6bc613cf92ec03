"""The limits of a comparison, each with its meaning and where its value comes from; the report prints all of them."""

from __future__ import annotations

from pydantic import Field

from capture.toml_file import Record


class Thresholds(Record):
    """Limits of a comparison. A description reads "meaning | origin of the value"."""

    kept_share: float = Field(
        0.7, ge=0, le=1, description="kept marks / observable marks, at least | house agreement, not calibrated"
    )
    delta_e_2000: float = Field(
        10.0, gt=0, description="mean CIEDE2000 inside the mask, at most | house agreement, not calibrated"
    )
    min_px: float = Field(
        4.0, gt=0, description="smallest diameter of a mark in px | pictures of 96 px; 6 for delivered work"
    )
    max_facing_deg: float = Field(
        60.0, gt=0, le=90, description="skin turned away further is not judged, deg | house agreement, not calibrated"
    )
    min_contrast: float = Field(
        3.0, gt=0, description="smallest contrast in the photograph, L* | painted marks of 3 L* are found 0-60 %"
    )
    min_z: float = Field(
        4.0, gt=0, description="response over skin around, robust deviations | painted marks on 20 portraits"
    )
    kept_ratio: float = Field(
        0.6, gt=0, le=1, description="response / response in the photograph | kept marks: 0.72-1.15 (5-95 %)"
    )
    faded_ratio: float = Field(
        0.25, gt=0, le=1, description="below it a mark is lost, not faded | a mark faded to 40 % lies between"
    )
    moved_diameters: float = Field(
        2.5, gt=0, description="how far a moved mark is looked for, diameters | marks moved by 2 d are found"
    )
    max_view_deg: float = Field(
        5.0, ge=0, description="largest angle between the views of a pair, deg | house agreement, not calibrated"
    )
    max_light_deg: float = Field(
        10.0, ge=0, description="largest angle between the lights of a pair, deg | house agreement, not calibrated"
    )

    def lines(self) -> list[tuple[str, float, str, str]]:
        """Name, value, meaning and origin of every limit, in order."""
        out = []
        for name, info in type(self).model_fields.items():
            meaning, _, origin = (info.description or "").partition(" | ")
            out.append((name, float(getattr(self, name)), meaning, origin))
        return out
