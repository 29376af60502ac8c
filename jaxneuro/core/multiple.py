"""Corrections of many p values."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from . import check

__all__ = ["fdr"]


@partial(jax.jit, static_argnames="method")
def fdr(p_value: ArrayLike, *, method: str = "bh") -> jax.Array:
    """Adjust p values for the false discovery rate.

    Targets whose adjusted value is at most q form a set with at most the share q of
    false discoveries, in expectation.

    Parameters
    ----------
    p_value : array (..., n_targets)
        p values; each row of targets is one family. NaN takes no part.
    method : {"bh", "by"}
        Benjamini and Hochberg's for independent or positively dependent tests, or
        Benjamini and Yekutieli's for any dependence.

    Returns
    -------
    array (..., n_targets)
        Adjusted p values; NaN where `p_value` is.

    Raises
    ------
    ValueError
        If `method` is unknown.

    References
    ----------
    .. [1] Benjamini & Hochberg, Journal of the Royal Statistical Society B 57 (1995)
       289-300, doi:10.1111/j.2517-6161.1995.tb02031.x.
    .. [2] Benjamini & Yekutieli, Annals of Statistics 29 (2001) 1165-1188,
       doi:10.1214/aos/1013699998. Equal to SciPy's ``false_discovery_control``.
    """
    check.choice("method", method, ("bh", "by"))
    p = check.float_array("p_value", p_value)
    defined = jnp.isfinite(p)
    filled = jnp.where(defined, p, jnp.inf)
    order = jnp.argsort(filled, axis=-1)
    rank = jnp.arange(1, p.shape[-1] + 1, dtype=p.dtype)
    rank = jnp.broadcast_to(rank, p.shape)
    count = defined.sum(-1, keepdims=True).astype(p.dtype)
    if method == "by":
        count = count * jnp.where(rank <= count, 1 / rank, 0).sum(-1, keepdims=True)
    scaled = jnp.take_along_axis(filled, order, axis=-1) * count / rank
    axis = p.ndim - 1
    lowest = jax.lax.cummin(jnp.minimum(scaled, 1), axis=axis, reverse=True)
    back = jnp.argsort(order, axis=-1)
    return jnp.where(defined, jnp.take_along_axis(lowest, back, axis=-1), jnp.nan)
