"""General linear models of fMRI: designs, fits, contrasts, group inference."""

from ..core.multiple import fdr
from ._arma import ARMAGrid
from ._cluster_test import ClusterTest, TFCETest, cluster_test, tfce_test
from ._clusters import Clusters, clusters, mesh_edges, volume_edges
from ._contrast import f_contrast, fit_contrasts, fixed_effects, t_contrast
from ._design import Design, design
from ._fit import GLMFit, fit
from ._fractional import FractionalFit, fractional_ridge, fractional_ridge_cv
from ._gls import Information
from ._group import one_sample, partition, two_sample
from ._hrf import hrf
from ._hrf_library import HRFSearch, hrf_library, hrf_search
from ._permute import PermutationTest, permutation_test
from ._sampling_error import NoiseError
from ._single_trial import lsa, lss
from ._statistics import Contrast
from ._summary import predict, r2, residuals
from ._tails import Tails, tails
from ._tfce import tfce
from ._tukey import TukeySpectrum
from ._voxelwise import fit_voxelwise

__all__ = [
    "ARMAGrid",
    "ClusterTest",
    "Clusters",
    "Contrast",
    "Design",
    "FractionalFit",
    "GLMFit",
    "HRFSearch",
    "Information",
    "NoiseError",
    "PermutationTest",
    "TFCETest",
    "Tails",
    "TukeySpectrum",
    "cluster_test",
    "clusters",
    "design",
    "f_contrast",
    "fdr",
    "fit",
    "fit_contrasts",
    "fit_voxelwise",
    "fixed_effects",
    "fractional_ridge",
    "fractional_ridge_cv",
    "hrf",
    "hrf_library",
    "hrf_search",
    "lsa",
    "lss",
    "mesh_edges",
    "one_sample",
    "partition",
    "permutation_test",
    "predict",
    "r2",
    "residuals",
    "t_contrast",
    "tails",
    "tfce",
    "tfce_test",
    "two_sample",
    "volume_edges",
]
