"""One step of training and one prediction, for all members in one compiled call."""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from ..core.members import over_members

__all__ = ["Recipe", "initial", "predict", "score", "split", "steps"]


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What is compiled: everything about a training but its numbers.

    Parameters
    ----------
    apply : function of variables and stimuli
        The network.
    loss : function of prediction, target and weight
        A number.
    optimizer : optax.GradientTransformation
        Any.
    penalty : function of variables, optional
        A number added to the loss.
    dtype : str
        Float of the network's arithmetic; parameters keep theirs.
    trials : bool
        Whether the network sees whole trials.
    batching : str
        As in :func:`jaxneuro.core.members.over_members`.
    """

    apply: Callable
    loss: Callable
    optimizer: optax.GradientTransformation
    penalty: Callable | None
    dtype: str
    trials: bool
    batching: str


def split(variables: Any) -> tuple[Any, dict]:
    """Take apart what is trained and what is carried along.

    Parameters
    ----------
    variables : pytree
        With "params" where there is more than parameters.

    Returns
    -------
    params : pytree
        Trained.
    rest : dict
        The other collections.
    """
    if isinstance(variables, Mapping) and "params" in variables:
        rest = {name: tree for name, tree in variables.items() if name != "params"}
        return variables["params"], rest
    return variables, {}


def _joined(like: Any, params: Any, rest: dict) -> Any:
    if isinstance(like, Mapping) and "params" in like:
        return {"params": params, **rest}
    return params


@partial(jax.jit, static_argnames="recipe")
def initial(variables: Any, *, recipe: Recipe) -> Any:
    """Make the optimiser's state of every member.

    Parameters
    ----------
    variables : pytree of array (n_members, ...)
        Of all members.
    recipe : Recipe
        The training.

    Returns
    -------
    pytree of array (n_members, ...)
        State.
    """
    with jax.numpy_dtype_promotion("standard"):
        return jax.vmap(recipe.optimizer.init)(split(variables)[0])


@partial(jax.jit, static_argnames="recipe")
def steps(
    state: tuple[Any, Any, jax.Array],
    scale: jax.Array,
    batches: tuple[Any, jax.Array, jax.Array],
    keys: jax.Array,
    first: jax.Array,
    n: jax.Array,
    *,
    recipe: Recipe,
) -> tuple[tuple[Any, Any, jax.Array], jax.Array]:
    """Move all members that are still being trained, several times.

    One call for several steps keeps the memory in which they compute: a new call has
    to be given it page by page.

    Parameters
    ----------
    state : variables, optimiser's state, bool array (n_members,)
        The last says who is trained; whose loss or gradient is not finite is so no
        more, and stays as it was before.
    scale : array (n_members,)
        Factor of the learning rate.
    batches : X, Y, weight
        Of each step and member; only the first `n` steps count.
    keys : key array (n_members,)
        Of each member.
    first : int array ()
        Number of the first step, to draw anew.
    n : int array ()
        How many steps.
    recipe : Recipe
        The training.

    Returns
    -------
    state
        As it came, moved.
    array (n_members, steps)
        Loss before each step, without the penalty; NaN where it failed, 0 for those
        that are not trained.
    """

    def body(i: jax.Array, carry: tuple) -> tuple:
        state, losses = carry
        batch = jax.tree.map(
            lambda leaf: jax.lax.dynamic_index_in_dim(leaf, i, keepdims=False), batches
        )
        state, value = _step(state, scale, batch, keys, first + i, recipe)
        return state, losses.at[:, i].set(value)

    losses = jnp.zeros((scale.shape[0], batches[1].shape[0]), scale.dtype)
    return jax.lax.fori_loop(jnp.zeros_like(n), n, body, (state, losses))


def _step(
    state: tuple[Any, Any, jax.Array],
    scale: jax.Array,
    batch: tuple[Any, jax.Array, jax.Array],
    keys: jax.Array,
    count: jax.Array,
    recipe: Recipe,
) -> tuple[tuple[Any, Any, jax.Array], jax.Array]:
    """Move all members that are still being trained, once."""

    def moved(variables, opt, factor, batch, key):
        params, rest = split(variables)

        def objective(params):
            whole = _joined(variables, params, rest)
            x, y, weight = batch
            prediction, new_rest = _forward(recipe, whole, x, key)
            value = recipe.loss(*_flat(prediction, y, weight))
            penalty = jnp.zeros((), value.dtype)
            if recipe.penalty is not None:
                penalty = recipe.penalty(whole).astype(value.dtype)
            return value + penalty, (value, new_rest)

        (total, (value, rest)), slope = jax.value_and_grad(objective, has_aux=True)(
            params
        )
        optimizer = optax.with_extra_args_support(recipe.optimizer)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            updates, new_opt = optimizer.update(slope, opt, params, value=total)
        updates = jax.tree.map(lambda u: u * factor.astype(u.dtype), updates)
        new = _joined(variables, optax.apply_updates(params, updates), rest)
        if hasattr(recipe.apply, "project"):
            new = recipe.apply.project(new)
        finite = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(slope)]
        fine = jnp.isfinite(total) & jnp.stack(finite).all()
        new, new_opt = jax.tree.map(
            lambda a, b: jnp.where(fine, a, b), (new, new_opt), (variables, opt)
        )
        return new, new_opt, fine, jnp.where(fine, value, jnp.nan)

    def one(variables, opt, active, factor, batch, key):
        def still(*_):
            return variables, opt, active, jnp.zeros((), factor.dtype)

        key = jax.random.fold_in(key, count)
        return jax.lax.cond(active, moved, still, variables, opt, factor, batch, key)

    variables, opt, active = state
    variables, opt, active, value = over_members(
        one, variables, opt, active, scale, batch, keys, batching=recipe.batching
    )
    return (variables, opt, active), value


@partial(jax.jit, static_argnames="recipe")
def predict(variables: Any, x: Any, *, recipe: Recipe) -> jax.Array:
    """Predict a batch of each member, as after training.

    Parameters
    ----------
    variables : pytree of array (n_members, ...)
        Of all members.
    x : array (n_members, batch, ...)
        Stimuli.
    recipe : Recipe
        The training.

    Returns
    -------
    array (n_members, batch, ..., n_targets)
        Responses.
    """

    def one(variables, x):
        return _forward(recipe, variables, x, None)[0]

    return over_members(one, variables, x, batching=recipe.batching)


@partial(jax.jit, static_argnames="recipe")
def score(
    prediction: jax.Array, y: jax.Array, weight: jax.Array, *, recipe: Recipe
) -> jax.Array:
    """Compute the loss of each member.

    Parameters
    ----------
    prediction, y, weight : array (n_members, ..., n_targets)
        Predicted and measured responses, and what they count.
    recipe : Recipe
        The training.

    Returns
    -------
    array (n_members,)
        Loss.
    """
    return jax.vmap(lambda *one: recipe.loss(*_flat(*one)))(prediction, y, weight)


def _forward(
    recipe: Recipe, variables: Any, x: Any, key: jax.Array | None
) -> tuple[jax.Array, dict]:
    """Predict in the recipe's float; statistics stay in that of the parameters."""
    params, rest = split(variables)
    wide = jax.tree.leaves(params)[0].dtype

    def cast(tree):
        return jax.tree.map(lambda leaf: leaf.astype(recipe.dtype), tree)

    whole = _joined(variables, cast(params), rest)
    train = getattr(recipe.apply, "train", None)
    if recipe.trials:
        prediction = recipe.apply.sequence(whole, cast(x))  # type: ignore[attr-defined]  # asked for before
    elif key is not None and train is not None:
        prediction, rest = train(whole, cast(x), key)
    else:
        prediction = recipe.apply(whole, cast(x))
    return prediction.astype(wide), rest


def _flat(*arrays: jax.Array) -> tuple[jax.Array, ...]:
    return tuple(a.reshape(-1, a.shape[-1]) for a in arrays)
