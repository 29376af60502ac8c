"""Kernels of the room of most exciting inputs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxneuro import mei

from .table import Row

MODULES = ("mei",)
H, W, T, S = 6, 7, 3, 2  # height, width, targets, starts
STEPS = 4
MADE = "makes a function from numbers, which the ascent runs"
SOLVES = "takes the best of several descents"
WEIGHTS = (H, W, 1, 5)
HOST = {
    "mei.gabor_bank": "a table",
    "mei.presented_gabors": "a table",
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


SHOWN = {
    "images": (2, H, W, 1),
    **dict.fromkeys(("responses", "contrasts", "norms"), (1, 2)),
    **dict.fromkeys(("n_iter", "converged"), (2,)),
}


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


def fitted(image):
    clean = mei.gabor((12, 14), wavelength=6.0, orientation=0.5, sigma=3.0)
    return mei.fit_gabor(clean.astype(image.dtype) + 0.02 * image)


ROWS = [
    Row(
        "mei.gabor",
        lambda numbers: mei.gabor(
            (H, W), wavelength=4.0, orientation=numbers, phase=0.3, sigma=2.0
        ),
        {"numbers": (T,)},
        (T, H, W),
    ),
    Row(
        "mei.circular_mask",
        lambda center: mei.circular_mask((H, W), radius=3, center=center / 100),
        {"center": (2,)},
        (H, W),
        jumps="inside or outside",
    ),
    Row(
        "mei.estimate_mask",
        mei.estimate_mask,
        {"image": (T, H, W)},
        (T, H, W),
        jumps="inside or outside",
    ),
    *(
        Row(f"mei.{name}", getattr(mei, name), {"image": (T, H, W)}, (T, *rest))
        for name, rest in [("luminance", ()), ("contrast", ())]
    ),
    Row("mei.power_spectrum", mei.power_spectrum, {"image": (T, H, W)}, (T, H, W)),
    Row("mei.symmetry_index", mei.symmetry_index, {"image": (T, H, W)}, (T,)),
    Row(
        "mei.orientation_profile",
        lambda image: mei.orientation_profile(image, n_bins=4),
        {"image": (T, H, W)},
        {"angles": (4,), "power": (T, 4), "preferred": (T,)},
    ),
    Row(
        "mei.frequency_profile",
        mei.frequency_profile,
        {"image": (T, H, W)},
        {
            "frequencies": (3,),
            "power": (T, 3),
            "centroid": (T,),
            "bandwidth": (T,),
            "slope": (T,),
        },
    ),
    Row(
        "mei.fit_gabor",
        fitted,
        {"image": (12, 14)},
        {
            **dict.fromkeys(("wavelength", "orientation", "phase", "sigma"), ()),
            "center": (2,),
            **dict.fromkeys(("amplitude", "offset", "r2", "converged"), ()),
        },
        jumps=SOLVES,
    ),
    Row(
        "mei.match",
        lambda images: mei.match(images, mean=0.5, contrast=0.2),
        {"images": IMAGES},
        IMAGES,
    ),
    Row(
        "mei.responses",
        lambda images, weights: mei.responses(
            network, weights, images, np.array([4, 0, 2]), batch_size=2
        ),
        {"images": IMAGES, "weights": WEIGHTS},
        (T,),
    ),
    Row(
        "mei.linear_field",
        lambda images, weights: mei.linear_field(
            network, weights, images, np.array([4, 0]), contrast=0.1, mean=0.0
        ),
        {"images": IMAGES, "weights": WEIGHTS},
        SHOWN,
    ),
    Row(
        "mei.best_image",
        lambda images, weights: mei.best_image(
            network, weights, images, np.array([4, 0]), contrast=0.1, mean=0.0
        ),
        {"images": IMAGES, "weights": WEIGHTS},
        SHOWN,
        host_loop="reads images in blocks",
        jumps="chooses",
    ),
    Row(
        "mei.best_gabor",
        lambda weights: mei.best_gabor(
            network,
            weights,
            (H, W),
            np.array([4, 0]),
            contrast=0.1,
            mean=0.0,
            bank=mei.gabor_bank((H, W), wavelengths=(4.0,), grid=(1, 2)),
            n_steps=1,
        ),
        {"weights": WEIGHTS},
        {**SHOWN, **dict.fromkeys(("responses", "contrasts", "norms"), (2, 2))},
        host_loop="searches a bank in blocks",
        jumps="chooses",
    ),
    Row(
        "mei.best_presented",
        lambda images, counts: mei.best_presented(images, counts, n_best=2),
        {"images": IMAGES, "counts": (T, S)},
        (S, H, W, 1),
        jumps="chooses",
    ),
    Row(
        "mei.advantage",
        lambda a, b: mei.advantage(
            jnp.exp(a), jnp.exp(b), key=jax.random.key(0), n_draws=20
        ),
        {"a": (S, T), "b": (S, T)},
        {
            "ratio": (T,),
            **dict.fromkeys(("mean", "low", "high", "share", "n_targets"), ()),
        },
        jumps="counts targets above one",
    ),
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
