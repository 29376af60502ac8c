"""Kernels of the reliability room."""

import jax
import jax.numpy as jnp

from jaxneuro import reliability as rel

from .table import FOLD, XY, N, Row, T

MODULES = ("reliability",)
HOST: dict[str, str] = {}
R, S = 4, 7
CUBE = {"responses": (R, S, T)}
BOTH = {"responses": (R, S, T), "prediction": (S, T)}
KEY = jax.random.key(2)


def draws(responses):
    return rel.draw_repeats(responses, key=KEY, n_draws=3)


def split_half(responses):
    # Near -1 the correction has a pole, which finite differences do not follow.
    signal = jnp.arange(S, dtype=responses.dtype)[None, :, None]
    return rel.split_half(responses + signal, key=KEY, n_splits=5)


ROWS = [
    *(
        Row(f"reliability.{name}", getattr(rel, name), CUBE, (T,), jumps=jumps)
        for name, jumps in [
            ("oracle_correlation", ""),
            ("oracle_conservative", ""),
            ("explainable_variance", ""),
            ("fev", ""),
            ("variance", ""),
            ("entropy", "counts equal values"),
            ("gini", ""),
        ]
    ),
    Row("reliability.mean_response", rel.mean_response, CUBE, (S, T)),
    Row(
        "reliability.snr",
        lambda responses: rel.snr(responses + 5),
        CUBE,
        (T,),
    ),
    Row(
        "reliability.noise_ceiling",
        lambda responses: rel.noise_ceiling(
            responses + 3 * jnp.arange(S, dtype=responses.dtype)[None, :, None]
        ),
        CUBE,
        (T,),
    ),
    Row(
        "reliability.draw_repeats",
        draws,
        CUBE,
        (3, S, T),
        jumps="draws indices",
    ),
    Row(
        "reliability.oracle_random",
        lambda responses: rel.oracle_random(responses, draws(responses)),
        CUBE,
        {"correlation": (T,), "rank": (T,), "draws": (3, T)},
        jumps="ranks",
    ),
    Row("reliability.split_half", split_half, CUBE, (T,)),
    Row(
        "reliability.target_correlation",
        lambda responses: rel.target_correlation(responses, kind="noise"),
        CUBE,
        (T, T),
    ),
    Row(
        "reliability.feve",
        lambda responses, prediction: rel.feve(
            responses + 3 * jnp.arange(S, dtype=responses.dtype)[None, :, None],
            prediction,
        ),
        BOTH,
        (T,),
    ),
    Row(
        "reliability.normalized_correlation",
        lambda responses, prediction: rel.normalized_correlation(
            responses + 3 * jnp.arange(S, dtype=responses.dtype)[None, :, None],
            prediction,
        ),
        BOTH,
        (T,),
    ),
    Row("reliability.average_correlation", rel.average_correlation, BOTH, (T,)),
    Row("reliability.trial_correlation", rel.trial_correlation, BOTH, (T,)),
    Row(
        "reliability.select",
        lambda a, b: rel.select([a, b], [0.3, 0.2]),
        {"a": (9,), "b": (9,)},
        (9,),
        jumps="compares with a quantile",
    ),
    Row(
        "reliability.permutation_test",
        lambda X, Y: rel.permutation_test(
            Y, X[:, :T], key=KEY, n_permutations=6, block_size=5, run_id=FOLD
        ),
        XY,
        {
            "scores": (T,),
            "p_value": (T,),
            "p_fdr": (T,),
            "p_corrected": (T,),
            "null_max": (6,),
        },
        jumps="p values count",
    ),
]
assert len(FOLD) == N
