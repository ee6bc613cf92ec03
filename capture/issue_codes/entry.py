"""One line of the catalogue of issues: how bad it is, why it is said, and what to do now."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much an issue matters: an error blocks what depends on it, a warning does not."""

    ERROR = "error"
    WARNING = "warning"
    IGNORED = "ignored"  # set aside by a rule of the shoot: listed with the reason, and counted nowhere


@dataclass(frozen=True)
class Entry:
    """Severity, reason and remedy of a code."""

    severity: Severity
    reason: str
    remedy: str
