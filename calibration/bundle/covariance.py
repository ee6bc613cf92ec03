"""How far a solve can be trusted: the covariance that noise alone would give, and the one that the data show.

The first is the inverse of the reduced normal matrix, scaled by the residuals. It believes that corners are independent
and the lens model is right, and on real pictures it is several times too small. The second asks the placements of the
board: how far does each group of placements pull the solution? It is the cluster-robust sandwich, in which the corners
of one group may be correlated in any way, with the correction for few groups that makes it agree with the first on
average where the first is right (CR2; Bell and McCaffrey, "Bias reduction in standard errors for linear regression
with multi-stage samples", 2002). A parameter that one group alone decides is pulled by none and stays with the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.stats import t as student

from calibration.bundle.normal import Blocks, add_up, reduce, residuals, view_blocks
from calibration.bundle.problem import BOARD, CAMERA, WARP, Bools, Ints, Problem, State
from calibration.pose import Floats

_DECIDED = 0.999  # of what is known about something; above it the group is not contradicted by any other
_RIDGE = 1e-9  # relative; a placement at the edge of a group may be seen by none of its views


@dataclass(frozen=True, eq=False)
class Covariance:
    """Covariances of all parameters (C * 16 + shared), zero where they were not free."""

    noise: Floats  # (F, F) from noise alone
    shown: Floats  # (F, F) from how far the groups pull
    noise_px: float  # standard deviation of one coordinate of a corner
    groups: int

    @property
    def reach(self) -> float:
        """How many standard deviations of `shown` a 95 % interval reaches, by Student's t; inf for one group."""
        return float(student.ppf(0.975, self.groups - 1)) if self.groups > 1 else np.inf


def covariance(problem: Problem, state: State, *, free: Bools, groups: Ints) -> Covariance:
    """Both covariances at a minimum of least squares. `groups` (B,) numbers what is left out together.

    Raises ValueError when the views do not determine the free parameters.
    """
    start = len(state.lens) * CAMERA
    blocks = view_blocks(problem, state, np.inf, warp=bool(free[start : start + WARP].any()))
    if not free.any():
        raise ValueError("covariance needs a free parameter, found none; free what was solved for")
    matrix, _, _ = reduce(add_up(blocks, len(state.lens), len(state.board_rotation)), free, 0.0)
    scale = 1 / np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    try:
        factor = cho_factor(matrix * scale[:, None] * scale, lower=True)
    except np.linalg.LinAlgError:
        raise ValueError("covariance needs a determined rig; a camera has too few views for its parameters") from None
    inverse = cho_solve(factor, np.eye(len(matrix))) * scale[:, None] * scale
    boards = len(np.unique(problem.board))
    freedom = 2 * int(problem.seen.sum()) - len(matrix) - BOARD * boards
    variance = float((residuals(problem, state) ** 2).sum()) / max(freedom, 1)
    own = np.asarray(groups)[problem.board]
    names = np.unique(own)
    pulls = np.stack([_pull(blocks.of_views(np.flatnonzero(own == name)), free, inverse) for name in names])
    return Covariance(
        _spread(inverse * variance, free), _spread(pulls.T @ pulls, free), float(np.sqrt(variance)), len(names)
    )


def _pull(blocks: Blocks, free: Bools, inverse: Floats) -> Floats:
    """How far the views of one group pull the free parameters (F,)."""
    cameras, camera = np.unique(blocks.camera, return_inverse=True)
    boards, knots = np.unique(blocks.knots, return_inverse=True)
    local = Blocks(
        camera,
        knots.reshape(blocks.knots.shape),
        blocks.own,
        blocks.own_gradient,
        blocks.mixed,
        blocks.board,
        blocks.board_gradient,
    )
    shared = blocks.own.shape[1] - CAMERA
    size = len(free) - shared
    columns = np.concatenate([(cameras[:, None] * CAMERA + np.arange(CAMERA)).ravel(), np.arange(size, len(free))])
    kept = free[columns]
    matrix, gradient, _ = reduce(add_up(local, len(cameras), len(boards)), kept, _RIDGE)
    place = (np.cumsum(free) - 1)[columns[kept]]  # where the parameters of these cameras stand among the free ones
    own = inverse[np.ix_(place, place)]
    unit = np.sqrt(np.diag(own))  # pixels, radians and metres would make any matrix look singular
    root = np.linalg.cholesky(own / unit[:, None] / unit) * unit[:, None]
    share, axes = np.linalg.eigh(root.T @ matrix @ root)  # of what is known along each axis, 0 to 1
    decided = share > _DECIDED
    grown = np.where(decided, 0.0, 1 / np.sqrt(np.where(decided, 1.0, 1 - share)))
    pull = solve_triangular(root, axes @ (grown * (axes.T @ (root.T @ gradient))), lower=True, trans="T")
    return np.asarray(inverse[:, place] @ pull)


def _spread(values: Floats, free: Bools) -> Floats:
    full = np.zeros((len(free), len(free)))
    full[np.ix_(np.flatnonzero(free), np.flatnonzero(free))] = values
    return full
