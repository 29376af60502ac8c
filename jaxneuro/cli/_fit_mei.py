"""``jaxneuro fit mei``: images that excite the neurons of a network most."""

import argparse
import time
from typing import Any

import numpy as np

from .. import io, nn
from ..estimators import CNNEncoder
from ._exciting import Found, excite, figures, ready, table, words
from ._options import check_folders
from .info import environment
from .report import Section, Source, write

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options."""
    parser.description = (
        "Optimise images for neurons of a network, and compare them with Gabors.\n\n"
        "  jaxneuro fit mei --images images.npy --responses rates.npy \\\n"
        "      --network-out network.npz --out mei.npz --report report.html\n"
        "  jaxneuro fit mei --images images.npy --network network.npz --out mei.npz\n"
    )
    data = parser.add_argument_group("data (.npy, .npz, .h5)")
    data.add_argument(
        "--images",
        required=True,
        metavar="FILE",
        help="(n_images, height, width[, channels]), those that the network learned",
    )
    data.add_argument("--images-key", metavar="NAME", help="array inside the file")
    data.add_argument(
        "--responses",
        metavar="FILE",
        help="(n_images, n_neurons), to train a network",
    )
    data.add_argument("--responses-key", metavar="NAME", help="array inside the file")
    data.add_argument(
        "--network",
        metavar="FILE",
        help="a trained network that jaxneuro.io.save wrote, such as CNNEncoder.fit_",
    )
    model = parser.add_argument_group("model")
    model.add_argument("--neurons", metavar="LIST", help="such as 0,3,7 (default: all)")
    model.add_argument(
        "--as-given",
        action="store_true",
        help="the network of --network saw the images as they are; otherwise, as "
        "CNNEncoder does, with their mean and standard deviation removed",
    )
    model.add_argument(
        "--n-members", type=int, default=1, help="networks to train (default: 1)"
    )
    model.add_argument(
        "--n-epochs", type=int, default=60, help="of training (default: %(default)s)"
    )
    model.add_argument(
        "--n-steps", type=int, default=200, help="of ascent (default: %(default)s)"
    )
    model.add_argument(
        "--contrast",
        type=float,
        help="standard deviation of the pixels, range 1 (default: that of the images)",
    )
    model.add_argument("--seed", type=int, default=0, help="default: 0")
    output = parser.add_argument_group("output")
    output.add_argument(
        "--out", required=True, metavar="FILE", help="the MEI, for jaxneuro.io.load"
    )
    output.add_argument(
        "--gabors-out", metavar="FILE", help="the best Gabors, for jaxneuro.io.load"
    )
    output.add_argument(
        "--network-out", metavar="FILE", help="the trained network, for --network"
    )
    output.add_argument("--report", metavar="FILE", help="an HTML report")


def run(options: argparse.Namespace) -> int:
    """Train or read a network, optimise, save, and write the report if one is wanted.

    Parameters
    ----------
    options : argparse.Namespace
        Of the command line.

    Returns
    -------
    int
        Exit code 0.

    Raises
    ------
    ValueError
        If files or options do not fit each other.
    """
    names = (options.out, options.report, options.gabors_out, options.network_out)
    check_folders(*names)
    if (options.responses is None) == (options.network is None):
        raise ValueError(
            "fit mei takes either --responses, to train a network, or --network; give "
            "one of them."
        )
    for name in ("n_members", "n_epochs", "n_steps"):
        if getattr(options, name) < 1:
            flag = f"--{name.replace('_', '-')}"
            raise ValueError(
                f"{flag} is {getattr(options, name)} but must be 1 or more."
            )
    raw = _images(options)
    start = time.perf_counter()
    fit = _network(options, raw)
    low, high = float(raw.min()), float(raw.max())
    mean, scale = (0.0, 1.0) if options.as_given else (raw.mean(), raw.std())
    network = ready(fit, float((low - mean) / scale), float((high - low) / scale))
    images = (raw - low) / (high - low)
    targets = _targets(options.neurons, network, images)
    found = excite(
        network,
        images,
        targets,
        n_steps=options.n_steps,
        contrast=options.contrast,
        seed=options.seed,
    )
    seconds = time.perf_counter() - start
    io.save(options.out, found.best)
    if options.gabors_out:
        io.save(options.gabors_out, found.gabor)
    if options.network_out:
        io.save(options.network_out, fit)
    _tell(options, found, seconds)
    return 0


def _images(options: argparse.Namespace) -> np.ndarray:
    (images,) = io.read_arrays(options.images, key=options.images_key)
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.dtype.kind not in "iuf":
        raise ValueError(
            f"--images holds {images.dtype} of shape {images.shape} but must be "
            "(n_images, height, width) or (n_images, height, width, channels)."
        )
    images = images.astype(np.float32)
    if not np.isfinite(images).all() or images.min() == images.max():
        raise ValueError("--images holds NaN, infinite or only equal values.")
    return images


def _network(options: argparse.Namespace, images: np.ndarray) -> nn.TrainResult:
    if options.network is not None:
        fit = io.load(options.network)
        if not isinstance(fit, nn.TrainResult):
            raise ValueError(
                f"--network names {options.network}, which holds a "
                f"{type(fit).__name__} but must be a trained network."
            )
        return fit
    (responses,) = io.read_arrays(options.responses, key=options.responses_key)
    if responses.ndim != 2 or len(responses) != len(images):
        raise ValueError(
            f"--responses has shape {responses.shape} but must be (n_images, "
            f"n_neurons) for {len(images)} images."
        )
    model = CNNEncoder(
        n_members=options.n_members,
        n_epochs=options.n_epochs,
        random_state=options.seed,
        show_progress=True,
    )
    return model.fit(images, responses).fit_


def _targets(text: str | None, network: tuple, images: np.ndarray) -> np.ndarray:
    import jax

    apply, variables, n_members = network
    if n_members is not None:
        variables = jax.tree.map(lambda leaf: leaf[0], variables)
    try:
        n = jax.eval_shape(apply, variables, images[:1]).shape[1]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"--images has images of shape {images.shape[1:]}, which the network does "
            f"not take: {error}"
        ) from error
    if text is None:
        return np.arange(n)
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) < n for part in parts):
        raise ValueError(
            f"--neurons is {text!r} but must be numbers from 0 to {n - 1} with commas."
        )
    return np.array([int(part) for part in parts])


def _tell(options: argparse.Namespace, found: Found, seconds: float) -> None:
    n_done = int(np.asarray(found.best.converged).sum())
    print(
        f"{found.targets.size} neurons, {n_done} converged in {options.n_steps} steps; "
        f"{seconds:.1f} s"
    )
    print(f"{words(found).capitalize()}.")
    for name, what in (("image", "best image"), ("field", "linear field")):
        over = found.advantage[name]
        print(f"{float(over.mean):.2f} times as much as the {what}.")
    print(f"MEI: {options.out}")
    if options.report:
        print(f"Report: {_report(options, found, seconds)}")


def _report(options: argparse.Namespace, found: Found, seconds: float) -> Any:
    order = np.argsort(-np.asarray(found.best.responses)[-1], kind="stable")
    network = options.network or f"a network trained on {options.responses}"
    section = Section(
        title="Most exciting inputs",
        source=Source(
            kind="given", description=f"Images {options.images}, network {network}."
        ),
        paragraphs=[
            f"{words(found).capitalize()}. Images have pixels from 0 to 1, all of one "
            "mean and contrast. The interval is that of a bootstrap over neurons and "
            f"networks. {seconds:.1f} s; saved as {options.out}, which "
            "jaxneuro.io.load reads."
        ],
        tables=[table(found)],
        figures=figures(found, order.tolist()),
    )
    return write(options.report, "jaxneuro fit mei", [section], environment())
