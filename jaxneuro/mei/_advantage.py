"""Whether one kind of image excites more than another, over neurons and networks."""

from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ..core import check
from ..core.struct import struct

__all__ = ["Advantage", "advantage"]


@struct
class Advantage:
    """How much larger some responses are than others.

    Attributes
    ----------
    ratio : array (n_targets,)
        Response by control, each averaged over members; NaN unless both are positive.
    mean : array ()
        Geometric mean of the ratios of all targets and members.
    low, high : array ()
        Ends of its interval.
    share : array ()
        Targets with a ratio above one, as a fraction of those that have one.
    n_targets : int array ()
        Targets that have a ratio.
    """

    ratio: jax.Array
    mean: jax.Array
    low: jax.Array
    high: jax.Array
    share: jax.Array
    n_targets: jax.Array


@partial(jax.jit, static_argnames="n_draws")
def advantage(
    responses: ArrayLike,
    controls: ArrayLike,
    *,
    key: jax.Array,
    n_draws: int = 2000,
    level: float = 0.95,
) -> Advantage:
    """Compare the responses of many neurons to two images each.

    The interval is that of a bootstrap which draws neurons and, where there are
    several, members of the ensemble, independently and with replacement.

    Parameters
    ----------
    responses, controls : array (n_targets,) or (n_members, n_targets)
        Responses to most exciting inputs and, for example, to the best Gabors, as
        :func:`responses` gives them.
    key : key
        For the draws.
    n_draws : int
        Number of draws.
    level : float
        Share of the draws within the interval.

    Returns
    -------
    Advantage
        Ratios, their geometric mean, and its interval.

    Raises
    ------
    ValueError
        If shapes differ.

    References
    ----------
    .. [1] Owen, The pigeonhole bootstrap, Annals of Applied Statistics 1, 2007,
       doi:10.1214/07-AOAS122.
    """
    ours = check.float_array("responses", responses)
    theirs = check.float_array("controls", controls)
    check.has_ndim("responses", ours, 1, 2)
    if ours.shape != theirs.shape:
        raise ValueError(
            f"controls has shape {theirs.shape} but responses has {ours.shape}."
        )
    if n_draws < 1:
        raise ValueError(f"n_draws is {n_draws} but must be at least 1.")
    ours, theirs = (x.reshape(-1, x.shape[-1]) for x in (ours, theirs))
    good = (ours > 0) & (theirs > 0)
    logs = jnp.log(jnp.where(good, ours, 1)) - jnp.log(jnp.where(good, theirs, 1))
    count = good.astype(logs.dtype)
    keys = jax.random.split(key)
    members, targets = (
        _draws(k, n, n_draws, logs.dtype) for k, n in zip(keys, logs.shape, strict=True)
    )
    parts = [
        ((members @ part) * targets).sum(1) for part in (logs, count)
    ]  # (n_draws,)
    means = parts[0] / jnp.where(parts[1] > 0, parts[1], jnp.nan)
    low, high = jnp.nanquantile(means, jnp.stack([(1 - level) / 2, (1 + level) / 2]))
    a, b = ours.mean(0), theirs.mean(0)
    defined = (a > 0) & (b > 0)
    ratio = jnp.where(defined, a / jnp.where(defined, b, 1), jnp.nan)
    n = defined.sum()
    share = (ratio > 1).sum() / jnp.where(n > 0, n, 1)
    mean = logs.sum() / jnp.where(count.sum() > 0, count.sum(), jnp.nan)
    return Advantage(
        ratio=ratio,
        mean=jnp.exp(mean),
        low=jnp.exp(low),
        high=jnp.exp(high),
        share=jnp.where(n > 0, share, jnp.nan).astype(logs.dtype),
        n_targets=n,
    )


def _draws(key: jax.Array, n: int, n_draws: int, dtype: jnp.dtype) -> jax.Array:
    """How often each of `n` things is drawn, (n_draws, n)."""
    drawn = jax.random.randint(key, (n_draws, n), 0, n)
    return jax.vmap(lambda row: jnp.bincount(row, length=n))(drawn).astype(dtype)
