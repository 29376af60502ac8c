"""The loop over epochs: batches, validation, stopping, checkpoints, progress."""

import dataclasses
import time
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..core import checkpoint
from ..core.progress import meter
from . import _step
from ._data import Samples
from ._losses import correlation_loss

__all__ = ["Control", "Plan", "run"]

_MIN_GAIN = 1e-6  # a smaller improvement is none
_CHUNK = 256  # units predicted at a time
# One call takes at most so many steps, bytes of batches and seconds.
_STEPS, _BYTES, _SECONDS = 32, 2**24, 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that a training needs beside its recipe.

    Attributes
    ----------
    train, validation : Samples
        Data; `validation` may be None.
    train_units, validation_units : list of int array
        Units of each member.
    targets : int array (n_members, n_targets), or None
        Responses of each member.
    keys : key array (n_members,)
        Of each member.
    n_epochs, batch_size : int
        Lengths.
    patience : int, or None
        Epochs without improvement after which a member's rate decays or it stops.
    n_decays, decay : int, float
        How often and by which factor the rate decays before a member stops.
    stop_on : str
        "loss" or "correlation".
    checkpoint, checkpoint_every : path or None, float
        Folder, and seconds between two writes.
    show_progress : bool
        Whether to draw a bar.
    """

    train: Samples
    validation: Samples | None
    train_units: list[np.ndarray]
    validation_units: list[np.ndarray]
    targets: np.ndarray | None
    keys: jax.Array
    n_epochs: int
    batch_size: int
    patience: int | None
    n_decays: int
    decay: float
    stop_on: str
    checkpoint: Any
    checkpoint_every: float
    show_progress: bool


@dataclasses.dataclass
class Control:
    """What the host decides for each member, and the histories.

    Attributes
    ----------
    epoch, step : int
        Where the training stands.
    active : bool array (n_members,)
        Who is trained.
    scale : array (n_members,)
        Factor of the learning rate.
    best, best_epoch, since, decays, failed_epoch : array (n_members,)
        Best validation value and its epoch, epochs since, decays so far, and the
        epoch of a loss that was not finite, -1 for none.
    losses : array (n_members, n_steps)
        Losses of the steps of this epoch.
    train_loss, validation_loss : array (n_members, n_epochs)
        Histories, NaN where there was no epoch.
    """

    epoch: int
    step: int
    active: np.ndarray
    scale: np.ndarray
    best: np.ndarray
    best_epoch: np.ndarray
    since: np.ndarray
    decays: np.ndarray
    failed_epoch: np.ndarray
    losses: np.ndarray
    train_loss: np.ndarray
    validation_loss: np.ndarray


def run(variables: Any, recipe: _step.Recipe, plan: Plan) -> tuple[Any, Control]:
    """Train all members.

    Parameters
    ----------
    variables : pytree of array (n_members, ...)
        At the start.
    recipe : Recipe
        What is compiled.
    plan : Plan
        Data and lengths.

    Returns
    -------
    variables : pytree of array (n_members, ...)
        The best of each member, or the last where nothing is validated.
    Control
        Histories.
    """
    size = min([plan.batch_size, *(units.size for units in plan.train_units)])
    n_steps = min(units.size for units in plan.train_units) // size
    control = _start(len(plan.train_units), n_steps, plan.n_epochs)
    opt = _step.initial(variables, recipe=recipe)
    saver = _Saver(plan, _task(variables, plan, size))
    (variables, opt, best), control = saver.resume((variables, opt, variables), control)
    held_out = _held_out(plan)
    epochs = _Epochs(plan, recipe, size, n_steps)
    bar = meter(plan.n_epochs, show=plan.show_progress, desc="training", unit="epoch")
    with bar:
        bar.update(control.epoch)
        while control.epoch < plan.n_epochs and control.active.any():
            before = control.epoch
            variables, opt = epochs.advance((variables, opt), control)
            if control.epoch > before:
                best = _validate(variables, best, control, held_out, recipe, plan)
                variables = _stop(variables, best, control, plan)
                bar.update(control.epoch - before)
                bar.set_postfix_str(_text(control))
            saver.tick((variables, opt, best), control)
        saver.tick((variables, opt, best), control, now=True)
    return (variables if held_out is None else best), control


def _start(n_members: int, n_steps: int, n_epochs: int) -> Control:
    history = np.full((n_members, n_epochs), np.nan)
    counter = np.zeros(n_members, int)
    return Control(
        epoch=0,
        step=0,
        active=np.ones(n_members, bool),
        scale=np.ones(n_members),
        best=np.full(n_members, np.inf),
        best_epoch=counter - 1,
        since=counter,
        decays=counter,
        failed_epoch=counter - 1,
        losses=np.zeros((n_members, n_steps)),
        train_loss=history,
        validation_loss=history.copy(),
    )


class _Epochs:
    """Takes the steps of the epochs, as many at a time as the host need not see."""

    def __init__(
        self, plan: Plan, recipe: _step.Recipe, size: int, n_steps: int
    ) -> None:
        self.plan, self.recipe, self.size, self.n_steps = plan, recipe, size, n_steps
        self.room, self.pace = 0, np.inf  # steps of a call, seconds of a step
        self.held: Any = None  # what the steps of a call see
        self.epoch, self.order = -1, np.empty(0)  # units of all steps of an epoch
        self.taken = 0  # steps of the last call

    def advance(self, state: tuple[Any, Any], control: Control) -> tuple[Any, Any]:
        """Take some steps, to the end of the epoch at most where it is validated."""
        plan, first = self.plan, control.epoch * self.n_steps + control.step
        last = control.epoch + 1 if plan.validation is not None else plan.n_epochs
        numbers = np.arange(first, min(last * self.n_steps, first + _STEPS))
        batches = self._batches(numbers)
        start = time.monotonic()
        (variables, opt, _), losses = _step.steps(
            (*state, jnp.asarray(control.active)),
            jnp.asarray(control.scale, plan.train.dtype),
            batches,
            plan.keys,
            jnp.asarray(first, jnp.int32),
            jnp.asarray(self.taken, jnp.int32),
            recipe=self.recipe,
        )
        losses = np.asarray(losses)[:, : self.taken]
        self.pace = (time.monotonic() - start) / self.taken
        for number, loss in zip(numbers, losses.T, strict=False):
            if control.active.any():
                self._note(control, int(number), loss)
        return variables, opt

    def _batches(self, numbers: np.ndarray) -> Any:
        """Gather what the next steps see, in the same arrays for every call."""
        batch = self._fetch(int(numbers[0]))
        if self.held is None:
            n_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(batch))
            epochs = 1 if self.plan.validation is not None else self.plan.n_epochs
            most = min(_STEPS, epochs * self.n_steps)
            self.room = int(np.clip(_BYTES // n_bytes, 1, most))
            self.held = jax.tree.map(
                lambda leaf: np.zeros((self.room, *leaf.shape), leaf.dtype), batch
            )
        most = min(self.room, numbers.size)
        self.taken = int(np.clip(_SECONDS / self.pace, 1, most))
        held = jax.tree.leaves(self.held)
        for i, number in enumerate(numbers[: self.taken]):
            batch = self._fetch(int(number)) if i else batch
            for whole, leaf in zip(held, jax.tree.leaves(batch), strict=True):
                whole[i] = leaf
        return self.held

    def _fetch(self, number: int) -> Any:
        epoch, index = divmod(number, self.n_steps)
        if epoch != self.epoch:
            members = zip(self.plan.train_units, self.plan.keys, strict=True)
            length = self.n_steps * self.size
            order = [_shuffled(units, key, epoch)[:length] for units, key in members]
            self.epoch, self.order = epoch, np.stack(order)
        units = self.order[:, index * self.size : (index + 1) * self.size]
        return self.plan.train.fetch(units, self.plan.targets)

    def _note(self, control: Control, number: int, loss: np.ndarray) -> None:
        """Write down the losses of a step, and who failed in it."""
        epoch, index = divmod(number, self.n_steps)
        control.losses[:, index] = loss
        failed = control.active & np.isnan(loss)
        if failed.any():
            control.failed_epoch = np.where(failed, epoch, control.failed_epoch)
            control.active = control.active & ~failed
            warnings.warn(
                f"the loss or its gradient was not finite in epoch {epoch} for member "
                f"{', '.join(map(str, np.flatnonzero(failed)))}; its training stopped "
                "and its variables are those before: check the data for outliers and "
                "lower the learning rate.",
                RuntimeWarning,
                stacklevel=6,
            )
        control.epoch, control.step = divmod(number + 1, self.n_steps)
        if control.step == 0:
            mean = control.losses.mean(1)
            control.train_loss[control.active, epoch] = mean[control.active]


def _shuffled(units: np.ndarray, key: jax.Array, epoch: int) -> np.ndarray:
    """Order of an epoch, from the key alone, so that it can be repeated."""
    seed = np.asarray(jax.random.key_data(key)).tolist()
    return np.random.default_rng([*seed, epoch]).permutation(units)


def _held_out(plan: Plan) -> list[np.ndarray] | None:
    """Pad the numbers of what is validated to equal length, and cut them."""
    if plan.validation is None:
        return None
    longest = max(units.size for units in plan.validation_units)
    table = np.full((len(plan.validation_units), longest), -1)
    for row, units in zip(table, plan.validation_units, strict=True):
        row[: units.size] = units
    return [table[:, at : at + _CHUNK] for at in range(0, longest, _CHUNK)]


def _validate(
    variables: Any,
    best: Any,
    control: Control,
    held_out: list[np.ndarray] | None,
    recipe: _step.Recipe,
    plan: Plan,
) -> Any:
    """Note the loss after an epoch on held-out units and keep each member's best."""
    if held_out is None or plan.validation is None:
        return variables
    parts = []
    for units in held_out:
        x, y, weight = plan.validation.fetch(units, plan.targets)
        guess = _step.predict(variables, x, recipe=recipe)
        n = len(units), -1, y.shape[-1]
        parts.append([np.asarray(a).reshape(n) for a in (guess, y, weight)])
    whole = [np.concatenate(column, axis=1) for column in zip(*parts, strict=True)]
    loss = np.asarray(_step.score(*whole, recipe=recipe))
    trained, epoch = control.active, control.epoch - 1
    control.validation_loss[trained, epoch] = loss[trained]
    value = loss
    if plan.stop_on == "correlation":
        value = np.asarray(jax.vmap(correlation_loss)(*map(jnp.asarray, whole)))
    better = trained & (value < control.best - _MIN_GAIN)
    control.best = np.where(better, value, control.best)
    control.best_epoch = np.where(better, epoch, control.best_epoch)
    control.since = np.where(better, 0, control.since + 1)
    return _chosen(better, variables, best)


def _stop(variables: Any, best: Any, control: Control, plan: Plan) -> Any:
    """Lower the rate of members on a plateau, or stop them, at their best."""
    if plan.patience is None or plan.validation is None:
        return variables
    stuck = control.active & (control.since >= plan.patience)
    decayed = stuck & (control.decays < plan.n_decays)
    control.decays = control.decays + decayed
    control.scale = np.where(decayed, control.scale * plan.decay, control.scale)
    control.since = np.where(decayed, 0, control.since)
    control.active = control.active & ~(stuck & ~decayed)
    return _chosen(stuck, best, variables)


def _chosen(which: np.ndarray, yes: Any, no: Any) -> Any:
    if which.all() or not which.any():
        return yes if which.all() else no

    def choose(a: jax.Array, b: jax.Array) -> jax.Array:
        return jnp.where(which.reshape(-1, *[1] * (a.ndim - 1)), a, b)

    return jax.tree.map(choose, yes, no)


def _text(control: Control) -> str:
    at = control.epoch - 1
    rows = np.stack([control.train_loss[:, at], control.validation_loss[:, at]])
    n_active = np.count_nonzero(control.active)
    names = ("loss", "validation")
    shown = [
        f"{name} {np.nanmean(row):.4g}"
        for name, row in zip(names, rows, strict=True)
        if np.isfinite(row).any()
    ]
    return ", ".join(
        [*shown, f"{n_active} training"] if len(control.active) > 1 else shown
    )


def _task(variables: Any, plan: Plan, size: int) -> dict:
    """Plain values by which a checkpoint knows its training."""
    shapes = [list(leaf.shape) for leaf in jax.tree.leaves(variables)]
    return {
        "variables": shapes,
        "keys": np.asarray(jax.random.key_data(plan.keys)).tolist(),
        "n_epochs": plan.n_epochs,
        "batch_size": size,
        "samples": [int(units.size) for units in plan.train_units],
        "checksum": [float(units.sum()) for units in plan.train_units],
    }


class _Saver:
    """Writes the state of a training every few minutes."""

    def __init__(self, plan: Plan, task: dict) -> None:
        self.path, self.every, self.task = plan.checkpoint, plan.checkpoint_every, task
        self.last = time.monotonic()

    def resume(self, trees: Any, control: Control) -> tuple[Any, Control]:
        """Give back what the folder holds, or what came."""
        if self.path is None:
            return trees, control
        found = checkpoint.read(self.path, (trees, vars(control)), self.task)
        if found is None:
            return trees, control
        trees, values = found
        values |= {name: int(values[name]) for name in ("epoch", "step")}
        return jax.tree.map(jnp.asarray, trees), Control(**values)

    def tick(self, trees: Any, control: Control, *, now: bool = False) -> None:
        """Write if it is time to."""
        if self.path is None or not (now or time.monotonic() - self.last >= self.every):
            return
        checkpoint.write(self.path, (trees, vars(control)), self.task)
        self.last = time.monotonic()
