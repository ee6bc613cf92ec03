"""`twin body`: her surface from the stills of one take, with her colours; scans of other makers laid onto it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from capture.errors import EXIT_OK, InvalidSession
from scripts.options import DEFAULT_VAULT, Force, SessionName, VaultPath, find_session, page_of, printer_of
from scripts.printing import Outcome


def body(
    ctx: typer.Context,
    session: SessionName,
    take: Annotated[str, typer.Option(help="The take  [default: the first]")] = "",
    scan: Annotated[list[Path] | None, typer.Option(help="A scan of hers to lay onto the mesh; repeat it.")] = None,
    voxel_mm: Annotated[float, typer.Option(min=1.0, max=20.0, help="Size of the voxels of the mesh.")] = 2.5,
    poisson: Annotated[bool, typer.Option("--poisson", help="Close what is open, by Poisson reconstruction.")] = False,
    vault: VaultPath = DEFAULT_VAULT,
    force: Force = False,
) -> None:
    """Reconstruct her body as a mesh with her colours."""
    folder = find_session(vault, session)

    from calibration.body.build import Settings
    from calibration.body.step import ARTEFACT, reconstruct_body
    from calibration.body.take_views import look_of
    from calibration.rig import load_calibration
    from capture.validate import load_validated

    settings = Settings(take=take, voxel_m=voxel_mm / 1e3, poisson=poisson)
    made, report = reconstruct_body(
        load_validated(folder), load_calibration(folder), settings=settings, look=look_of(folder), scans=scan or (),
        force=force,
    )  # fmt: skip
    facts = report.facts
    code = EXIT_OK if report.ok else InvalidSession.exit_code
    artefact = folder.derived(ARTEFACT)
    printer_of(ctx).outcome(
        Outcome(
            "body",
            f"{len(made.mesh.vertices)} vertices, {facts['height_m']:.3f} m tall, "
            f"{facts['measured_by_two']:.0%} measured by two cameras",
            report,
            where=(page_of(artefact), artefact / "mesh.ply"),
            next_step=f"twin marks {session}",
            exit_code=code,
        )
    )
    raise typer.Exit(code)
