"""Networks that predict responses, and their training."""

from ..core.fronted import FrontedNetwork
from ._causal import CausalCore
from ._cores import ConvCore
from ._data import Samples
from ._encoder import Encoder, Shifter
from ._ensemble import train_ensemble
from ._folded import Folded, fold
from ._functional import CausalLayer, Network, functional
from ._gabor import GaborFront
from ._losses import correlation_loss, gaussian_loss, poisson_loss
from ._penalties import Penalty, group_sparsity, l1, l2, laplace
from ._points import GaussianReadout, PyramidReadout
from ._readouts import DenseReadout, FactorizedReadout
from ._sessions import join_sessions
from ._setup import TrainResult, adam
from ._train import train

__all__ = [
    "CausalCore",
    "CausalLayer",
    "ConvCore",
    "DenseReadout",
    "Encoder",
    "FactorizedReadout",
    "Folded",
    "FrontedNetwork",
    "GaborFront",
    "GaussianReadout",
    "Network",
    "Penalty",
    "PyramidReadout",
    "Samples",
    "Shifter",
    "TrainResult",
    "adam",
    "correlation_loss",
    "fold",
    "functional",
    "gaussian_loss",
    "group_sparsity",
    "join_sessions",
    "l1",
    "l2",
    "laplace",
    "poisson_loss",
    "train",
    "train_ensemble",
]
