"""Kernels of the dSTRF room."""

import jax
import jax.numpy as jnp

from jaxneuro import dstrf

from .table import LAGS, TRIAL, L, N, P, Row, T

MODULES = ("dstrf",)
HOST = {
    "dstrf.complexity": "singular values in float64, whatever the input",
    "dstrf.temporal_hold": "a test on ranks",
    "dstrf.shape_change": "ends in singular values in float64",
    "dstrf.components": "singular vectors in float64",
    "dstrf.measures": "streams all of these",
    "dstrf.stream": "yields what dstrf.estimate computes",
}
D = (N, T, L, P)


def network(coef, windows):
    """A smooth network of one layer."""
    return jnp.tanh(jnp.einsum("blp,lpt->bt", windows, coef, precision="highest"))


def estimate(X, coef):
    return dstrf.estimate(network, coef, X, LAGS, trial_id=TRIAL, chunk_size=9)


def image_network(coef, images):
    """A smooth network of images, of one layer."""
    return jnp.tanh(jnp.einsum("nhwc,hwct->nt", images, coef, precision="highest"))


def pixels(images, coef):
    return dstrf.gradient_fields(image_network, coef, images)


def error(d, X, Y):
    return dstrf.reconstruction_error(d, Y, X, LAGS, trial_id=TRIAL)


ROWS = [
    Row("dstrf.estimate", estimate, {"X": (N, P), "coef": (L, P, T)}, D),
    Row(
        "dstrf.reconstruct",
        lambda d, X: dstrf.reconstruct(d, X, LAGS, trial_id=TRIAL),
        {"dstrf": D, "X": (N, P)},
        (N, T),
    ),
    Row(
        "dstrf.reconstruction_error",
        error,
        {"dstrf": D, "X": (N, P), "Y": (N, T)},
        (T,),
    ),
    Row(
        "dstrf.consensus",
        lambda members: dstrf.consensus(members, quantile=0.8),
        {"members": (5, 3, T, L, P)},
        (3, T, L, P),
        jumps="entries of mixed sign become zero",
    ),
    Row(
        "dstrf.sign_consistency",
        dstrf.sign_consistency,
        {"members": (5, 3, T, L, P)},
        (3, T, L, P),
        jumps="it counts signs",
    ),
    Row(
        "dstrf.gradient_fields",
        pixels,
        {"images": (3, 4, 5, 2), "coef": (4, 5, 2, T)},
        (3, T, 4, 5, 2),
    ),
    Row(
        "dstrf.clusters",
        lambda d: dstrf.clusters(jax.random.key(0), d, 2),
        {"dstrf": D},
        {"fields": (2, T, L, P), "label": (N, T), "share": (2, T)},
        jumps="a frame changes its group",
    ),
    Row(
        "dstrf.spectrogram",
        lambda sound: dstrf.spectrogram(sound, 1000, n_bands=3, frame_rate=50),
        {"sound": (200,)},
        (10, 3),
        jumps="it ends at silence",
    ),
    Row("dstrf.gain_change", dstrf.gain_change, {"dstrf": (9, 2, 4, 3)}, (2,)),
]
