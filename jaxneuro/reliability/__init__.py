"""Which targets to trust: oracles, ceilings, selection, significance.

Responses to repeated stimuli are ``(n_repeats, n_stimuli, n_targets)``, NaN where a
stimulus was shown less often than others.
"""

from ._oracle import (
    RandomOracle,
    draw_repeats,
    oracle_conservative,
    oracle_correlation,
    oracle_random,
    split_half,
)
from ._predicted import (
    average_correlation,
    feve,
    normalized_correlation,
    trial_correlation,
)
from ._select import (
    entropy,
    gini,
    mean_response,
    select,
    target_correlation,
    variance,
)
from ._significance import Significance, permutation_test
from ._variance import explainable_variance, fev, noise_ceiling, snr

__all__ = [
    "RandomOracle",
    "Significance",
    "average_correlation",
    "draw_repeats",
    "entropy",
    "explainable_variance",
    "fev",
    "feve",
    "gini",
    "mean_response",
    "noise_ceiling",
    "normalized_correlation",
    "oracle_conservative",
    "oracle_correlation",
    "oracle_random",
    "permutation_test",
    "select",
    "snr",
    "split_half",
    "target_correlation",
    "trial_correlation",
    "variance",
]
