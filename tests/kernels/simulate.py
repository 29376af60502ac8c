"""Kernels of the room of simulations."""

import jax
import jax.numpy as jnp

from jaxneuro import simulate

from .table import N, Row, T

MODULES = ("simulate",)
DRAWS = "draws from a key and sizes; no array goes in"
BITS = "casts the design to the default float, so that all draws are of that"
HOST = {
    "simulate.bold": BITS,
    "simulate.bold_truth": BITS,
} | {
    f"simulate.{name}": DRAWS
    for name in (
        "gabor_neurons",
        "gabor_truth",
        "nonlinear_strf",
        "nonlinear_truth",
        "pixel_fields",
        "pixel_voxels",
        "reconstruction",
        "strfs",
    )
}
KEY = jax.random.key(5)
H, W, S = 8, 9, 4  # height, width, repeats
BANDS, LAGS = 3, 13


def like(truth, array):
    """A record of the float of an array."""
    return jax.tree.map(
        lambda leaf: leaf.astype(array.dtype) if leaf.dtype.kind == "f" else leaf, truth
    )


def gabor_rates(images):
    return simulate.gabor_rates(
        like(simulate.gabor_truth(KEY, (H, W), T), images), images
    )


def nonlinear_response(windows):
    truth = simulate.nonlinear_truth(KEY, n_bands=BANDS, n_targets=T, sfreq=50.0)
    return simulate.nonlinear_response(like(truth, windows), windows)


ROWS = [
    Row("simulate.gabor_rates", gabor_rates, {"images": (N, H, W, 1)}, (N, T)),
    Row(
        "simulate.gabor_counts",
        lambda rates: simulate.gabor_counts(KEY, jnp.exp(rates), S),
        {"rates": (N, T)},
        (S, N, T),
        jumps="counts",
    ),
    Row(
        "simulate.nonlinear_response",
        nonlinear_response,
        {"windows": (N, LAGS, BANDS)},
        (N, T),
    ),
]
