"""A design and its noise, prepared on the host for all blocks of targets."""

from dataclasses import replace

import numpy as np

from ..core.linalg import Factor
from ..core.struct import static, struct
from ._arma import Filter, make_grid
from ._gls import Information, factor_size, information, turned
from ._noise import Stretch, products, stretches
from ._sums import Recipe, make_recipe
from ._tukey import Waves, make_waves
from ._yule import Moments, moments

__all__ = ["Plan", "make_plan", "size_each", "turned_plan"]


@struct
class Plan:
    """A design, prepared on the host for all blocks of targets.

    Attributes
    ----------
    q : array (n_kept, rank)
        Design in orthonormal columns.
    basis : array (n_regressors, rank)
        From coordinates along `q` to coefficients.
    rows : int array (n_kept,) or None
        Scans that are used; None for all.
    ones, ones_coef : array (n_kept,), (n_regressors,)
        A constant: its residual, None where the design explains it, and its
        coefficients.
    parts, pairs : Stretch
        Gaps, for whitening and for estimation.
    moments : Moments or None
        Bias of the residuals; None with compat or for independent noise.
    information : Information
        Left-hand side of the normal equations.
    global_mean : array () or None
        What nilearn takes off residuals before it estimates.
    dof : float
        Degrees of freedom of the noise.
    divisor : float
        By what the sum of squares is divided.
    order : int
        Of the autoregression.
    compat : {None, "nilearn"}
        Conventions.
    search : Filter or None
        For ARMA(1,1): what its grid needs.
    waves : Waves or None
        For tapered autocorrelations: the design in waves.
    recipe : Recipe or None
        For independent and autoregressive noise: what sums of the data are enough;
        None where residuals are whitened instead.
    """

    q: np.ndarray
    basis: np.ndarray
    rows: np.ndarray | None
    ones: np.ndarray | None
    ones_coef: np.ndarray
    parts: tuple[Stretch, ...]
    pairs: Stretch | None
    moments: Moments | None
    information: Information
    global_mean: np.ndarray | None
    dof: float = static()  # type: ignore[assignment]  # a dataclass field
    divisor: float = static()  # type: ignore[assignment]  # a dataclass field
    order: int = static()  # type: ignore[assignment]  # a dataclass field
    compat: str | None = static()  # type: ignore[assignment]  # a dataclass field
    search: Filter | None = None
    waves: Waves | None = None
    recipe: Recipe | None = None


def make_plan(
    design: Factor,
    kind: str,
    order: int,
    run_id: np.ndarray,
    keep: np.ndarray,
    *,
    dof: float,
    compat: str | None,
) -> Plan:
    """Prepare a design (host, float64).

    Parameters
    ----------
    design : Factor
        Of the scans that are used.
    kind : {"ar", "global", "arma", "tukey"}
        Family of the noise.
    order : int
        Of the autoregression; lag at which the taper ends; 2 for ARMA(1,1).
    run_id, keep : array (n_times,)
        Run of each scan, and whether it is used.
    dof : float
        Degrees of freedom.
    compat : {None, "nilearn"}
        Conventions.

    Returns
    -------
    Plan
        In float64.
    """
    q, basis = design.q, design.basis
    exact = compat is None
    parts, pairs, bias, info = (), None, None, information((), ())[0]
    search, waves = None, None
    if kind == "arma":
        grid, search = make_grid(q, run_id, keep)
        info = replace(info, grid=grid)
    elif kind == "tukey":
        spectrum, waves = make_waves(q, run_id, keep, order)
        info = replace(info, spectrum=spectrum)
    elif order:
        parts = stretches(run_id, keep, order, stationary=exact)
        (pairs,) = stretches(run_id, keep, order, stationary=False)
        orders = tuple(part.order for part in parts)
        info, turn = information(products(q, parts), orders)
        q, basis = q @ turn, basis @ turn
        bias = moments(q, pairs, pooled=kind == "global") if exact else None
    constant = np.ones(q.shape[0])
    inside = q.T @ constant
    rest = constant - q @ inside
    explained = np.linalg.norm(rest) < 1e-8 * np.sqrt(rest.size)
    return _with_recipe(
        Plan(
            q=q,
            basis=basis,
            rows=None if keep.all() else np.flatnonzero(keep),
            ones=None if explained else rest,
            ones_coef=basis @ inside,
            parts=parts,
            pairs=pairs,
            moments=bias,
            information=info,
            global_mean=None if exact or explained or not order else np.zeros(()),
            dof=dof,
            divisor=dof if exact else float(q.shape[0] - basis.shape[0]),
            order=order,
            compat=compat,
            search=search,
            waves=waves,
        )
    )


def _with_recipe(plan: Plan) -> Plan:
    """Prepare sums of the data, where these are enough."""
    special = plan.search, plan.waves, plan.global_mean
    if any(each is not None for each in special):
        return plan
    recipe = make_recipe(plan.q, plan.rows, plan.ones, plan.parts, plan.order)
    return replace(plan, recipe=recipe)


def turned_plan(plan: Plan, turn: np.ndarray) -> Plan:
    """Change the coordinates of a plan (host).

    Parameters
    ----------
    plan : Plan
        With AR(2) or higher noise, or gaps; others have coordinates of their own.
    turn : array (rank, rank)
        Orthogonal; the new coordinates are ``turn.T @ old``.

    Returns
    -------
    Plan
        For the same estimates.
    """
    return _with_recipe(
        replace(
            plan,
            q=plan.q @ turn,
            basis=plan.basis @ turn,
            information=turned(plan.information, turn),
        )
    )


def size_each(plan: Plan) -> int:
    """Count what the computation holds of each target.

    Parameters
    ----------
    plan : Plan
        The design.

    Returns
    -------
    int
        Numbers of a target.
    """
    n_times, rank = plan.q.shape
    if plan.recipe is not None:
        n_times = len(plan.recipe.columns) + rank
    size = n_times + factor_size(plan.information)
    if plan.search is not None:
        size += 2 * plan.search.penalty.size
    if plan.waves is not None:
        size += 2 * len(plan.waves.design)
    return size
