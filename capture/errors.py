"""The exception tree and the exit code that each branch ends the `twin` command with.

LikenessError
├── InvalidSession        10  the session cannot be used; carries the report that says why
├── CalibrationTooPoor    11  the rig cannot be trusted; carries the report
├── ConsentRefused        12  she did not agree to this act, or no longer does
├── ComparisonFailed      13  the renders miss a threshold; carries the report
└── IncompleteInput       14  an earlier step has not run, or its artefact is unfinished

Trouble inside the data is an `Issue` in a `Report`; one of these is raised only when nothing useful can follow.
Misuse of a function is a plain `ValueError`; misuse of the command line is exit code 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from capture.issues import Report

EXIT_OK = 0
EXIT_USAGE = 2


class LikenessError(Exception):
    """Base of every failure that the house raises on purpose. The message is one clear line for a person."""

    exit_code = 1


class _WithReport(LikenessError):
    def __init__(self, message: str, report: Report) -> None:
        super().__init__(message)
        self.report = report


class InvalidSession(_WithReport):
    """The session, or a file that describes it, cannot be used."""

    exit_code = 10


class CalibrationTooPoor(_WithReport):
    """The cameras cannot be placed well enough to measure anything with them."""

    exit_code = 11


class ConsentRefused(LikenessError):
    """The person did not agree to this act, or the record of her consent is incomplete or out of date."""

    exit_code = 12


class ComparisonFailed(_WithReport):
    """The comparison ran, and a threshold was missed."""

    exit_code = 13


class IncompleteInput(LikenessError):
    """A step was asked for whose input artefact is missing, unfinished or was changed afterwards."""

    exit_code = 14
