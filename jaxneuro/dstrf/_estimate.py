"""The Jacobian of a network at every moment."""

from collections.abc import Callable
from functools import partial
from itertools import chain, pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.typing import ArrayLike

from ..core import check
from ..core.batch import aligned
from ..core.linalg import dot
from ..signal import Lags
from ..signal._trials import Segments, segments
from ._active import active_frames
from ._jacobian import forward_mode, reverse_mode
from ._sparse import sparse_forward

__all__ = ["estimate", "reconstruct", "reconstruction_error"]

_MODES = ("auto", "fwd", "rev", "layers")
# Bytes of one block of receptive fields: on a CPU it stays in the cache.
_BUDGET, _ACCELERATOR_BUDGET = 4.4e6, 256e6


def estimate(
    apply: Callable,
    variables: Any,
    X: ArrayLike,
    lags: Lags,
    *,
    trial_id: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    mode: str = "auto",
    chunk_size: int | None = None,
) -> jax.Array:
    """Compute the receptive field of every target at every time.

    The dSTRF is the derivative of the prediction at time ``t`` by each sample of the
    stimulus in the window of lags. For a linear model it is the TRF at every time.

    Parameters
    ----------
    apply : function
        ``apply(variables, windows)`` maps ``(batch, n_lags, n_features)``, lags
        ascending, to ``(batch, n_targets)``, each window by itself. A function with a
        method ``layers(variables)`` may describe itself as a stack of causal
        convolutions, as :func:`jaxneuro.nn.functional` does.
    variables : pytree
        Parameters of the network, on which nothing is differentiated.
    X : array (n_times, n_features)
        Stimulus.
    lags : Lags
        Window that the network sees; ``tmin=0`` for a causal network.
    trial_id : int array (n_times,), optional
        Trial of each sample; beyond its trial the stimulus is zero. Default: one trial.
    targets : int array (n_chosen,), optional
        Targets to differentiate. Default: all.
    mode : {"auto", "fwd", "rev", "layers"}
        "rev" costs two evaluations per target, "fwd" one per lag and feature, "layers"
        two per target of the network's own sparse form, which evaluates hidden layers
        only at the times that an output depends on. "auto" takes "layers" where the
        network describes itself, else whichever of the others needs fewer evaluations.
    chunk_size : int, optional
        Windows differentiated together. Default: as many as make a block of results of
        4 MB, 1 at least, which keeps it in the cache; of 256 MB on an accelerator. On
        a CPU, "layers" then sorts its work by samples instead where that multiplies
        less: frames that see a sample share the slopes of its units, and those of a
        rectifier that are off are left out. Beside the result it holds what a block of
        samples passes on for 128 targets at a time; 70 MB for 32 of the toolbox's.

    Returns
    -------
    array (n_times, n_targets, n_lags, n_features)
        The dSTRF, lags ascending. It is ``n_targets n_lags n_features`` times as long
        as the recording; :func:`measures` never holds it whole.

    Raises
    ------
    ValueError
        If `X` holds NaN, `mode` is unknown or "layers" for a network that does not
        describe itself, the network's receptive field exceeds the window, or its
        output is not ``(batch, n_targets)``.

    References
    ----------
    .. [1] Keshishian et al., Understanding auditory processing with dynamic
       spectrotemporal receptive fields, eLife, 2020, doi:10.7554/eLife.53445. Numbers
       of the DSTRF toolbox (naplab), whose lag axis is reversed.
    """
    check.choice("mode", mode, _MODES)
    X = check.float_array("X", X, ndim=2)
    if not isinstance(X, Tracer):
        check.finite("X", X)  # a rectifier would make it a slope of zero
    return frames_at(
        apply,
        variables,
        X,
        segments(trial_id, X.shape[0]),
        np.arange(X.shape[0]),
        None if targets is None else jnp.asarray(targets),
        lags=lags,
        mode=mode,
        chunk_size=chunk_size,
    )


def frames_at(
    apply: Callable,
    variables: Any,
    X: jax.Array,
    runs: Segments,
    times: np.ndarray,
    chosen: jax.Array | None,
    *,
    lags: Lags,
    mode: str,
    chunk_size: int | None,
) -> jax.Array:
    """Compute the dSTRF at some times.

    On a CPU a block is a call of its own, whose results are moved while the next one
    is computed: within a program XLA computes elementwise on one thread, and begins
    with zeros in the place of all results.

    Parameters
    ----------
    apply, variables, X, lags, mode, chunk_size
        As :func:`estimate` takes them.
    runs : Segments
        Trial of each sample.
    times : int array (n_frames,)
        Samples at which to compute it, concrete.
    chosen : int array (n_chosen,), or None
        Targets, or all.

    Returns
    -------
    array (n_frames, n_chosen, n_lags, n_features)
        The dSTRF.
    """
    n_frames, n_features = times.size, X.shape[1]
    n_targets = count_outputs(apply, variables, (lags.n_lags, n_features), X.dtype)
    chosen = jnp.arange(n_targets) if chosen is None else chosen
    given = variables, X, runs, chosen
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(given))
    host = jax.default_backend() == "cpu"
    here = host and not traced
    out, left = None, np.arange(n_frames)
    if here and chunk_size is None and mode in ("auto", "layers"):
        out, left = active_frames(apply, *given, times, lags=lags)
    if chunk_size is None:
        frame = X.dtype.itemsize * chosen.size * lags.n_lags * n_features
        chunk_size = int((_BUDGET if host else _ACCELERATOR_BUDGET) // frame)
    chunk_size = min(max(chunk_size, 1), max(left.size, 1))
    n_chunks = -(-left.size // chunk_size)
    padded = np.pad(times[left], (0, n_chunks * chunk_size - left.size), mode="edge")
    chunks = padded.reshape(n_chunks, chunk_size).astype(np.int32)
    one = partial(_chunk, apply, given, lags=lags, mode=mode, here=True)
    if out is None:
        first = one(chunks[0]) if here and n_chunks > 1 else None
        # It is traced, too, where `apply` closes over what is.
        if first is None or isinstance(first, Tracer):
            result = _chunks(apply, given, chunks, lags=lags, mode=mode)
            return result.reshape(-1, *result.shape[2:])[:n_frames]
        out = aligned((n_frames, *first.shape[1:]), first.dtype, small_pages=True)
    # A call returns at once: while a block is moved, the next one is computed.
    for number, (part, _) in enumerate(pairwise(chain(map(one, chunks), [None]))):
        at = left[number * chunk_size :][:chunk_size]
        out[at] = np.asarray(part)[: at.size]
    return jax.device_put(out)


@partial(jax.jit, static_argnames=("apply", "lags", "mode"))
def _chunks(
    apply: Callable, given: tuple, chunks: jax.Array, *, lags: Lags, mode: str
) -> jax.Array:
    """Compute blocks of equal size in one program."""
    return jax.lax.map(partial(_chunk, apply, given, lags=lags, mode=mode), chunks)


@partial(jax.jit, static_argnames=("apply", "lags", "mode", "here"))
def _chunk(
    apply: Callable,
    given: tuple[Any, jax.Array, Segments, jax.Array],
    times: jax.Array,
    *,
    lags: Lags,
    mode: str,
    here: bool = False,
) -> jax.Array:
    """Compute a block of frames, which nobody differentiates if it is made `here`."""
    variables, X, runs, chosen = given
    layers = _describe(apply, variables, mode)
    forward = partial(apply, variables)
    if layers is not None:
        forward = partial(sparse_forward, layers, lags, frozen=here)
    elif mode == "auto":
        mode = "fwd" if lags.n_lags * X.shape[1] < chosen.size else "rev"
    jacobian = forward_mode if mode == "fwd" else reverse_mode
    offset = jnp.asarray(lags.samples, dtype=jnp.int32)
    windows = _windows(X, times, offset, runs)
    return jacobian(lambda w: forward(w)[:, chosen], windows)


def reconstruct(
    dstrf: ArrayLike, X: ArrayLike, lags: Lags, *, trial_id: ArrayLike | None = None
) -> jax.Array:
    """Multiply every frame with the stimulus that it is the receptive field of.

    For a network whose layers have no constants and "relu" or "leaky_relu" between
    them this is its prediction. A constant after the last layer is what is missing
    then; constants in hidden layers and other activations make it an approximation.

    Parameters
    ----------
    dstrf : array (n_times, n_targets, n_lags, n_features)
        Receptive field at every time.
    X : array (n_times, n_features)
        Stimulus.
    lags : Lags
        Window of the dSTRF.
    trial_id : int array (n_times,), optional
        Trial of each sample. Default: one trial.

    Returns
    -------
    array (n_times, n_targets)
        Prediction of the locally linear model.

    Raises
    ------
    ValueError
        If the axes of `dstrf` differ from those of `X` and `lags`.
    """
    dstrf = check.float_array("dstrf", dstrf, ndim=4)
    X = check.float_array("X", X, ndim=2)
    expected = (X.shape[0], lags.n_lags, X.shape[1])
    if (dstrf.shape[0], *dstrf.shape[2:]) != expected:
        raise ValueError(
            f"dstrf has shape {dstrf.shape} but X and lags ask for "
            f"({expected[0]}, n_targets, {expected[1]}, {expected[2]})."
        )
    return _reconstruct(dstrf, X, segments(trial_id, X.shape[0]), lags=lags)


@partial(jax.jit, static_argnames="lags")
def _reconstruct(
    dstrf: jax.Array, X: jax.Array, runs: Segments, *, lags: Lags
) -> jax.Array:
    offset = jnp.asarray(lags.samples, dtype=jnp.int32)

    def one(item: tuple[jax.Array, jax.Array]) -> jax.Array:
        frame, time = item
        window = _windows(X, time[None], offset, runs)[0]
        return dot(frame.reshape(frame.shape[0], -1), window.ravel())

    return jax.lax.map(one, (dstrf, jnp.arange(X.shape[0], dtype=jnp.int32)))


def reconstruction_error(
    dstrf: ArrayLike,
    prediction: ArrayLike,
    X: ArrayLike,
    lags: Lags,
    *,
    trial_id: ArrayLike | None = None,
) -> jax.Array:
    """Measure how far the dSTRF is from explaining the prediction by itself.

    Parameters
    ----------
    dstrf : array (n_times, n_targets, n_lags, n_features)
        Receptive field at every time.
    prediction : array (n_times, n_targets)
        Output of the network.
    X : array (n_times, n_features)
        Stimulus.
    lags : Lags
        Window of the dSTRF.
    trial_id : int array (n_times,), optional
        Trial of each sample. Default: one trial.

    Returns
    -------
    array (n_targets,)
        Root of the mean squared difference between `prediction` and
        :func:`reconstruct`, over that of the prediction: 0 where the identity
        ``y = <dSTRF, x>`` holds; see there for what breaks it. NaN for predictions of
        zero.

    Raises
    ------
    ValueError
        If shapes do not fit together.
    """
    explained = reconstruct(dstrf, X, lags, trial_id=trial_id)
    prediction = check.float_array("prediction", prediction, ndim=2)
    if prediction.shape != explained.shape:
        raise ValueError(
            f"prediction has shape {prediction.shape} but the dSTRF explains "
            f"{explained.shape}, (n_times, n_targets)."
        )
    size = (prediction**2).mean(0)
    error = ((prediction - explained) ** 2).mean(0)
    defined = size > 0
    return jnp.where(defined, jnp.sqrt(error / jnp.where(defined, size, 1)), jnp.nan)


def count_outputs(
    apply: Callable, variables: Any, shape: tuple[int, ...], dtype: Any
) -> int:
    """Count the targets of a network, from its shapes alone.

    Parameters
    ----------
    apply, variables
        The network.
    shape : tuple of int
        One window or image.
    dtype : dtype
        Of the windows.

    Returns
    -------
    int
        Number of targets.

    Raises
    ------
    ValueError
        If its output is not ``(batch, n_targets)``.
    """
    window = jax.ShapeDtypeStruct((3, *shape), dtype)
    output = _evaluate.eval_shape(apply, variables, window)  # traced once
    if not (hasattr(output, "shape") and len(output.shape) == 2):
        raise ValueError(
            f"apply gives {jax.tree.map(jnp.shape, output)} for windows of shape "
            f"{window.shape} but must give an array (batch, n_targets)."
        )
    if output.shape[0] != 3:
        raise ValueError(
            f"apply gives {output.shape[0]} outputs for 3 windows but must give one "
            "for each: (batch, n_targets)."
        )
    return output.shape[1]


@partial(jax.jit, static_argnames="apply")
def _evaluate(apply: Callable, variables: Any, window: jax.Array) -> jax.Array:
    return apply(variables, window)


def _describe(apply: Callable, variables: Any, mode: str) -> Any:
    """Layers of a network, None where it does not or need not tell them."""
    if mode not in ("auto", "layers"):
        return None
    describe = getattr(apply, "layers", None)
    layers = None if describe is None else describe(variables)
    if layers is None and mode == "layers":
        raise ValueError(
            "mode is 'layers' but the network does not describe its layers; use "
            "'auto', 'rev' or 'fwd'."
        )
    return layers


def _windows(
    X: jax.Array, times: jax.Array, offset: jax.Array, runs: Segments
) -> jax.Array:
    """Lag windows at some times, (n, n_lags, n_features)."""
    source = times[:, None] - offset[None]
    start, stop = runs.start[times][:, None], runs.stop[times][:, None]
    rows = X.at[source].get(mode="clip")
    return jnp.where(((source >= start) & (source < stop))[:, :, None], rows, 0)
