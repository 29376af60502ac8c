"""The general linear model of every voxel, with its own autoregressive noise."""

import re
import warnings
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core import check
from ..core.batch import Sliceable
from ..core.linalg import factor
from ..core.struct import static, struct
from ..core.threads import one_blas_thread
from ._blocks import cast, compute_dtype, map_targets
from ._fit_block import fit_block, noise_error, pooled_ar, summed
from ._gls import Information, is_diagonal
from ._inputs import check_stretches, design_inputs, given_ar
from ._plan import Plan, make_plan, size_each
from ._sampling_error import NoiseError

__all__ = ["GLMFit", "finished", "fit", "prepared"]

# Beyond this condition number some six digits of a coefficient are left.
_MAX_CONDITION = 1e9


@struct
class GLMFit:
    """A fitted general linear model; contrasts are made of it.

    Attributes
    ----------
    coef : array (n_regressors, n_targets)
        Estimates; NaN where the data are constant or not finite.
    variance : array (n_targets,)
        Variance of the noise; of its innovations where it is autoregressive.
    ar : array (order, n_targets)
        Autoregressive coefficients of each target. For "arma11" the autoregressive
        and the moving average one; for "tukey" the tapered autocorrelations.
    basis : array (n_regressors, rank)
        Directions of the coefficients that the design determines, such that
        ``X @ basis`` has orthonormal columns.
    information : Information
        What makes the covariance of any contrast from `ar`; one covariance per
        target is never stored.
    dof : float
        Scans that are used less the rank of the design.
    noise_model : str
        As given to :func:`fit`.
    compat : {None, "nilearn"}
        Conventions.
    error : NoiseError or None
        Of `ar` where each target's own data gave it, which costs degrees of freedom.
    """

    coef: jax.Array | np.ndarray
    variance: jax.Array | np.ndarray
    ar: jax.Array | np.ndarray
    basis: np.ndarray
    information: Information
    error: NoiseError | None = None
    dof: float = static()  # type: ignore[assignment]  # a dataclass field
    noise_model: str = static()  # type: ignore[assignment]  # a dataclass field
    compat: str | None = static(default=None)  # type: ignore[assignment]  # a dataclass field

    @property
    def order(self) -> int:
        """Number of coefficients of a target's noise."""
        return self.ar.shape[0]


def fit(
    X: ArrayLike,
    Y: Sliceable | jax.Array,
    *,
    noise_model: str = "ols",
    run_id: ArrayLike | None = None,
    keep: ArrayLike | None = None,
    ar: ArrayLike | None = None,
    compat: str | None = None,
) -> GLMFit:
    """Fit a general linear model to every target.

    With autoregressive noise the coefficients of each target are estimated from its
    own least squares residuals, free of the bias that regression brings [1]_, and
    the generalised least squares of each target is exact: no rounding of the
    coefficients to bins, no clusters, the first scans whitened as stationary noise.

    Parameters
    ----------
    X : array (n_times, n_regressors)
        Design, concrete; it is factored on the host in float64. Dependent columns
        are allowed: the coefficients are then those of least norm.
    Y : array or sliceable (n_times, n_targets)
        Data: in memory, or a memory map or HDF5 dataset, which is read in blocks of
        targets. In raw units as well: nothing is lost to a large mean.
    noise_model : str
        "ols": independent. "ar1", "ar2", ...: autoregressive of that order, with
        coefficients of each target. "global_ar1", ...: one set of coefficients for
        all targets, from the mean of their autocorrelations. That is the way of SPM
        [2]_, whose one covariance is whitened here exactly, so that its
        Satterthwaite degrees of freedom are the scans less the rank. "arma11":
        autoregressive and moving average, each of order 1, of each target, by
        restricted maximum likelihood among steps of 0.1 up to 0.9 that make the
        correlation positive [3]_. "tukey", "tukey15", ...: autocorrelations of each
        target, tapered to zero at the root of the number of scans or at the lag in
        the name, the way of FSL's FILM [4]_ without its smoothing over space. Unlike
        there, the bias that regression brings is taken out first, as [1]_ does, as
        far as the design determines it, and the covariance is inverted exactly, on a
        circle with room between its ends, powers below 1/100 of the mean raised to
        it; FILM divides by the spectrum of the zero-padded data. The taper's own
        bias stays: tests find some more than they should.
    run_id : int array (n_times,), optional
        Run of each scan. The noise of different runs is independent. Default: one.
    keep : bool array (n_times,), optional
        Scans that are used. Lags do not pair scans across one that is censored;
        those of "arma11" and "tukey" do, at their distance in time. Default: all.
    ar : array (order,) or (order, n_targets), optional
        Autoregressive coefficients to use instead of estimates.
    compat : {None, "nilearn"}
        "nilearn": its numbers. Residuals about their global mean, coefficients of
        AR(1) cut to 1/100, filter started from zero, variance over scans less
        columns. Its clusters of higher orders depend on a random state: the
        coefficients stay those of each target unless given as `ar`.

    Returns
    -------
    GLMFit
        Coefficients, noise, and what contrasts need. NumPy arrays, or JAX arrays
        where `Y` is one.

    Raises
    ------
    ValueError
        If shapes disagree, an option is unknown, or no degree of freedom is left.

    References
    ----------
    .. [1] Worsley et al., NeuroImage 15 (2002) 1-15, doi:10.1006/nimg.2001.0933;
       nilearn ``run_glm`` with ``compat="nilearn"``.
    .. [2] Friston et al., NeuroImage 16 (2002) 484-512, doi:10.1006/nimg.2002.1091;
       ``spm_reml`` and ``spm_spm`` of SPM12, which estimate the one covariance from
       active voxels by ReML.
    .. [3] AFNI ``3dREMLfit``, whose steps of 0.1 end at 0.8.
    .. [4] Woolrich et al., NeuroImage 14 (2001) 1370-1386,
       doi:10.1006/nimg.2001.0931; ``film_gls``.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack([np.sin(np.arange(100.0)), np.ones(100)])
    >>> fit(X, rng.standard_normal((100, 5)), noise_model="ar1").coef.shape
    (2, 5)
    """
    plan, data, dtype = prepared(
        X, Y, noise_model=noise_model, run_id=run_id, keep=keep, ar=ar, compat=compat
    )
    estimates = map_targets(
        partial(fit_block, cast(plan, dtype)),
        data,
        dtype=dtype,
        bytes_each=size_each(plan) * dtype.itemsize,
        first=summed(plan, dtype),
        alone=not is_diagonal(plan.information),
    )
    return finished(plan, estimates, noise_model, own=len(data) == 1)


def prepared(
    X: ArrayLike,
    Y: Sliceable | jax.Array,
    *,
    noise_model: str,
    run_id: ArrayLike | None,
    keep: ArrayLike | None,
    ar: ArrayLike | None,
    compat: str | None,
) -> tuple[Plan, tuple, np.dtype]:
    """Check what is given and prepare the design.

    Parameters
    ----------
    X, Y, noise_model, run_id, keep, ar, compat
        As in :func:`fit`.

    Returns
    -------
    plan : Plan
        In float64.
    data : tuple
        `Y`, and the coefficients of the noise where they are not each target's own.
    dtype : dtype
        Float of the computation.
    """
    check.choice("compat", compat, (None, "nilearn"))
    X, run_id, keep = design_inputs(X, Y, run_id, keep)
    kind, order = _model(noise_model, int(keep.sum()))
    if kind != "ar" and (compat is not None or ar is not None):
        raise ValueError(
            f"noise_model is {noise_model!r} but ar or compat is given too; use "
            f"'ar{order if kind == 'global' else 1}' with them."
        )
    if compat == "nilearn" and (run_id.any() or not keep.all()):
        raise ValueError(
            "run_id and keep have no counterpart in compat='nilearn'; fit runs one by "
            "one, or use compat=None."
        )
    if kind in ("ar", "global"):
        check_stretches(run_id, keep, order)
    dtype = compute_dtype(Y)
    with one_blas_thread():
        design = factor(X[keep])
        _warn_condition(design.condition)
        dof = _dof(X[keep], design.rank, order, compat)
        plan = make_plan(design, kind, order, run_id, keep, dof=dof, compat=compat)
    if plan.global_mean is not None and plan.ones is not None:
        plan = replace(plan, global_mean=_global_mean(plan.ones, Y))
    if kind == "global":
        return plan, (Y, pooled_ar(plan, Y, dtype)), dtype
    if ar is not None:
        return plan, (Y, given_ar(ar, order, Y.shape[1], compat)), dtype
    return plan, (Y,), dtype


def finished(plan: Plan, estimates: tuple, noise_model: str, *, own: bool) -> GLMFit:
    """Make the result of what the blocks gave.

    Parameters
    ----------
    plan : Plan
        The design.
    estimates : tuple of array
        Coefficients, variance and noise of all targets.
    noise_model : str
        As in :func:`fit`.
    own : bool
        Whether each target's own data gave its noise.

    Returns
    -------
    GLMFit
        Of all targets; one warning counts those without a result.
    """
    coef, variance, ar = estimates
    _warn_undefined(variance)
    error = None
    if own and plan.order > 0 and plan.compat is None:
        with one_blas_thread():
            error = noise_error(plan, ar)
    return GLMFit(
        coef=coef,
        variance=variance[0],
        ar=ar,
        basis=plan.basis,
        information=plan.information,
        dof=plan.dof,
        noise_model=noise_model,
        compat=plan.compat,
        error=error,
    )


def _model(noise_model: str, n_kept: int) -> tuple[str, int]:
    """Family of the noise that a name means, and its order."""
    if noise_model == "ols":
        return "ar", 0
    if noise_model == "arma11":
        return "arma", 2
    found = re.fullmatch(r"(global_ar|ar|tukey)([1-9][0-9]*)?", str(noise_model))
    if found is None or (found[2] is None and found[1] != "tukey"):
        raise ValueError(
            f"noise_model is {noise_model!r} but must be 'ols' or 'ar1', 'ar2', ..., "
            "or 'global_ar1', ..., the number being the order of the autoregression, "
            "or 'arma11', or 'tukey', 'tukey15', ..., the number being the lag where "
            "the taper ends."
        )
    kind = found[1].removesuffix("_ar")
    if kind != "tukey":
        return kind, int(found[2])
    order = max(2, round(n_kept**0.5)) if found[2] is None else int(found[2])
    if not 2 <= order <= n_kept // 2:
        raise ValueError(
            f"noise_model is {noise_model!r} for {n_kept} scans but the taper must end "
            f"at a lag from 2 to {n_kept // 2}."
        )
    return kind, order


def _warn_condition(condition: float) -> None:
    """Say when rounding is all that some coefficients are."""
    if condition > _MAX_CONDITION:
        digits = max(0, int(-np.log10(condition * np.finfo(np.float64).eps)))
        warnings.warn(
            f"X has condition number {condition:.1e}, columns scaled to one length: "
            f"about {digits} digits of the coefficients are left in float64; drop or "
            "combine columns that nearly repeat others.",
            UserWarning,
            stacklevel=4,
        )


def _dof(X: np.ndarray, rank: int, order: int, compat: str | None) -> float:
    """Degrees of freedom of the noise."""
    n_times, n_regressors = X.shape
    if compat == "nilearn":
        # Its limit counts in the units of X.
        limit = np.abs(X).sum() * np.finfo(np.float64).eps
        rank = int(np.linalg.matrix_rank(X, tol=limit))
    if n_times - rank <= order or n_times <= n_regressors:
        raise ValueError(
            f"X has {n_regressors} regressors of rank {rank} for {n_times} scans, too "
            "many to leave degrees of freedom for the noise; use fewer regressors or "
            "keep more scans."
        )
    return float(n_times - rank)


def _global_mean(ones: np.ndarray, Y: Sliceable | jax.Array) -> np.ndarray:
    """Mean over all scans and targets of the least squares residuals."""
    (sums,) = map_targets(
        lambda y: (jnp.sum(y * jnp.asarray(ones, y.dtype)[:, None], axis=0),),
        (Y,),
        dtype=compute_dtype(Y),
        bytes_each=8 * Y.shape[0],
    )
    return np.asarray(np.mean(sums, dtype=np.float64) / Y.shape[0])


def _warn_undefined(variance: jax.Array | np.ndarray) -> None:
    """Count the targets without a result."""
    if isinstance(variance, Tracer):
        return
    where = np.flatnonzero(np.isnan(np.asarray(variance[0])))
    if where.size:
        first = ", ".join(str(i) for i in where[:5]) + ("…" if where.size > 5 else "")
        warnings.warn(
            f"Y is constant or not finite in {where.size} of {variance.shape[-1]} "
            f"targets ({first}); their results are NaN.",
            UserWarning,
            stacklevel=4,
        )
