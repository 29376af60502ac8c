"""The compiled loop: many steps for one target and the images that it starts from."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ..core.members import over_members
from ._members import all_outputs
from ._penalties import correlations
from ._record import MEI

__all__ = ["Plan", "Problem", "climb", "respond", "single"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What selects the program: everything that is not a number.

    Attributes
    ----------
    apply, optimizer, objective, n_steps, n_members, parameters, jitter, patience
        Options of :func:`ascend`.
    coupled : bool
        Whether starts of one target see each other.
    size : int, or None
        Targets computed together; None is one after the other.
    """

    apply: Callable
    optimizer: optax.GradientTransformation
    objective: str | Callable
    n_steps: int
    n_members: int | None
    parameters: str
    jitter: int
    patience: int | None
    coupled: bool
    size: int | None


class Problem(NamedTuple):
    """Numbers that all targets share."""

    variables: Any
    projects: tuple
    penalties: tuple
    mask: jax.Array | None
    diversity: jax.Array
    tol: jax.Array


class _State(NamedTuple):
    params: jax.Array  # (n_starts, ...)
    before: jax.Array  # the last ones with a finite response
    optimizer: Any
    values: jax.Array  # responses, (n_starts,) as all that follow
    best: jax.Array
    since: jax.Array  # steps since the best rose
    active: jax.Array
    alive: jax.Array  # the response had a gradient
    failed: jax.Array
    n_iter: jax.Array


@partial(jax.jit, static_argnums=0)
def climb(
    plan: Plan, problem: Problem, starts: Any, targets: Any, keys: Any
) -> tuple[MEI, jax.Array, jax.Array]:
    """Optimise images of all targets.

    Parameters
    ----------
    plan, problem
        What is done.
    starts : array (n_targets, n_starts, height, width, channels)
        Images to begin with.
    targets : array (n_targets,) or (n_targets, n_outputs)
        Neurons or weights of neurons.
    keys : array (n_targets,)
        For the jitter.

    Returns
    -------
    MEI
        With an axis of starts after that of targets.
    bool array (n_targets, n_starts)
        Whether a response never had a slope.
    bool array (n_targets, n_starts)
        Whether a response was not finite.
    """
    trees = (starts, targets, keys)
    mask = problem.mask
    own = mask is not None and mask.ndim == 3  # one mask per target
    if own:
        trees = (*trees, mask)

    def one(start: Any, target: Any, key: Any, own_mask: Any = None) -> tuple:
        here = problem._replace(mask=own_mask) if own else problem
        return _one(plan, here, start, target, key)

    if plan.size is None or plan.size >= starts.shape[0]:
        batching = "map" if plan.size is None else "vmap"
        found, *flags = over_members(one, *trees, batching=batching)
    else:
        found, *flags = jax.lax.map(
            lambda tree: one(*tree), trees, batch_size=plan.size
        )
    # Steps in front of targets and starts.
    front = {
        name: jnp.moveaxis(getattr(found, name), 1, 0)
        for name in ("responses", "contrasts", "norms")
    }
    return dataclasses.replace(found, **front), *flags


def single(plan: Plan, variables: Any, target: jax.Array) -> tuple[Callable, Any]:
    """Specialise a network to one target, where it knows how.

    Parameters
    ----------
    plan : Plan
        Network and number of its members.
    variables : pytree
        Of the network.
    target : int or array (n_outputs,)
        Neuron, or weights.

    Returns
    -------
    function
        ``function(variables, responses)`` of one member.
    pytree
        Its variables.
    """
    narrow = getattr(plan.apply, "narrow", None)
    if narrow is None or target.ndim or callable(plan.objective):
        return plan.apply, variables
    found = []

    def narrowed(variables: Any) -> Any:
        apply, own = narrow(variables, target)
        found.append(apply)
        return own

    each = narrowed if plan.n_members is None else jax.vmap(narrowed)
    own = each(variables)
    return found[0], own


def respond(
    plan: Plan, apply: Callable, variables: Any, images: jax.Array, target: jax.Array
) -> jax.Array:
    """Compute what is made large, before its sign.

    Parameters
    ----------
    plan : Plan
        Objective and number of members.
    apply, variables
        Network, as :func:`single` gives it.
    images : array (n_starts, height, width, channels)
        Images.
    target : int or array (n_outputs,)
        Neuron, or weights.

    Returns
    -------
    array (n_starts,)
        Responses, averaged over the members.
    """
    outputs = all_outputs(apply, variables, images, plan.n_members)
    objective = plan.objective
    if not isinstance(objective, str):
        return jax.vmap(lambda each: objective(each, target), 1)(outputs)
    mean = outputs.mean(0)
    if apply is not plan.apply:
        return mean[:, 0]
    if target.ndim:
        return jnp.matmul(mean, target.astype(mean.dtype), precision="highest")
    return jax.lax.dynamic_index_in_dim(mean, target, axis=1, keepdims=False)


def _one(plan: Plan, problem: Problem, start: Any, target: Any, key: Any) -> tuple:
    """All steps of one target."""
    to_image, to_params = PARAMETERS[plan.parameters](start.shape[1:], start.dtype)
    apply, variables = single(plan, problem.variables, target)

    def value(params: jax.Array, shift: jax.Array | None = None) -> jax.Array:
        images = jax.vmap(to_image)(params)
        if shift is not None:
            images = jnp.roll(images, tuple(shift), axis=(1, 2))
        return respond(plan, apply, variables, images, target)

    def cost(params: jax.Array) -> jax.Array:
        return _cost(plan, problem, jax.vmap(to_image)(params))

    def land(params: jax.Array, new: jax.Array, step: jax.Array) -> jax.Array:
        old, far = (jax.vmap(to_image)(each) for each in (params, new))
        return jax.vmap(to_params)(_landed(problem, start, old, far, step))

    def step(state: _State, at: tuple) -> tuple[_State, tuple]:
        number, key = at
        state = jax.lax.cond(
            state.active.any(),
            lambda state: _step(plan, problem, state, number, key, value, cost, land),
            lambda state: state._replace(before=state.params),
            state,
        )
        return state, _row(state, jax.vmap(to_image)(state.before))

    state = _begin(plan, jax.vmap(to_params)(start))
    numbers = jnp.arange(plan.n_steps, dtype=jnp.int32)
    state, rows = jax.lax.scan(
        step, state, (numbers, jax.random.split(key, plan.n_steps))
    )
    state = _end(state, value(state.params))
    images = jax.vmap(to_image)(state.params)
    last = _row(state, images)
    rows = [jnp.concatenate([r, end[None]]) for r, end in zip(rows, last, strict=True)]
    window = max(plan.n_steps // 10, 1) if plan.patience is None else plan.patience
    found = MEI(
        images=images,
        responses=rows[0],
        contrasts=rows[1],
        norms=rows[2],
        n_iter=state.n_iter,
        converged=state.alive & ~state.failed & (state.since >= window),
    )
    return found, ~state.alive, state.failed


def _begin(plan: Plan, params: jax.Array) -> _State:
    n, dtype = params.shape[0], params.dtype
    return _State(
        params=params,
        before=params,
        optimizer=jax.vmap(plan.optimizer.init)(params),
        values=jnp.full(n, jnp.nan, dtype),
        best=jnp.full(n, -jnp.inf, dtype),
        since=jnp.zeros(n, jnp.int32),
        active=jnp.ones(n, bool),
        alive=jnp.zeros(n, bool),
        failed=jnp.zeros(n, bool),
        n_iter=jnp.zeros(n, jnp.int32),
    )


def _step(
    plan: Plan,
    problem: Problem,
    state: _State,
    number: jax.Array,
    key: jax.Array,
    value: Callable,
    cost: Callable,
    land: Callable,
) -> _State:
    """One step of those images that have not stopped."""
    shift = None
    if plan.jitter:
        shift = jax.random.randint(key, (2,), -plan.jitter, plan.jitter + 1)
    values, pull = jax.vjp(partial(value, shift=shift), state.params)
    (slope,) = pull(jnp.ones_like(values))
    sign = -1 if plan.objective == "inhibit" else 1
    goal, down = sign * values, -sign * slope
    if problem.penalties or plan.coupled:
        prices, pull = jax.vjp(cost, state.params)
        goal, down = goal - prices, down + pull(jnp.ones_like(prices))[0]
    axes = tuple(range(1, down.ndim))
    fine = jnp.isfinite(goal) & jnp.isfinite(down).all(axes)
    down = _where(fine, down, jnp.zeros_like(down))
    # A neuron's step does not depend on the others'. Optax mixes dtypes.
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        updates, inner = jax.vmap(plan.optimizer.update)(
            down, state.optimizer, state.params
        )
        far = optax.apply_updates(state.params, updates)
    landed = land(state.params, far, number)
    go = state.active & fine
    fell = state.active & ~fine
    better = goal > state.best + problem.tol * jnp.abs(state.best)
    # The start was not among the images that are allowed.
    better = go & (better | (number < 2))
    since = jnp.where(better, 0, state.since + go.astype(jnp.int32))
    stop = fell if plan.patience is None else fell | (since >= plan.patience)
    back = _where(fell, state.before, state.params)
    return _State(
        params=_where(go, landed, back),
        before=back,
        optimizer=jax.tree.map(partial(_where, go), inner, state.optimizer),
        values=jnp.where(go, values, state.values),
        best=jnp.where(better, goal, state.best),
        since=since,
        active=state.active & ~stop,
        alive=state.alive | (go & (slope != 0).any(axes)),
        failed=state.failed | fell,
        n_iter=state.n_iter + go.astype(jnp.int32),
    )


def _end(state: _State, values: jax.Array) -> _State:
    """Look at the images after the last step as at those before."""
    fine = jnp.isfinite(values)
    fell = ~fine & ~state.failed
    return state._replace(
        params=_where(fell, state.before, state.params),
        values=jnp.where(fine, values, state.values),
        failed=state.failed | fell,
    )


def _row(state: _State, images: jax.Array) -> tuple[jax.Array, ...]:
    flat = images.reshape(images.shape[0], -1)
    return state.values, flat.std(1), jnp.sqrt((flat**2).sum(1))


def _cost(plan: Plan, problem: Problem, images: jax.Array) -> jax.Array:
    prices = jnp.zeros(images.shape[0], images.dtype)
    for penalty in problem.penalties:
        prices = prices + jax.vmap(penalty)(images)
    if plan.coupled:
        weights = problem.mask
        similar = correlations(images, weights)
        others = jnp.eye(images.shape[0], dtype=images.dtype)
        mean = (similar * (1 - others)).sum(1) / (images.shape[0] - 1)
        prices = prices + problem.diversity.astype(images.dtype) * mean
    return prices


def _landed(
    problem: Problem, start: Any, images: jax.Array, new: jax.Array, step: jax.Array
) -> jax.Array:
    """Apply mask and constraints to images after a step."""
    mask = None
    if problem.mask is not None:
        mask = problem.mask.astype(new.dtype)[None, :, :, None]
        new = images + mask * (new - images)
    for project in problem.projects:
        new = jax.vmap(project, (0, None))(new, step)
    return new if mask is None else jnp.where(mask > 0, new, start)


def _where(chosen: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    return jnp.where(chosen.reshape(-1, *[1] * (new.ndim - 1)), new, old)


def _pixels(shape: tuple[int, ...], dtype: Any) -> tuple[Callable, Callable]:
    del shape, dtype
    return (lambda params: params), (lambda image: image)


def _fourier(shape: tuple[int, ...], dtype: Any) -> tuple[Callable, Callable]:
    """Coefficients of waves, of which low frequencies count more."""
    height, width = shape[:2]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    scale = 1 / np.maximum(frequency, 1 / max(height, width))
    scale = jnp.asarray(scale / np.sqrt((scale**2).mean()), dtype)[:, :, None]

    def to_image(params: jax.Array) -> jax.Array:
        waves = jax.lax.complex(params[0] * scale, params[1] * scale)
        return jnp.fft.irfft2(waves, (height, width), axes=(0, 1), norm="ortho")

    def to_params(image: jax.Array) -> jax.Array:
        waves = jnp.fft.rfft2(image, axes=(0, 1), norm="ortho")
        return jnp.stack([waves.real / scale, waves.imag / scale])

    return to_image, to_params


PARAMETERS = {"pixels": _pixels, "fourier": _fourier}
