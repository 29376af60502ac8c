"""Most exciting inputs beside the best Gabors: what the demo and ``fit mei`` share."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from .. import mei, nn, viz
from ._panels import canvas
from .report import Figure, Table

__all__ = ["Found", "excite", "figures", "ready", "table", "words"]

MOST_SHOWN = 6


@dataclasses.dataclass(frozen=True)
class _Unit:
    """Another unit of images, ``shift + gain * image``."""

    shift: float
    gain: float

    def __call__(self, images: jax.Array) -> jax.Array:
        return self.shift + self.gain * images


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """Images of the chosen neurons, pixels from 0 to 1.

    Attributes
    ----------
    targets : int array (n_targets,)
        Neurons.
    best, gabor, image, field : mei.MEI
        Most exciting inputs, and controls of the same mean and contrast: the best Gabor
        function, the best of the given images, the linear receptive field.
    advantage : dict of mei.Advantage
        Of the first over each of the others.
    masks : array (n_targets, height, width)
        Where each most exciting input stands out.
    """

    targets: np.ndarray
    best: mei.MEI
    gabor: mei.MEI
    image: mei.MEI
    field: mei.MEI
    advantage: dict[str, mei.Advantage]
    masks: np.ndarray


def ready(
    fit: nn.TrainResult, shift: float, gain: float
) -> tuple[Callable, Any, int | None]:
    """Prepare a trained network for images of range 0 to 1.

    Parameters
    ----------
    fit : nn.TrainResult
        One network, or an ensemble.
    shift, gain : float
        What the network saw is ``shift + gain * image``.

    Returns
    -------
    function
        Network, folded where it can be.
    pytree
        Its variables.
    int, or None
        Number of members.
    """
    unit = _Unit(shift, gain)
    n_members = None if np.ndim(fit.best_epoch) == 0 else len(fit.best_epoch)
    variables = jax.tree.map(jax.numpy.asarray, fit.variables)
    one = variables
    if n_members is not None:
        one = jax.tree.map(lambda leaf: leaf[0], variables)
    try:
        apply, folded = nn.fold(fit.apply, one)  # type: ignore[arg-type]  # others raise TypeError
    except TypeError:
        return nn.FrontedNetwork(unit, fit.apply), variables, n_members
    if n_members is not None:
        folded = jax.vmap(lambda own: nn.fold(fit.apply, own)[1])(variables)  # type: ignore[arg-type]  # as above
    return nn.FrontedNetwork(unit, apply), folded, n_members


def excite(
    network: tuple[Callable, Any, int | None],
    images: np.ndarray,
    targets: np.ndarray,
    *,
    n_steps: int,
    contrast: float | None = None,
    seed: int = 0,
) -> Found:
    """Optimise images for neurons, find the controls, and compare.

    Parameters
    ----------
    network : tuple
        From :func:`ready`.
    images : array (n_images, height, width, channels)
        Images of the recording, from 0 to 1, whose mean and median contrast all
        optimised images get.
    targets : int array (n_targets,)
        Neurons.
    n_steps : int
        Steps of the ascent.
    contrast : float, optional
        Instead of the median of the images.
    seed : int
        Of the noise to start from.

    Returns
    -------
    Found
        Images and their comparison.
    """
    apply, variables, n_members = network
    mean = float(images.mean())
    if contrast is None:
        contrast = float(np.median(images.std((1, 2, 3))))
    size = images.shape[1:]
    keys = jax.random.split(jax.random.key(seed))
    noise = jax.random.normal(keys[0], (targets.size, *size), images.dtype)
    levels: dict[str, Any] = {"mean": mean, "low": 0.0, "high": 1.0}
    shared: dict[str, Any] = {"n_members": n_members}
    best = mei.ascend(
        apply,
        variables,
        # Of little contrast: what the first steps add outweighs it.
        mean + 0.05 * contrast * noise,
        targets,
        n_steps=n_steps,
        project=mei.constrain(std=contrast, **levels),
        **shared,
    )
    levels["contrast"] = contrast
    controls = {
        "gabor": mei.best_gabor(apply, variables, size, targets, **levels, **shared),
        "image": mei.best_image(apply, variables, images, targets, **levels, **shared),
        "field": mei.linear_field(
            apply, variables, images[:128], targets, **levels, **shared
        ),
    }

    def score(found: mei.MEI) -> jax.Array:
        return mei.responses(apply, variables, found.images, targets, **shared)

    ours = score(best)
    advantage = {
        name: mei.advantage(ours, score(found), key=keys[1])
        for name, found in controls.items()
    }
    masks = np.asarray(mei.estimate_mask(best.images, threshold=1.0))
    return Found(
        targets=targets, best=best, advantage=advantage, masks=masks, **controls
    )


def words(found: Found) -> str:
    """Say in one sentence how the optimised images compare with the Gabors."""
    over = found.advantage["gabor"]
    return (
        f"most exciting inputs drive the network {float(over.mean):.2f} times "
        f"[{float(over.low):.2f}, {float(over.high):.2f}] as much as the best Gabors"
    )


def table(found: Found, correlation: np.ndarray | None = None) -> Table:
    """List responses, and what the Gabor fit says of each image."""
    fit = mei.fit_gabor(found.best.images)
    index = mei.symmetry_index(found.best.images)
    rows = []
    for row, target in enumerate(found.targets.tolist()):
        numbers = [
            found.best.responses[-1, row],
            found.gabor.responses[-1, row],
            found.image.responses[-1, row],
            found.field.responses[-1, row],
            np.rad2deg(fit.orientation[row]),
            fit.wavelength[row],
            fit.r2[row],
            index[row],
        ]
        if correlation is not None:
            numbers.insert(0, correlation[row])
        rows.append((target, *map(float, numbers)))
    header = (
        "Neuron",
        *(["Held-out correlation"] if correlation is not None else []),
        "MEI",
        "Best Gabor",
        "Best image",
        "Linear field",
        "Orientation (degrees)",
        "Wavelength (pixels)",
        "R² of a Gabor",
        "Symmetry index",
    )
    caption = (
        "Responses of the network to images of one mean and contrast, and the Gabor "
        "function nearest to each most exciting input"
    )
    return Table(header=header, rows=rows, caption=caption)


def figures(found: Found, order: Sequence[int] | None = None) -> list[Figure]:
    """Draw images beside Gabors, the ascent, and spectra of both."""
    rows = np.arange(found.targets.size) if order is None else np.asarray(order)
    rows = rows[:MOST_SHOWN]
    names = [f"neuron {target}" for target in found.targets[rows].tolist()]
    images, gabors = (np.asarray(one.images)[rows] for one in (found.best, found.gabor))
    height, width = images.shape[1:3]
    tall = 2 * (9.0 / rows.size * height / width + 0.5)
    beside, axes = canvas(9.0, float(np.clip(tall, 2.5, 7.0)), 2, rows.size)
    viz.mei_beside_gabor(
        images,
        gabors,
        masks=found.masks[rows],
        responses=np.asarray(found.best.responses)[-1, rows],
        gabor_responses=np.asarray(found.gabor.responses)[-1, rows],
        names=names,
        limits=(0.0, 1.0),
        ax=axes,
    )
    trace, axes = canvas(9.0, 3.2, 1, 2)
    viz.ascent_traces(
        np.asarray(found.best.responses)[:, rows],
        contrasts=np.asarray(found.best.contrasts)[:, rows],
        names=names,
        ax=axes[0],
    )
    spectra, axes = canvas(9.0, 3.0, 1, 3)
    first = np.stack([images[0], gabors[0]])
    power = np.asarray(mei.power_spectrum(first))
    for panel, spectrum, title in zip(axes[0], power, ("MEI", "Gabor"), strict=False):
        viz.log_power(spectrum, title=f"{title} of {names[0]}", ax=panel)
    profile = mei.orientation_profile(first)
    viz.orientation_curves(
        profile.angles, profile.power, names=["MEI", "Gabor"], ax=axes[0, 2]
    )
    return [
        Figure(
            figure=beside,
            caption="Most exciting inputs above the best Gabor functions, of the same "
            "mean and contrast; orange, the estimated mask.",
        ),
        Figure(figure=trace, caption="Response and contrast during the ascent."),
        Figure(
            figure=spectra,
            caption="Power without the mean, and its share by orientation; the grey "
            "line is that of noise.",
        ),
    ]
