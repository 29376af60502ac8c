"""Derivatives of a causal network, sorted by the samples that its layers look at.

All frames that see a sample share the slopes of its units. The frame at time ``t`` asks
the second layer at ``t``, ``t - 2``, ...: sorted by these samples instead of by frames,
the derivatives of all frames are multiplied by one matrix. Only the columns of active
units are taken: a rectifier's slope is zero in half of them. The derivative of the two
lowest layers is the sample's own, and is made once.
"""

import dataclasses
from collections.abc import Sequence
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ..signal import Lags
from ._jacobian import reverse_mode
from ._sparse import needed_ages, one_tap, sparse_forward

__all__ = ["Plan", "add_ways", "plan_stack", "products", "slopes", "upper"]

_PICK = 150  # multiplications in the time in which an element of a kernel is picked


@dataclasses.dataclass(frozen=True)
class Plan:
    """A stack of layers as two lowest ones, a middle one, and those above.

    Ages are samples before the output. A layer is asked at some of them, which begin
    at zero and are evenly spaced for the second and the middle layer.

    Attributes
    ----------
    shapes : tuple of (n_taps, n_channels, n_features)
        Of the kernels, from the lowest.
    dilations : tuple of int
        Of the layers.
    n_ages : tuple of int
        At how many ages each is asked.
    steps : tuple of int
        Between ages of the second layer and of the middle one.
    low : tuple of int
        Ages of the stimulus before the second layer's output.
    seen : int
        Oldest age of the stimulus.
    """

    shapes: tuple[tuple[int, int, int], ...]
    dilations: tuple[int, ...]
    n_ages: tuple[int, ...]
    steps: tuple[int, int]
    low: tuple[int, ...]
    seen: int

    @property
    def reach(self) -> tuple[int, int, int]:
        """Samples later than its own by which the parts are asked, from the lowest."""
        middle = self.dilations[2] * (self.shapes[2][0] - 1)
        return self.low[-1], middle, self.steps[1] * (self.n_ages[2] - 1)

    def count(self, n_frames: int, n_targets: int, n_units: int) -> tuple[int, int]:
        """Count multiplications for consecutive frames.

        Parameters
        ----------
        n_frames, n_targets : int
            Frames and targets.
        n_units : int
            Active units of the second layer.

        Returns
        -------
        by_frames, by_samples : int
            Of frames one by one, and sorted by samples.
        """
        each = [n * prod(k) for n, k in zip(self.n_ages, self.shapes, strict=True)]
        (first, n_in, n_low), (second, *_), (third, _, n_top) = self.shapes[:3]
        rows = n_targets * n_units
        sample = (
            rows * self.n_ages[2] * third * n_top
            + rows * self.n_ages[1] * len(self.low) * n_in
            + n_units * second * n_low * first * n_in
            + _PICK * n_units * (third * n_top + second * n_low)
        )
        by_samples = n_frames * n_targets * sum(each[3:])
        by_samples += (n_frames + self.seen) * sample
        return n_frames * n_targets * sum(each), by_samples


def plan_stack(apply: Any, variables: Any, lags: Lags) -> Plan | None:
    """Plan a network.

    Parameters
    ----------
    apply, variables
        Network; it may describe its layers.
    lags : Lags
        Window that it sees.

    Returns
    -------
    Plan or None
        None for a network that does not describe at least four layers, or whose second
        or middle layer is asked at uneven ages, or that closes over what is traced.

    Raises
    ------
    ValueError
        As :func:`needed_ages`.
    """
    layers = getattr(apply, "layers", lambda _: None)(variables) or ()
    values = [value for layer in layers for value in (layer.kernel, layer.bias)]
    if len(layers) < 4 or any(isinstance(value, Tracer) for value in values):
        return None
    needed = needed_ages(layers, lags)
    spacing = [np.unique(np.diff(ages)) for ages in needed[2:4]]
    if any(step.size > 1 for step in spacing):
        return None
    second, middle = (int(step[0]) if step.size else None for step in spacing)
    reached = [layer.dilation * np.arange(len(layer.kernel)) for layer in layers[:2]]
    return Plan(
        shapes=tuple(layer.kernel.shape for layer in layers),
        dilations=tuple(layer.dilation for layer in layers),
        n_ages=tuple(ages.size for ages in needed[1:]),
        steps=(second or 1, middle or second or 1),
        low=tuple(np.unique(np.add.outer(*reached)).tolist()),
        seen=int(needed[0][-1]),
    )


@partial(jax.jit, static_argnames="apply")
def slopes(
    apply: Any, variables: Any, X: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Evaluate the three lowest layers at every sample.

    Parameters
    ----------
    apply, variables
        Network.
    X : array (n_times, n_channels)
        Stimulus, zero before the first sample.

    Returns
    -------
    first, second : array (n_times, n_features)
        Slopes of the activation of the two lowest layers.
    drive : array (n_times, n_features)
        What the middle layer's activation is applied to.
    """
    found, x = [], X
    for layer in apply.layers(variables)[:3]:
        back = layer.dilation * (layer.kernel.shape[0] - 1)
        padded = jnp.pad(x, ((back, 0), (0, 0)))
        shifts = range(0, back + 1, layer.dilation)
        taps = jnp.concatenate([padded[s : s + x.shape[0]] for s in shifts], axis=1)
        drive = _multiply(taps, layer.kernel.reshape(-1, layer.kernel.shape[2]))
        if layer.bias is not None:
            drive = drive + layer.bias[None]
        x, pull = jax.vjp(layer.activation, drive)
        found.append(pull(jnp.ones_like(x))[0])
    return found[0], found[1], drive


def _multiply(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return one_tap(x[None], kernel)[0]


@partial(jax.jit, static_argnames=("apply", "size", "plan"))
def upper(
    apply: Any,
    variables: Any,
    drive: jax.Array,
    chosen: jax.Array,
    start: int,
    size: int,
    plan: Plan,
) -> jax.Array:
    """Differentiate frames by the middle layer, before its activation.

    Parameters
    ----------
    apply, variables, plan
        Network.
    drive : array (n_times, n_features)
        From :func:`slopes`.
    chosen : int array (n_chosen,)
        Targets.
    start, size : int
        Frames.

    Returns
    -------
    array (size, n_ages, n_chosen, n_features)
        Derivatives by the layer at ages that it is asked at.
    """
    layers, step = apply.layers(variables), plan.steps[1]
    above = [
        dataclasses.replace(layer, dilation=max(layer.dilation // step, 1))
        for layer in layers[3:]
    ]
    lags = Lags(0, plan.n_ages[2] - 1, 1)

    def forward(drive: jax.Array) -> jax.Array:
        x = layers[2].activation(drive)
        return sparse_forward(above, lags, x, frozen=True)[:, chosen]

    ages = step * jnp.arange(plan.n_ages[2])
    times = start + jnp.arange(size)
    return reverse_mode(forward, drive[times[:, None] - ages[None]]).swapaxes(1, 2)


@partial(jax.jit, static_argnames=("apply", "plan"))
def products(
    apply: Any,
    variables: Any,
    known: tuple[jax.Array, jax.Array, jax.Array],
    above: Sequence[jax.Array],
    between: Sequence[jax.Array],
    start: int,
    plan: Plan,
) -> tuple[list[jax.Array], list[jax.Array]]:
    """Multiply by the middle layer, then by the two lowest, at some samples.

    Parameters
    ----------
    apply, variables, plan
        Network.
    known : tuple of (slopes, slopes, units)
        Slopes from :func:`slopes`, and of each sample the active units of the second
        layer and others, ``(n_times, n_units)``.
    above : sequence of array (size, n_ages, n_chosen, n_features)
        From :func:`upper`, blocks of frames from `start` on as far as it reaches.
    between : sequence of array (n_ages, n_chosen, n_taps, n_units)
        First results for the samples after the block.
    start : int
        First sample of the block.

    Returns
    -------
    middle : list of array (n_ages, n_chosen, n_taps, n_units)
        For each sample of the block the frames that ask the middle layer there, and
        their derivatives on the way through each of its taps.
    lowest : list of array (n_ages, n_chosen, n_low, n_channels)
        For each sample the frames that ask the second layer, and their derivatives by
        the stimulus at the ages `low` before it.
    """
    first, second, units = known
    kernel = apply.layers(variables)[2].kernel[::-1]  # the newest tap first
    n_taps, n_second, n_top = kernel.shape
    size, n_ages, n_targets, _ = above[0].shape
    n_units = units.shape[1]
    step, tap = plan.steps[1], np.arange(n_taps, dtype=units.dtype)
    ago = plan.dilations[2] * tap

    frames = jnp.concatenate(above, axis=0)
    asked = [frames[step * i : step * i + size, i] for i in range(n_ages)]
    asked = jnp.stack(asked, axis=1).reshape(size, -1, n_top)
    near = jax.lax.dynamic_slice_in_dim(units, start - ago[-1], size + ago[-1])
    rows = near[ago[-1] + np.arange(size)[:, None] - ago[None]]
    rows = (rows + n_second * tap[None, :, None]).reshape(size, -1)
    picked = kernel.reshape(-1, n_top)[rows]
    middle = [
        _multiply(asked[at], picked[at].T).reshape(n_ages, n_targets, n_taps, -1)
        for at in range(size)
    ]

    own = jax.lax.dynamic_slice_in_dim(units, start, size)
    lowest = _lowest(apply.layers(variables), first, second, own, start, plan)
    n_second_ages, stride = plan.n_ages[1], step // plan.steps[0]
    offsets = (ago // plan.steps[0]).tolist()
    later, result = (*middle, *between), []
    for at in range(size):
        ways = [later[at + back][:, :, j] for j, back in enumerate(ago)]
        met = _overlap(ways, offsets, stride, n_second_ages)
        met = jnp.stack(met, axis=1).reshape(-1, n_targets, n_units)[:n_second_ages]
        product = _multiply(met.reshape(-1, n_units), lowest[at])
        result.append(product.reshape(n_second_ages, n_targets, len(plan.low), -1))
    return middle, result


def _lowest(
    layers: Sequence[Any],
    first: jax.Array,
    second: jax.Array,
    units: jax.Array,
    start: int,
    plan: Plan,
) -> jax.Array:
    """Differentiate the second layer at some samples: (size, n_units, n_low * n)."""
    (n_low, n_in, n_first), (n_high, _, _) = plan.shapes[:2]
    size, n_units = units.shape
    ago = plan.dilations[1] * np.arange(n_high)
    slope = jax.lax.dynamic_slice_in_dim(second, start, size)
    slope = jnp.take_along_axis(slope, units, axis=1)
    before = jax.lax.dynamic_slice_in_dim(first, start - ago[-1], size + ago[-1])
    picked = [
        kernel.T[units] * (before[ago[-1] - back :][:size, None] * slope[:, :, None])
        for kernel, back in zip(layers[1].kernel[::-1], ago, strict=True)
    ]
    rows = jnp.stack(picked, axis=1).reshape(-1, n_first)
    kernel = layers[0].kernel[::-1].transpose(2, 0, 1).reshape(n_first, -1)
    ways = _multiply(rows, kernel).reshape(size, n_high, n_units, n_low, n_in)
    columns = []
    for age in plan.low:
        met = [
            ways[:, j, :, i]
            for j in range(n_high)
            for i in range(n_low)
            if plan.dilations[1] * j + plan.dilations[0] * i == age
        ]
        columns.append(sum(met[1:], met[0]))
    return jnp.stack(columns, axis=2).reshape(size, n_units, -1)


@partial(jax.jit, static_argnames="plan")
def add_ways(lowest: Sequence[jax.Array], plan: Plan) -> list[jax.Array]:
    """Add what reaches a sample of the stimulus on several ways.

    Parameters
    ----------
    lowest : sequence of array (n_ages, n_chosen, n_low, n_channels)
        From :func:`products`, of a block of samples and of those after it.
    plan : Plan
        Network.

    Returns
    -------
    list of array (n, n_chosen, n_channels)
        For each sample as many arrays as there are samples in a step of the second
        layer: derivatives at ages 0, step, ..., at ages 1, step + 1, and so on.
    """
    found = []
    for at in range(len(lowest) - plan.low[-1]):
        ways = [lowest[at + age][:, :, i] for i, age in enumerate(plan.low)]
        found += _overlap(ways, plan.low, plan.steps[0], plan.seen + 1)
    return found


def _overlap(
    parts: Sequence[jax.Array], offsets: Sequence[int], stride: int, n: int
) -> list[jax.Array]:
    """Add arrays whose element i has the place ``stride * i + offset`` of n.

    Places are given as `stride` arrays: every such one from the first on, from the
    second on, and so on.
    """
    length, count = -(-n // stride), parts[0].shape[0]
    nothing = jnp.zeros((length, *parts[0].shape[1:]), parts[0].dtype)
    total = [nothing] * stride
    for part, offset in zip(parts, offsets, strict=True):
        turn, place = divmod(int(offset), stride)
        pad = ((turn, length - count - turn), *[(0, 0)] * (part.ndim - 1))
        padded = jnp.pad(part, pad)
        total[place] = padded if total[place] is nothing else total[place] + padded
    return total
