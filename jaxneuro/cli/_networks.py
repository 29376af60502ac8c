"""Demo section: a network learns visual neurons, and is asked what excites them."""

import argparse

import jax
import numpy as np

from .. import nn, reliability, simulate
from ..core import score
from ._exciting import excite, figures, ready, table, words
from ._timing import timed
from .report import Section, Source

__all__ = ["section"]

_SHAPE, _N_TARGETS, _N_REPEATS = (18, 28), 6, 8

_SOURCE = Source(
    kind="simulated",
    description="Known-truth simulation: simple and complex cells with Gabor fields, "
    "Poisson spikes to noise with the spectrum of natural images.",
)


def section(options: argparse.Namespace) -> Section:
    """Train a small network, optimise images for its neurons, compare with Gabors."""
    n_images, n_epochs, n_steps = (900, 15, 40) if options.fast else (1800, 30, 100)
    keys = jax.random.split(jax.random.key(0), 3)
    images, rates = simulate.gabor_neurons(keys[0], n_images, _SHAPE, _N_TARGETS)
    counts = simulate.gabor_counts(keys[1], rates, _N_REPEATS)
    oracle = np.asarray(reliability.oracle_correlation(counts))
    images, responses = np.asarray(images), np.asarray(counts.mean(0))
    cut = int(0.8 * n_images)
    shift, gain = -float(images.mean() / images.std()), 1 / float(images.std())
    seen = (shift + gain * images).astype(images.dtype)
    fit, train_time = timed(
        f"training, {n_epochs} epochs of {cut} images",
        lambda: _trained(seen[:cut], responses[:cut], keys[2], n_epochs),
    )
    guess = fit.apply(fit.variables, seen[cut:])
    correlation = np.asarray(score.correlation(rates[cut:], guess))
    targets = np.arange(_N_TARGETS)
    found, time = timed(
        f"{n_steps} steps for {_N_TARGETS} neurons, and their controls",
        lambda: excite(
            ready(fit, shift, gain), images, targets, n_steps=n_steps, contrast=0.1
        ),
    )
    return Section(
        title="Visual neurons: most exciting inputs beside Gabors",
        source=_SOURCE,
        paragraphs=[
            "A convolutional network learns the responses of six simulated neurons to "
            f"{cut} images, averages of {_N_REPEATS} noisy repeats; the correlation of "
            "single repeats with the mean of the others is "
            f"{oracle.min():.2f} to {oracle.max():.2f}. Gradient ascent then changes "
            "images until the network's neurons respond most, and a Gabor function, "
            "searched for in the same network, is the control. Every second neuron is "
            "a complex cell, for which the phase of its stripes means little.",
            f"Over these neurons, {words(found)}.",
        ],
        tables=[table(found, correlation)],
        figures=figures(found),
        times=[train_time, time],
        summary=f"held-out correlation {correlation.mean():.2f}; {words(found)}",
    )


def _trained(
    images: np.ndarray, responses: np.ndarray, key: jax.Array, n_epochs: int
) -> nn.TrainResult:
    """Train a network of two layers."""
    network = nn.Encoder(
        core=nn.ConvCore((12, 12), kernel_sizes=(7, 3)),
        readout=nn.FactorizedReadout(_N_TARGETS),
        shape=images.shape[1:],
        rngs=0,
    )
    network.start_at(responses.mean(0))
    return nn.train(
        *nn.functional(network),
        images,
        responses,
        key=key,
        n_epochs=n_epochs,
        validation=0.15,
        # Complex cells are learned last: many steps, and large ones.
        batch_size=16,
        optimizer=nn.adam(1e-2),
    )
