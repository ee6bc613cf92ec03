"""`twin plan`: say of each mark whether the data set can teach it, and what to shoot where it cannot."""

from __future__ import annotations

import typer

from scripts.options import DEFAULT_VAULT, BasePath, SessionName, VaultPath, find_session, page_of, printer_of
from scripts.printing import Outcome, counted


def plan(ctx: typer.Context, session: SessionName, base: BasePath = None, vault: VaultPath = DEFAULT_VAULT) -> None:
    """Say which of her marks the data set can teach, and what to shoot for the others."""
    folder = find_session(vault, session)

    from training.bases import EMBEDDED
    from training.bases.flux import FluxBase
    from training.dataset.frames import load_dataset
    from training.plan import ARTEFACT, plan_marks

    spec = FluxBase(base or EMBEDDED).spec
    plans, report = plan_marks(load_dataset(folder.derived("dataset")), spec, folder.derived(ARTEFACT))
    printer = printer_of(ctx)
    for one in () if printer.machine else plans:
        seen = f"{counted(one.enough, 'crop')} of {one.shown} with {one.cells:.1f} cells at most"
        printer.say(f"  {one.id}: {seen}; {', '.join(one.sides) or 'no side'}; {', '.join(one.lights) or 'no light'}")
    good = sum(not p.lacks for p in plans)
    printer.outcome(
        Outcome(
            "plan",
            f"{good} of {counted(len(plans), 'mark')} shown well enough to be learned for sure",
            report,
            where=(page_of(folder.derived(ARTEFACT)),),
            next_step=f"twin train {session}",
        )
    )
