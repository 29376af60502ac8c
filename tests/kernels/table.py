"""What a row of the table says, and the small arrays that rows share."""

import dataclasses
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from jaxneuro.signal import Lags

N, P, T = 36, 3, 2  # samples, features, targets
FOLD = np.repeat([0, 1], [24, 12])
ALPHAS = np.array([0.5, 3.0, 20.0, 90.0, 400.0], np.float32)
A = ALPHAS.size
XY = {"X": (N, P), "Y": (N, T)}
TRIAL = np.repeat([0, 1, 2], [14, 10, 12])
LAGS = Lags(-1, 2, 1)
L = LAGS.n_lags
CHOICE = "the choice of a penalty jumps"


@dataclasses.dataclass(frozen=True, eq=False)
class Row:
    """A kernel, an example call, and what to expect.

    Attributes
    ----------
    name : str
        Where the function is public.
    call : function of arrays
        Everything else is closed over.
    arrays : dict
        Shape of each array argument.
    shapes : pytree of tuple
        Shape of each array of the result.
    host_loop, jumps, recompiles : str
        Why it cannot be compiled as a whole, has no gradient, or compiles at every
        call; empty where the check holds.
    """

    name: str
    call: Callable
    arrays: dict[str, tuple[int, ...]]
    shapes: object
    host_loop: str = ""
    jumps: str = ""
    recompiles: str = ""

    def make(self, dtype, seed=0):
        rng = np.random.default_rng(seed)
        draws = [rng.standard_normal(shape) + 0.3 for shape in self.arrays.values()]
        return [jnp.asarray(draw, dtype) for draw in draws]


def moments_of(n_features, n_targets=T):
    return {
        "n": (),
        "x_mean": (n_features,),
        "y_mean": (n_targets,),
        "xx": (n_features, n_features),
        "xy": (n_features, n_targets),
        "yy": (n_targets,),
    }


def leading(n, shapes):
    return {name: (n, *shape) for name, shape in shapes.items()}
