"""What several networks agree on."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import check

__all__ = ["consensus", "sign_consistency"]


def consensus(members: ArrayLike, *, quantile: float | None = None) -> jax.Array:
    """Average the dSTRFs of several networks, where they agree on the sign.

    Parameters
    ----------
    members : array (n_members, n_times, n_targets, n_lags, n_features)
        The dSTRF of each network of a jackknife or an ensemble.
    quantile : float, optional
        Share of the members that must agree, above 0.5 and up to 1: entries whose
        quantiles `quantile` and ``1 - quantile`` (interpolated) lie on either side of
        zero become zero. Default: nothing is set to zero.

    Returns
    -------
    array (n_times, n_targets, n_lags, n_features)
        Mean over the members.

    Raises
    ------
    ValueError
        If there are no members, or `quantile` is outside (0.5, 1].

    References
    ----------
    .. [1] Keshishian et al., eLife, 2020, doi:10.7554/eLife.53445; ``filter_q`` of the
       DSTRF toolbox (naplab).
    """
    members = check.float_array("members", members, ndim=5)
    if members.shape[0] == 0:
        raise ValueError("members has no network; give the dSTRF of at least one.")
    mean = members.mean(0)
    if quantile is None:
        return mean
    share = check.real_number("quantile", quantile)
    if not 0.5 < share <= 1:
        raise ValueError(f"quantile is {share:g} but must be above 0.5 and at most 1.")
    upper, lower = (jnp.quantile(members, q, axis=0) for q in (share, 1 - share))
    return jnp.where((upper > 0) & (lower < 0), 0, mean)


def sign_consistency(members: ArrayLike) -> jax.Array:
    """Count how many networks have the sign of the majority.

    Parameters
    ----------
    members : array (n_members, n_times, n_targets, n_lags, n_features)
        The dSTRF of each network.

    Returns
    -------
    array (n_times, n_targets, n_lags, n_features)
        Share of the members, from 0 (zero in all) to 1.

    Raises
    ------
    ValueError
        If `members` has not five axes.
    """
    members = check.float_array("members", members, ndim=5)
    positive, negative = (members > 0).mean(0), (members < 0).mean(0)
    return jnp.maximum(positive, negative).astype(members.dtype)
