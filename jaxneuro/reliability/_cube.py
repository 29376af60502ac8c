"""What all measures share: the cube of responses and its sums."""

import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core import check
from ..core.struct import struct

MISSING = ("skip", "zero")


@struct
class Repeats:
    """Sums over the repeats of each stimulus, shifted for each target.

    Attributes
    ----------
    n, total, square : array (n_stimuli, n_targets)
        Number of repeats, their sum, and the sum of their squares.
    shift : array (n_targets,)
        What was subtracted from the responses, near their mean, so that sums of
        squares keep their digits.
    """

    n: jax.Array
    total: jax.Array
    square: jax.Array
    shift: jax.Array


def cube(responses: ArrayLike, missing: str) -> jax.Array | np.ndarray:
    """Check responses; NaN stays or becomes zero.

    Floats in host memory stay there: a compiled function takes them as they are,
    while a transfer of their own costs more than the sums over them.
    """
    check.choice("missing", missing, MISSING)
    floats = np.float32, jax.dtypes.canonicalize_dtype(float)
    if isinstance(responses, np.ndarray) and responses.dtype in floats:
        check.has_ndim("responses", responses, 3)
    else:
        responses = check.float_array("responses", responses, ndim=3)
    if 0 in responses.shape:
        raise ValueError(
            f"responses has shape {responses.shape} but must hold repeats, stimuli and "
            "targets."
        )
    return jnp.nan_to_num(responses, nan=0.0) if missing == "zero" else responses


def sums_of(responses: jax.Array | np.ndarray) -> Repeats:
    """Sum each stimulus over its repeats, where the responses are.

    In host memory and without gaps that is quicker than handing them over, and nothing
    is compiled for their shape. A level is taken off only where a target's sum of
    squares would lose more than three bits to it. The number of repeats may then be
    one for all, (1, 1).
    """
    if not isinstance(responses, np.ndarray):
        return _sums(responses)
    first = responses[0]
    shift = np.zeros_like(first[0])
    with np.errstate(invalid="ignore", over="ignore"):
        total = responses.sum(axis=0)
        square = np.einsum("rst,rst->st", responses, responses)
        each = square.sum(axis=0)
        rest = each - total.sum(axis=0) ** 2 / (len(responses) * len(first))
        if not np.all((8 * rest > each) | (each == 0)):
            shift = first[0] + (first - first[:1]).mean(axis=0)
            total, square, moved = (np.zeros_like(first) for _ in range(3))
            for repeat in responses:
                np.subtract(repeat, shift[None], out=moved)
                total += moved
                np.square(moved, out=moved)
                square += moved
    if np.isnan(total).any():
        return _sums(responses)
    n = np.full((1, 1), len(responses), first.dtype)
    return Repeats(n=n, total=total, square=square, shift=shift)  # type: ignore[arg-type]  # arrays of either kind


def sums(responses: jax.Array) -> Repeats:
    """Sum each stimulus over its repeats, in one pass over the cube."""
    first = responses[0]
    seen = ~jnp.isnan(first)
    # From one of its values a constant is exactly zero; the mean of a repeat is near
    # that of all.
    one = jnp.take_along_axis(first, seen.argmax(axis=0)[None], axis=0)
    one = jnp.where(jnp.isnan(one), 0, one)
    away = jnp.where(seen, first - one, 0).sum(axis=0, keepdims=True)
    n_seen = seen.sum(axis=0, keepdims=True, dtype=first.dtype)
    shift = one + away / jnp.maximum(n_seen, 1)
    shift = jax.lax.stop_gradient(shift)

    # Row by row: a compiled sum over the first axis walks down columns, which costs
    # several times as much.
    def add_up(parts: Callable, n_parts: int) -> tuple[jax.Array, ...]:
        def add(carry: tuple, repeat: jax.Array) -> tuple[tuple, None]:
            return tuple(map(jnp.add, carry, parts(repeat))), None

        start = (jnp.zeros(first.shape, first.dtype),) * n_parts
        return jax.lax.scan(add, start, responses)[0]

    def with_gaps(repeat: jax.Array) -> tuple[jax.Array, ...]:
        known = ~jnp.isnan(repeat)
        moved = jnp.where(known, repeat - shift, 0)
        return known.astype(repeat.dtype), moved, moved**2

    def whole(repeat: jax.Array) -> tuple[jax.Array, ...]:
        return repeat - shift, (repeat - shift) ** 2

    # Writing sums, not reading responses, takes the time: what is not missing is not
    # counted.
    n_repeats = jnp.full(first.shape, responses.shape[0], first.dtype)
    n, total, square = jax.lax.cond(
        jnp.isnan(responses.sum()),
        lambda: add_up(with_gaps, 3),
        lambda: (n_repeats, *add_up(whole, 2)),
    )
    return Repeats(n=n, total=total, square=square, shift=shift[0])


_sums = jax.jit(sums)


def ratio(numerator: jax.Array, denominator: jax.Array) -> jax.Array:
    """Divide; NaN where the denominator is not positive."""
    defined = denominator > 0
    return jnp.where(defined, numerator / jnp.where(defined, denominator, 1), jnp.nan)


def root(x: jax.Array) -> jax.Array:
    """Take the square root; zero, with slope zero, where `x` is not positive."""
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1)), 0)


def spread(n: jax.Array, total: jax.Array, square: jax.Array) -> jax.Array:
    """Sum of squared deviations; zero where it is no more than rounding."""
    deviation = square - total**2 / jnp.maximum(n, 1)
    rounding = 8 * jnp.finfo(square.dtype).eps * square
    return jnp.where(deviation > rounding, deviation, 0)


def pearson(
    n: jax.Array,
    x: jax.Array,
    y: jax.Array,
    xx: jax.Array,
    yy: jax.Array,
    xy: jax.Array,
) -> jax.Array:
    """Correlation from sums."""
    scale = root(spread(n, x, xx)) * root(spread(n, y, yy))
    return ratio(xy - x * y / jnp.maximum(n, 1), scale)


def means(repeats: Repeats) -> jax.Array:
    """Mean of each stimulus; NaN where it was never shown."""
    shifted = ratio(repeats.total, repeats.n)
    return shifted + repeats.shift[None]


def noise(repeats: Repeats) -> jax.Array:
    """Unbiased variance around each stimulus's mean; NaN with less than two repeats."""
    return ratio(spread(repeats.n, repeats.total, repeats.square), repeats.n - 1)


def mean_known(x: jax.Array) -> jax.Array:
    """Mean over the first axis without NaN; NaN where nothing is left."""
    known = ~jnp.isnan(x)
    n = known.sum(axis=0, dtype=x.dtype)
    return ratio(jnp.where(known, x, 0).sum(axis=0), n)


def variance_known(x: jax.Array, *, ddof: int) -> jax.Array:
    """Variance over the first axis without NaN; exactly zero for a constant."""
    known = ~jnp.isnan(x)
    highest = jnp.where(known, x, -jnp.inf).max(axis=0)
    highest = jax.lax.stop_gradient(jnp.where(jnp.isinf(highest), 0, highest))
    below = jnp.where(known, x - highest[None], jnp.nan)
    away = jnp.where(known, below - mean_known(below)[None], 0)
    n = known.sum(axis=0, dtype=x.dtype)
    return ratio((away**2).sum(axis=0), n - ddof)


def defined(name: str, values: jax.Array, why: str) -> jax.Array:
    """Return `values`, after one warning that counts the targets without a value."""
    if isinstance(values, Tracer):
        return values
    undefined = np.isnan(np.asarray(values))
    if undefined.any():
        where = np.flatnonzero(undefined)
        listed = ", ".join(map(str, where[:5])) + (", ..." if where.size > 5 else "")
        warnings.warn(
            f"{name} is undefined (nan) for {where.size} of {values.size} targets, "
            f"{why}: {listed}.",
            UserWarning,
            stacklevel=3,
        )
    return values
