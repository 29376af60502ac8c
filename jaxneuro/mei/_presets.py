"""Options of ascents as others have published them."""

from functools import cache
from typing import Any

import numpy as np
import optax

from ._constraints import blur_schedule, constrain
from ._penalties import contrast_penalty
from ._spectrum import blur_updates, scale_by_mean_size, scale_by_spectrum

__all__ = ["egg_ga", "notebook", "walker2019"]


def walker2019(low: float, high: float, *, n_steps: int = 1000) -> dict[str, Any]:
    """Give the options of Walker et al. (2019).

    The gradient is smoothed by ``fft_smooth`` with factor 0.1 and divided by the mean
    of its absolute values; steps fall linearly from 1/850 towards 1/20400; the image is
    cut off at the range and then blurred, by 1.5 falling towards 0.01 pixels. They
    started from noise, in units of the standard deviation of the training images.

    Parameters
    ----------
    low, high : float
        Range of the pixels as the network sees them.
    n_steps : int
        Number of steps.

    Returns
    -------
    dict
        For :func:`ascend`: ``ascend(apply, variables, images, targets, **options)``.

    References
    ----------
    .. [1] Walker et al., Nature Neuroscience 22 (2019) 2060-2065,
       doi:10.1038/s41593-019-0517-x; cajal/inception_loop2019 and nnvision's preset.
    """
    return {
        "n_steps": n_steps,
        "optimizer": _walker(n_steps),
        "project": [
            constrain(low=low, high=high),
            constrain(blur=np.linspace(1.5, 0.01, n_steps, endpoint=False)),
        ],
    }


def notebook(
    *, n_steps: int = 1000, sigma: float = 7.0, contrast: float = 0.2655758261680603
) -> dict[str, Any]:
    """Give the five steps of the notebook, peculiarities included.

    The filter favours one diagonal, see :func:`spectral_filter`; gradients are not
    normalised, so that the gain of a neuron sets its pace; stretching each image to
    the range 0 to 1 overrules the penalty on the contrast; the blur shrinks faster
    than its formula suggests, see :func:`blur_schedule`. It started from Gaussian
    noise stretched to that range. Its list of responses held them less the penalty;
    the trace of :class:`MEI` holds the responses.

    Parameters
    ----------
    n_steps : int
        Number of steps.
    sigma : float
        Blur at first, in pixels.
    contrast : float
        Wanted standard deviation; that of the notebook's images.

    Returns
    -------
    dict
        For :func:`ascend`.

    References
    ----------
    .. [1] The notebook "A CNN-based MEI approach compared to Gabor patches", after
       Walker et al., Nature Neuroscience 22 (2019) 2060-2065.
    """
    blur = blur_schedule(n_steps, sigma, 0.001, kind="notebook")
    return {
        "n_steps": n_steps,
        "optimizer": _notebook(),
        "penalty": contrast_penalty(contrast, 2.0, ddof=1),
        "project": constrain(blur=blur, low=0, high=1, rescale=True),
    }


def egg_ga(*, n_steps: int = 1000, norm: float = 25.0) -> dict[str, Any]:
    """Give the options of the gradient ascent that energy guided diffusion is held to.

    The gradient is blurred by 1 pixel; AdamW takes steps of 10; the image is given a
    fixed norm. They started from standard Gaussian noise of 100 x 100 pixels.

    Parameters
    ----------
    n_steps : int
        Number of steps.
    norm : float
        Square root of the sum of the squared pixels.

    Returns
    -------
    dict
        For :func:`ascend`.

    References
    ----------
    .. [1] Pierzchlewicz et al., Energy guided diffusion for generating neurally
       exciting images, NeurIPS 2023, doi:10.1101/2023.05.18.541176; the control of
       its program.
    """
    return {
        "n_steps": n_steps,
        "optimizer": _adamw(),
        "project": constrain(norm=norm),
    }


# One object for the same options, so that nothing is compiled twice.
@cache
def _walker(n_steps: int) -> optax.GradientTransformation:
    steps = optax.linear_schedule(1 / 850, 1 / 20400, n_steps)
    smooth = scale_by_spectrum(0.2, kind="walker")
    return optax.chain(smooth, scale_by_mean_size(), optax.sgd(steps))


@cache
def _notebook() -> optax.GradientTransformation:
    return optax.chain(scale_by_spectrum(0.25, kind="notebook"), optax.sgd(0.1))


@cache
def _adamw() -> optax.GradientTransformation:
    return optax.chain(blur_updates(1.0), optax.adamw(10.0, weight_decay=0.01))
