"""Kernels of the room of most exciting inputs."""

import jax.numpy as jnp
import numpy as np
import optax

from jaxneuro import mei

from .table import Row

MODULES = ("mei",)
H, W, T, S = 6, 7, 3, 2  # height, width, targets, starts
STEPS = 4
MADE = "makes a function from numbers, which the ascent runs"
HOST = {
    "mei.blur_schedule": "a list of numbers",
    "mei.blur_updates": MADE,
    "mei.constrain": MADE,
    "mei.contrast_penalty": MADE,
    "mei.egg_ga": "options of an ascent",
    "mei.lp_penalty": MADE,
    "mei.notebook": "options of an ascent",
    "mei.scale_by_mean_size": MADE,
    "mei.scale_by_spectrum": MADE,
    "mei.similarity_penalty": MADE,
    "mei.spectral_filter": "a small table, in float64",
    "mei.total_variation": MADE,
    "mei.transfer": "two ascents",
    "mei.walker2019": "options of an ascent",
}
OPTIMIZER = optax.chain(mei.scale_by_spectrum(0.25), optax.sgd(0.05))
PROJECT = mei.constrain(blur=0.4, norm=3.0)
IMAGES, TRACE = (T, H, W, 1), (STEPS + 1, T)


def network(weights, images):
    """A smooth network of one layer."""
    return jnp.tanh(jnp.einsum("nhwc,hwct->nt", images, weights, precision="highest"))


def ascend(images, weights):
    return mei.ascend(
        network,
        weights,
        images,
        np.array([4, 0, 2]),
        n_steps=STEPS,
        optimizer=OPTIMIZER,
        project=PROJECT,
        penalty=mei.lp_penalty(0.1),
    )


ROWS = [
    Row(
        "mei.ascend",
        ascend,
        {"images": IMAGES, "weights": (H, W, 1, 5)},
        {
            "images": IMAGES,
            "responses": TRACE,
            "contrasts": TRACE,
            "norms": TRACE,
            "n_iter": (T,),
            "converged": (T,),
        },
    ),
    Row(
        "mei.agreement",
        mei.agreement,
        {"images": (T, S, H, W, 1), "responses": (T, S)},
        {"correlations": (T, S, S), "diversity": (T,), "spread": (T,)},
    ),
]
