"""Checks of arguments: of shapes and options anywhere, of values on the host.

Every message names the argument, what came and what was expected.
"""

import math
import numbers
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

__all__ = [
    "alphas",
    "choice",
    "finite",
    "float_array",
    "has_ndim",
    "positive",
    "real_number",
    "same_length",
    "shape_of",
]

_AXES = {1: "one-dimensional", 2: "two-dimensional", 3: "three-dimensional"}


def has_ndim(name: str, x: ArrayLike, *ndim: int) -> None:
    """Refuse an array with the wrong number of axes.

    Parameters
    ----------
    name : str
        What the caller names the argument.
    x : array
        Any array.
    *ndim : int
        Allowed numbers of axes.

    Raises
    ------
    ValueError
        If `x` has another number of axes.
    """
    if len(shape_of(x)) not in ndim:
        allowed = " or ".join(_AXES.get(n, f"{n}-dimensional") for n in ndim)
        raise ValueError(f"{name} has shape {shape_of(x)} but must be {allowed}.")


def shape_of(x: ArrayLike) -> tuple[int, ...]:
    """Give the shape of an array or of anything that says its shape.

    Parameters
    ----------
    x : array or sliceable
        Data; nothing is read from disk.

    Returns
    -------
    tuple of int
        Lengths of the axes.
    """
    shape = getattr(x, "shape", None)
    return np.shape(x) if shape is None else tuple(shape)


def float_array(name: str, x: ArrayLike, *, ndim: int | None = None) -> jax.Array:
    """Convert to a real floating array, safe under tracing.

    Floating inputs keep their dtype (float64 only where 64-bit arithmetic is
    enabled); integers and booleans become the default float.

    Parameters
    ----------
    name : str
        What the caller names the argument.
    x : array
        Numbers.
    ndim : int, optional
        Required number of axes.

    Returns
    -------
    array
        `x` as a floating JAX array of the same shape.

    Raises
    ------
    TypeError
        If `x` does not hold real numbers.
    ValueError
        If `x` has another number of axes.
    """
    array = x if isinstance(x, (jax.Array, np.ndarray)) else np.asarray(x)
    dtype = np.dtype(array.dtype) if array.dtype != jnp.bfloat16 else jnp.bfloat16
    if not (jnp.issubdtype(dtype, jnp.floating) or np.dtype(dtype).kind in "iub"):
        raise TypeError(
            f"{name} has dtype {array.dtype} but must hold real numbers; "
            "convert it to float first."
        )
    if ndim is not None:
        has_ndim(name, array, ndim)
    if not jnp.issubdtype(dtype, jnp.floating):
        dtype = jnp.zeros(()).dtype
    return jnp.asarray(array, dtype=jax.dtypes.canonicalize_dtype(dtype))


def real_number(name: str, value: object) -> float:
    """Convert to a finite Python float.

    Parameters
    ----------
    name : str
        What the caller names the argument.
    value : float
        A real number.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TypeError
        If `value` is not a real number.
    ValueError
        If it is not finite.
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r} but must be a real number.")
    if not math.isfinite(value):
        raise ValueError(f"{name} is {value!r} but must be finite.")
    return float(value)


def positive(name: str, value: object) -> float:
    """Convert to a finite Python float above zero.

    Parameters
    ----------
    name : str
        What the caller names the argument.
    value : float
        A real number.

    Returns
    -------
    float
        The number.

    Raises
    ------
    TypeError
        If `value` is not a real number.
    ValueError
        If it is not finite and positive.
    """
    number = real_number(name, value)
    if number <= 0:
        raise ValueError(f"{name} is {number:g} but must be positive.")
    return number


def choice(name: str, value: object, options: Sequence[str | None]) -> None:
    """Refuse an option that is not in the documented set.

    Parameters
    ----------
    name : str
        What the caller names the argument.
    value : str
        What came.
    options : sequence of str
        What is allowed.

    Raises
    ------
    ValueError
        If `value` is not one of `options`.
    """
    if value not in options:
        allowed = ", ".join(repr(option) for option in options)
        raise ValueError(f"{name} is {value!r} but must be one of {allowed}.")


def same_length(
    x_name: str, x: ArrayLike, y_name: str, y: ArrayLike, unit: str = "time points"
) -> None:
    """Refuse two arrays whose first axes differ.

    Parameters
    ----------
    x_name, y_name : str
        What the caller names the arguments.
    x, y : array (n_times, ...)
        Arrays that should agree.
    unit : str
        What the first axis counts.

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    n, m = shape_of(x)[0], shape_of(y)[0]
    if n != m:
        raise ValueError(
            f"{y_name} has {m} {unit} but {x_name} has {n}; "
            "trim or resample them to the same length."
        )


def finite(name: str, x: ArrayLike, where: str = "") -> None:
    """Refuse NaN and infinite values (host only).

    Parameters
    ----------
    name : str
        What the caller names the argument.
    x : array
        Concrete values.
    where : str
        Where in the data, for the message, such as ``" in trial 3"``.

    Raises
    ------
    ValueError
        If any value is not finite; the message counts them.
    """
    # The sum is finite when all values are, at a fraction of isfinite's memory.
    array = np.asarray(x)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(array.sum()):
            return
    n_bad = array.size - np.count_nonzero(np.isfinite(array))
    if n_bad:
        raise ValueError(
            f"{name} has {n_bad} NaN or infinite values{where}; "
            "remove, interpolate or mask them."
        )


def alphas(name: str, value: ArrayLike) -> np.ndarray:
    """Check a grid of penalty strengths (host only).

    Parameters
    ----------
    name : str
        What the caller names the argument.
    value : array (n_alphas,)
        Strengths.

    Returns
    -------
    array (n_alphas,)
        The grid in float64.

    Raises
    ------
    ValueError
        If the grid is empty, not one-dimensional, not finite or negative.
    """
    grid = np.asarray(value, dtype=np.float64)
    if grid.ndim != 1 or grid.size == 0:
        raise ValueError(
            f"{name} has shape {grid.shape} but must be a non-empty list of numbers."
        )
    if not np.isfinite(grid).all() or (grid < 0).any():
        bad = grid[~np.isfinite(grid) | (grid < 0)][0]
        raise ValueError(
            f"{name} holds {bad:g} but penalties must be finite and not negative."
        )
    return grid
