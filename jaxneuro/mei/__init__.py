"""Images that excite the neurons of a network most."""

from ._agreement import Agreement, Transfer, agreement, transfer
from ._ascent import ascend
from ._constraints import Constraints, blur_schedule, constrain
from ._penalties import (
    contrast_penalty,
    lp_penalty,
    similarity_penalty,
    total_variation,
)
from ._presets import egg_ga, notebook, walker2019
from ._record import MEI
from ._spectrum import (
    blur_updates,
    scale_by_mean_size,
    scale_by_spectrum,
    spectral_filter,
)

__all__ = [
    "MEI",
    "Agreement",
    "Constraints",
    "Transfer",
    "agreement",
    "ascend",
    "blur_schedule",
    "blur_updates",
    "constrain",
    "contrast_penalty",
    "egg_ga",
    "lp_penalty",
    "notebook",
    "scale_by_mean_size",
    "scale_by_spectrum",
    "similarity_penalty",
    "spectral_filter",
    "total_variation",
    "transfer",
    "walker2019",
]
