"""Checks before an ascent, and words after it."""

import math
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.tree_util import Partial
from jax.typing import ArrayLike

from ..core import check
from ._climb import PARAMETERS
from ._members import first_member

__all__ = [
    "as_trees",
    "check_options",
    "group_size",
    "mask_of",
    "start_of",
    "targets_of",
    "warn_of",
]

_OBJECTIVES = ("excite", "inhibit")
# Bytes of the network's values that are held at a time.
_BUDGET = 2**31


def check_options(
    n_steps: int,
    objective: str | Callable,
    parameters: str,
    jitter: int,
    patience: int | None,
    tol: float,
    diversity: float,
    key: jax.Array | None,
) -> None:
    """Refuse options of :func:`ascend` that are out of their range.

    Parameters
    ----------
    n_steps, objective, parameters, jitter, patience, tol, diversity, key
        As there.

    Raises
    ------
    ValueError
        If one is out of its range.
    """
    least = {"n_steps": (n_steps, 1), "jitter": (jitter, 0), "patience": (patience, 1)}
    for name, (value, low) in least.items():
        if value is not None and value < low:
            raise ValueError(f"{name} is {value} but must be at least {low}.")
    if not callable(objective):
        check.choice("objective", objective, _OBJECTIVES)
    check.choice("parameters", parameters, tuple(PARAMETERS))
    for name, value in (("tol", tol), ("diversity", diversity)):
        if check.real_number(name, value) < 0:
            raise ValueError(f"{name} is {value:g} but must not be negative.")
    if jitter and key is None:
        raise ValueError("jitter needs a key, such as jax.random.key(0).")


def start_of(images: ArrayLike, n_targets: int) -> jax.Array:
    """Bring the images that an ascent starts from into one form.

    Parameters
    ----------
    images : array
        As :func:`ascend` takes them.
    n_targets : int
        Number of targets.

    Returns
    -------
    array (n_targets, n_starts, height, width, channels)
        Starts.

    Raises
    ------
    ValueError
        If the shape is another one.
    """
    images = check.float_array("images", images)
    check.has_ndim("images", images, 4, 5)
    if images.ndim == 4:
        images = images[:, None]
    if images.shape[0] not in (1, n_targets):
        raise ValueError(
            f"images has {images.shape[0]} starts but there are {n_targets} targets; "
            "give one for each, or one for all."
        )
    if 0 in images.shape:
        raise ValueError(f"images has shape {images.shape}, which holds no pixels.")
    return jnp.broadcast_to(images, (n_targets, *images.shape[1:]))


def targets_of(
    targets: ArrayLike,
    apply: Callable,
    variables: Any,
    shape: tuple[int, ...],
    dtype: Any,
    n_members: int | None,
) -> jax.Array:
    """Check targets and images against the network.

    Parameters
    ----------
    targets, apply, variables, n_members
        As :func:`ascend` takes them.
    shape : (height, width, channels)
        Of an image.
    dtype : dtype
        Of an image.

    Returns
    -------
    int array (n_targets,), or array (n_targets, n_outputs)
        Targets.

    Raises
    ------
    ValueError
        If the network does not take such images or has no such targets.
    """
    n = _n_outputs(apply, variables, shape, dtype, n_members)
    chosen = jnp.asarray(targets)
    whole = jnp.issubdtype(chosen.dtype, jnp.integer)
    if not chosen.size or chosen.ndim != (1 if whole else 2):
        raise ValueError(
            f"targets has shape {chosen.shape} and dtype {chosen.dtype} but must hold "
            "one integer per target, or one row of weights."
        )
    if not whole:
        if chosen.shape[1] != n:
            raise ValueError(
                f"targets has {chosen.shape[1]} weights per row but the network has "
                f"{n} outputs."
            )
        return chosen.astype(dtype)
    if not isinstance(chosen, Tracer):
        values = np.asarray(chosen)
        bad = values[(values < 0) | (values >= n)]
        if bad.size:
            raise ValueError(
                f"targets holds {bad[0]} but the network has {n} outputs, from 0."
            )
    return chosen.astype(jnp.int32)


def _n_outputs(
    apply: Callable,
    variables: Any,
    shape: tuple[int, ...],
    dtype: Any,
    n_members: int | None,
) -> int:
    if n_members is not None:
        sizes = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(variables)}
        if sizes != {(n_members,)}:
            raise ValueError(
                f"n_members is {n_members} but the leading axes of variables have the "
                f"lengths {sorted(size[0] if size else 0 for size in sizes)}."
            )
    one = first_member(variables, n_members)
    image = jax.ShapeDtypeStruct((1, *shape), dtype)
    try:
        out = _outputs.eval_shape(apply, one, image)
    except (TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"images of shape {shape} do not fit the network: {reason}"
        ) from error
    if not hasattr(out, "shape") or len(out.shape) != 2 or out.shape[0] != 1:
        raise ValueError(
            f"apply returns {out} for one image but must return (1, n_outputs)."
        )
    return out.shape[1]


# Compiled functions remember the shapes of their results.
@partial(jax.jit, static_argnums=0)
def _outputs(apply: Callable, variables: Any, image: jax.Array) -> jax.Array:
    return apply(variables, image)


def mask_of(
    mask: ArrayLike | None, n_targets: int, shape: tuple[int, ...]
) -> jax.Array | None:
    """Check the mask of an ascent.

    Parameters
    ----------
    mask : array, or None
        As :func:`ascend` takes it.
    n_targets : int
        Number of targets.
    shape : (height, width, channels)
        Of an image.

    Returns
    -------
    array (height, width) or (n_targets, height, width), or None
        The mask.

    Raises
    ------
    ValueError
        If a mask has another shape or no pixel above zero.
    """
    if mask is None:
        return None
    values = check.float_array("mask", mask)
    if values.shape not in (shape[:2], (n_targets, *shape[:2])):
        raise ValueError(
            f"mask has shape {values.shape} but must be {shape[:2]}, or one such mask "
            f"for each of {n_targets} targets."
        )
    if not isinstance(values, Tracer):
        empty = ~(np.asarray(values) > 0).any((-2, -1))
        if empty.any():
            which = (
                ""
                if values.ndim == 2
                else f" of targets {np.flatnonzero(empty).tolist()}"
            )
            raise ValueError(f"mask{which} is empty; it needs pixels above zero.")
    return values


def as_trees(functions: Callable | Sequence[Callable] | None) -> tuple:
    """Make functions part of the data, so that their numbers are not compiled in.

    Parameters
    ----------
    functions : function, sequence of these, or None
        Plain functions, or records of arrays that can be called.

    Returns
    -------
    tuple of pytree
        That can be called.
    """
    if functions is None:
        return ()
    each = functions if isinstance(functions, Sequence) else [functions]
    return tuple(Partial(f) if jax.tree.leaves(f) == [f] else f for f in each)


def group_size(
    apply: Callable,
    variables: Any,
    starts: jax.Array,
    n_members: int | None,
    batch_size: int | None,
) -> int | None:
    """Choose how many targets are computed together.

    Parameters
    ----------
    apply, variables, n_members, batch_size
        As :func:`ascend` takes them.
    starts : array (n_targets, n_starts, height, width, channels)
        Images.

    Returns
    -------
    int, or None
        None is one after the other.

    Raises
    ------
    ValueError
        If `batch_size` is below 1.
    """
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size is {batch_size} but must be at least 1.")
    if batch_size is None and jax.default_backend() == "cpu":
        return None
    if batch_size is None:
        one = first_member(variables, n_members)
        jaxpr = jax.make_jaxpr(apply)(one, starts[0]).jaxpr
        # Of the backward pass, as many again; an ensemble keeps those of all members.
        needed = 2 * _bytes(jaxpr) * (1 if n_members is None else n_members)
        batch_size = max(1, _BUDGET // max(needed, 1))
    return None if batch_size == 1 else batch_size


def _bytes(jaxpr: Any) -> int:
    """Size of everything that a program computes, were nothing fused or freed."""
    total = 0
    for equation in jaxpr.eqns:
        for out in equation.outvars:
            total += math.prod(out.aval.shape) * out.aval.dtype.itemsize
        for value in equation.params.values():
            for item in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(item, "jaxpr", item)
                total += _bytes(inner) if hasattr(inner, "eqns") else 0
    return total


def warn_of(dead: jax.Array, failed: jax.Array, targets: ArrayLike) -> None:
    """Name the targets that could not be optimised, in one warning.

    Parameters
    ----------
    dead, failed : bool array (n_targets, n_starts)
        Whether a response has no slope, and whether it was not finite.
    targets : array
        As :func:`ascend` takes them.

    Warns
    -----
    UserWarning
        If there are any.
    """
    if isinstance(dead, Tracer):
        return
    names = np.asarray(targets)
    names = names if names.ndim == 1 else np.arange(names.shape[0])
    said = []
    for bad, what in (
        (np.asarray(dead & ~failed), "have a response without a slope"),
        (np.asarray(failed), "have a response that is not finite"),
    ):
        hit = bad.any(1)
        if hit.any():
            listed = ", ".join(map(str, names[hit].tolist()))
            said.append(f"{hit.sum()} of {hit.size} targets {what}: {listed}")
    if said:
        warnings.warn("; ".join(said) + ".", UserWarning, stacklevel=3)
