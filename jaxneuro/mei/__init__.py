"""Images that excite the neurons of a network most."""

from ..signal import gabor
from ._advantage import Advantage, advantage
from ._agreement import Agreement, Transfer, agreement, transfer
from ._ascent import ascend
from ._best_gabor import best_gabor
from ._compare import contrast, luminance, power_spectrum
from ._constraints import Constraints, blur_schedule, constrain
from ._gabor_fit import GaborFit, fit_gabor
from ._gabors import Gabors, gabor_bank, presented_gabors
from ._masks import circular_mask, estimate_mask
from ._match import match, responses
from ._penalties import (
    contrast_penalty,
    lp_penalty,
    similarity_penalty,
    total_variation,
)
from ._presets import egg_ga, notebook, walker2019
from ._record import MEI
from ._spectra import (
    FrequencyProfile,
    OrientationProfile,
    frequency_profile,
    orientation_profile,
    symmetry_index,
)
from ._spectrum import (
    blur_updates,
    scale_by_mean_size,
    scale_by_spectrum,
    spectral_filter,
)
from ._stimuli import best_image, best_presented, linear_field

__all__ = [
    "MEI",
    "Advantage",
    "Agreement",
    "Constraints",
    "FrequencyProfile",
    "GaborFit",
    "Gabors",
    "OrientationProfile",
    "Transfer",
    "advantage",
    "agreement",
    "ascend",
    "best_gabor",
    "best_image",
    "best_presented",
    "blur_schedule",
    "blur_updates",
    "circular_mask",
    "constrain",
    "contrast",
    "contrast_penalty",
    "egg_ga",
    "estimate_mask",
    "fit_gabor",
    "frequency_profile",
    "gabor",
    "gabor_bank",
    "linear_field",
    "lp_penalty",
    "luminance",
    "match",
    "notebook",
    "orientation_profile",
    "power_spectrum",
    "presented_gabors",
    "responses",
    "scale_by_mean_size",
    "scale_by_spectrum",
    "similarity_penalty",
    "spectral_filter",
    "symmetry_index",
    "total_variation",
    "transfer",
    "walker2019",
]
