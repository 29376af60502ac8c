"""General linear models of fMRI: designs, fits, contrasts, group inference."""

from ._cluster_test import ClusterTest, TFCETest, cluster_test, tfce_test
from ._clusters import Clusters, clusters, mesh_edges, volume_edges
from ._contrast import Contrast, f_contrast, fixed_effects, t_contrast
from ._design import Design, design
from ._fit import GLMFit, fit
from ._gls import Information
from ._hrf import hrf
from ._multiple import fdr
from ._permute import PermutationTest, permutation_test
from ._summary import predict, r2, residuals
from ._tails import Tails, tails
from ._tfce import tfce

__all__ = [
    "ClusterTest",
    "Clusters",
    "Contrast",
    "Design",
    "GLMFit",
    "Information",
    "PermutationTest",
    "TFCETest",
    "Tails",
    "cluster_test",
    "clusters",
    "design",
    "f_contrast",
    "fdr",
    "fit",
    "fixed_effects",
    "hrf",
    "mesh_edges",
    "permutation_test",
    "predict",
    "r2",
    "residuals",
    "t_contrast",
    "tails",
    "tfce",
    "tfce_test",
    "volume_edges",
]
