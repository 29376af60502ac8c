"""Images in, maps out: the numbers are those of nibabel and of nilearn's maskers."""

import gzip
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from jaxneuro import io
from jaxneuro.io._blocks import Blocks

nib = pytest.importorskip("nibabel")
pytest.importorskip("nilearn")

SHAPE, N_SCANS = (7, 5, 6), 11
AFFINE = np.diag([3.0, 3.0, 4.0, 1.0])
AFFINE[:3, 3] = [-9, -6, -10]


@pytest.fixture
def mask(rng):
    return rng.random(SHAPE) < 0.4


def save(path, data, *, scale=None, tr=2.5):
    image = nib.Nifti1Image(data, AFFINE)
    if scale is not None:
        image.header.set_slope_inter(*scale)
    if data.ndim == 4:
        image.header.set_zooms((3, 3, 4, tr))
        image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    return str(path)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", ">i2", "<u1"])
def test_volumes_equal_the_masker(tmp_path, rng, mask, ending, kind):
    """Whatever is stored, and in whatever order, the masker reads the same."""
    from nilearn.maskers import NiftiMasker

    scale = None if kind[1] == "f" else (0.5, 3.0)
    data = rng.integers(0, 250, (*SHAPE, N_SCANS)).astype(kind)
    path = save(tmp_path / f"bold{ending}", data, scale=scale)
    mask_path = save(tmp_path / "mask.nii.gz", mask.astype(np.uint8))
    bold = io.read_bold(path, mask=mask_path)
    assert (bold.kind, bold.suffix, bold.tr) == ("nifti", ".nii.gz", 2.5)
    assert_array_equal(bold.mask, mask)
    assert_allclose(bold.affine, AFFINE)
    (run,) = bold.runs
    assert isinstance(run, Blocks)
    assert run.shape == (N_SCANS, mask.sum())
    assert run.dtype == (np.float64 if kind == "<f8" else np.float32)
    # The masker's voxels have the last axis fastest, ours the first.
    places = np.argwhere(mask.T)[:, ::-1]
    order = np.lexsort(places.T[::-1])
    peer = NiftiMasker(mask_img=mask_path, standardize=None).fit().transform(path)
    assert_allclose(np.asarray(run)[:, order], peer, rtol=1e-6)
    expected = nib.load(path).get_fdata()[mask.nonzero()].T
    assert_allclose(np.asarray(run)[:, order], expected, rtol=1e-6)
    assert_allclose(run[3:9, 4:13], np.asarray(run)[3:9, 4:13])
    assert_allclose(run[2:5], np.asarray(run)[2:5])
    assert_allclose(run[:, -3:], np.asarray(run)[:, -3:])


def test_map_goes_back_to_its_voxels(tmp_path, rng, mask):
    data = rng.standard_normal((*SHAPE, N_SCANS)).astype(np.float32)
    bold = io.read_bold(save(tmp_path / "bold.nii", data), mask=mask)
    values = np.asarray(bold.runs[0][4])  # one scan as a map
    image = bold.image(values)
    assert isinstance(image, nib.Nifti1Image)
    assert_allclose(image.affine, AFFINE)
    assert_allclose(image.get_fdata(), np.where(mask, data[..., 4], 0))
    assert_allclose(bold.volume(values), np.where(mask, data[..., 4], np.nan))
    bold.save(values, tmp_path / "map.nii.gz")
    with gzip.open(tmp_path / "map.nii.gz") as file:
        assert file.read(4) == b"\x5c\x01\x00\x00"  # NIfTI-1, little-endian
    again = nib.load(tmp_path / "map.nii.gz")
    assert again.shape == SHAPE
    assert_allclose(again.get_fdata(), image.get_fdata())
    with pytest.raises(ValueError, match="values has shape .* a map of these images"):
        bold.image(values[:-1])
    with pytest.raises(ValueError, match=r"must end in \.nii\.gz"):
        bold.save(values, tmp_path / "map.npy")


@pytest.mark.parametrize("order", ["C", "F"])
def test_images_in_memory(rng, mask, order):
    data = np.asarray(rng.standard_normal((*SHAPE, N_SCANS)), order=order)
    bold = io.read_bold([nib.Nifti1Image(data, AFFINE)] * 2, mask=mask)
    assert len(bold.runs) == 2
    assert_allclose(bold.volume(bold.runs[1][2])[mask], data[..., 2][mask])
    assert bold.tr is None


def test_only_blocks_are_read(tmp_path, rng, mask):
    """A slice of targets asks the map for these columns and no others."""
    data = rng.standard_normal((*SHAPE, N_SCANS)).astype(np.float32)
    (run,) = io.read_bold(save(tmp_path / "bold.nii", data), mask=mask).runs
    assert isinstance(run._values.base, np.memmap)
    assert not run._values.flags.owndata
    assert run[:, 2:5].shape == (N_SCANS, 3)
    assert run[:, 2:5].flags.owndata


def test_mask_of_the_brain(tmp_path, rng):
    """A bright ball in a dark field, in two runs."""
    grid = np.indices((16, 16, 16)) - 7.5
    ball = (grid**2).sum(0) < 36
    paths = []
    for run, n_scans in enumerate((5, 40)):
        noise = rng.standard_normal((16, 16, 16, n_scans))
        data = (100.0 * ball[..., None] + noise).astype(np.float32)
        paths.append(save(tmp_path / f"{run}.nii", data))
    found = io.read_bold(paths).mask
    # Opening and closing touch the surface of the ball only.
    assert (found & ball).sum() > 0.85 * ball.sum()
    assert not (found & ~ball).any()


def test_smoothing_equals_nilearn(tmp_path, rng, mask):
    from nilearn.image import smooth_img

    data = rng.standard_normal((*SHAPE, 20)).astype(np.float32)
    path = save(tmp_path / "bold.nii.gz", data)
    bold = io.read_bold(path, mask=mask, smoothing_fwhm=6.0)
    peer = smooth_img(path, 6.0).get_fdata()
    for scan in (0, 17):
        assert_allclose(
            bold.volume(bold.runs[0][scan])[mask], peer[mask, scan], atol=1e-6
        )


def test_masker_extracts_the_targets(tmp_path, rng, mask):
    from nilearn.maskers import NiftiLabelsMasker

    labels = nib.Nifti1Image(
        (mask * (1 + (np.indices(SHAPE)[0] > 3))).astype("i4"), AFFINE
    )
    path = save(tmp_path / "b.nii", rng.standard_normal((*SHAPE, N_SCANS)).astype("f4"))
    masker = NiftiLabelsMasker(labels, standardize=None)
    bold = io.read_bold([path, path], mask=masker)
    assert bold.kind == "masker"
    assert bold.runs[1].shape == (N_SCANS, 2)
    assert_allclose(bold.runs[0], masker.transform(path))
    back = bold.image(np.array([3.0, 5.0])).get_fdata()
    assert_allclose(
        back, 3.0 * (labels.get_fdata() == 1) + 5.0 * (labels.get_fdata() == 2)
    )


def test_cifti_stays_on_disk_and_comes_back(tmp_path, rng):
    cifti2 = nib.cifti2
    brain = cifti2.BrainModelAxis.from_mask(np.ones(SHAPE, bool), affine=AFFINE)
    series = cifti2.SeriesAxis(0, 0.8, N_SCANS, unit="SECOND")
    data = rng.standard_normal((N_SCANS, len(brain))).astype(np.float32)
    path = str(tmp_path / "bold.dtseries.nii")
    cifti2.Cifti2Image(data, header=(series, brain)).to_filename(path)
    bold = io.read_bold(path)
    assert (bold.kind, bold.tr) == ("cifti", pytest.approx(0.8))
    assert isinstance(bold.runs[0]._file, np.memmap)
    assert_allclose(bold.runs[0][:, 7:20], data[:, 7:20])
    bold.save(data[3], tmp_path / "map.dscalar.nii")
    again = nib.load(tmp_path / "map.dscalar.nii")
    assert again.nifti_header.get_intent()[0] == "ConnDenseScalar"
    assert again.header.get_axis(1) == brain
    assert_allclose(again.get_fdata()[0], data[3])
    some = rng.random(len(brain)) < 0.5
    masked = io.read_bold(nib.load(path), mask=some)
    assert_allclose(masked.runs[0][2:], data[2:, some])
    assert_allclose(masked.image(data[3, some]).get_fdata()[0], data[3] * some)


def gifti(data, name):
    arrays = [nib.gifti.GiftiDataArray(scan.astype("f4")) for scan in data]
    image = nib.gifti.GiftiImage(darrays=arrays)
    image.meta["AnatomicalStructurePrimary"] = "CortexLeft"
    nib.save(image, name)
    return str(name)


def test_gifti(tmp_path, rng):
    data = rng.standard_normal((N_SCANS, 30))
    path = gifti(data, tmp_path / "bold.func.gii")
    bold = io.read_bold([path])
    assert_allclose(bold.runs[0], data, rtol=1e-6)
    keep = rng.random(30) < 0.5
    masked = io.read_bold([path], mask=keep)
    assert_allclose(masked.runs[0], data[:, keep], rtol=1e-6)
    masked.save(data[2, keep], tmp_path / "map.shape.gii")
    again = nib.load(tmp_path / "map.shape.gii")
    assert_allclose(again.darrays[0].data, data[2] * keep, rtol=1e-6)
    assert again.meta["AnatomicalStructurePrimary"] == "CortexLeft"


def test_surface_images(rng, tmp_path):
    from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

    points = rng.standard_normal((8, 3))
    faces = np.array([[0, 1, 2], [3, 4, 5], [5, 6, 7]])
    mesh = PolyMesh(*[InMemoryMesh(points, faces)] * 2)
    data = {side: rng.standard_normal((8, N_SCANS)) for side in ("left", "right")}
    bold = io.read_bold(SurfaceImage(mesh, data))
    assert bold.runs[0].shape == (N_SCANS, 16)
    image = bold.image(bold.runs[0][4])
    assert_allclose(image.data.parts["right"].ravel(), data["right"][:, 4], rtol=1e-5)
    bold.save(bold.runs[0][4], tmp_path / "map.gii")
    left = nib.load(tmp_path / "map_hemi-L.gii").darrays[0].data
    assert_allclose(left.ravel(), data["left"][:, 4], rtol=1e-5)


def test_arrays(tmp_path, rng):
    data = rng.standard_normal((N_SCANS, 4))
    np.savez(tmp_path / "runs.npz", run_0=data, run_1=data[:-2])
    bold = io.read_bold(tmp_path / "runs.npz")
    assert [run.shape for run in bold.runs] == [(11, 4), (9, 4)]
    np.save(tmp_path / "run.npy", data)
    lazy = io.read_bold([tmp_path / "run.npy"])
    assert isinstance(lazy.runs[0], np.memmap)
    lazy.save(data[0], tmp_path / "map.npy")
    assert_array_equal(np.load(tmp_path / "map.npy"), data[0])
    with pytest.raises(ValueError, match="maps of kind 'array' are not volumes"):
        lazy.volume(data[0])


def test_peaks(rng):
    volume = np.full((20, 20, 20), np.nan)
    volume[5:15, 5:15, 5:15] = 0.0
    volume[6:8, 6, 6] = 5.0
    volume[6, 6, 6] = 6.0
    volume[12, 12, 12] = -7.0
    rows = io.peaks(volume, AFFINE, 4.0)
    found = {(r["x"], r["y"], r["z"]): (r["value"], r["size"]) for r in rows}
    up, down = (tuple(AFFINE[:3] @ [*[n] * 3, 1]) for n in (6, 12))
    assert found == {up: (6.0, 72.0), down: (-7.0, 36.0)}
    for option in ({"two_sided": False}, {"cluster_size": 2}):
        (only,) = io.peaks(volume, AFFINE, 4.0, **option)
        assert only["value"] == 6.0
    assert io.peaks(volume, AFFINE, 8.0) == []


@pytest.fixture
def run(tmp_path, rng):
    return save(tmp_path / "run.nii", rng.standard_normal((*SHAPE, 4)).astype("f4"))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("empty list", "images is an empty list"),
        ("text file", r"bold\.txt must end in one of \.dtseries\.nii"),
        ("absent", r"absent\.nii does not exist"),
        ("two kinds", r"run 1 is of kind array but .*run\.nii is of kind nifti"),
        ("three axes", r"has shape \(7, 5, 6\) but a BOLD run has four axes"),
        ("other grid", r"has a grid of \(7, 5, 5\) voxels but"),
        ("other place", "lies elsewhere in space than"),
        ("empty mask", "mask is empty"),
        ("mask grid", r"mask has a grid of \(7, 5, 5\) voxels but the images have"),
        ("mask place", "mask lies elsewhere in space than the images"),
        ("constant", "the images are constant, so no brain is found"),
        ("smooth array", "smoothing_fwhm is 4 mm but only volumes"),
        ("masked array", "mask is given but the runs are arrays"),
        ("cube", r"run 0 has shape \(4, 3, 2\) but must be \(n_scans, n_targets\)"),
        ("targets", "run 1 has 2 targets but run 0 has 3"),
        ("mesh", "does not hold one array of vertices per scan"),
        ("vertices", r"mask has shape \(3,\) but the images have 30 vertices"),
        ("scalars", "is not a series of scans"),
        ("number", "run 0 is of type float but must be a path"),
    ],
)
def test_bad_input(tmp_path, rng, run, case, message):
    data = nib.load(run).get_fdata()
    away = nib.Nifti1Image(data, np.eye(4))
    ones = np.ones((3, 2))

    def scalars():
        brain = nib.cifti2.BrainModelAxis.from_mask(np.ones((2, 2, 2), bool))
        header = (nib.cifti2.ScalarAxis(["a"]), brain)
        nib.cifti2.Cifti2Image(np.ones((1, 8)), header=header).to_filename(
            tmp_path / "x.dtseries.nii"
        )
        return tmp_path / "x.dtseries.nii"

    cases = {
        "empty list": lambda: io.read_bold([]),
        "text file": lambda: io.read_bold(tmp_path / "bold.txt"),
        "absent": lambda: io.read_bold(tmp_path / "absent.nii"),
        "two kinds": lambda: io.read_bold([run, ones]),
        "three axes": lambda: io.read_bold(nib.Nifti1Image(data[..., 0], AFFINE)),
        "other grid": lambda: io.read_bold(
            [run, nib.Nifti1Image(data[:, :, :5], AFFINE)]
        ),
        "other place": lambda: io.read_bold([run, away]),
        "empty mask": lambda: io.read_bold(run, mask=np.zeros(SHAPE)),
        "mask grid": lambda: io.read_bold(run, mask=np.ones((7, 5, 5))),
        "mask place": lambda: io.read_bold(
            run, mask=nib.Nifti1Image(np.ones(SHAPE), np.eye(4))
        ),
        "constant": lambda: io.read_bold(nib.Nifti1Image(np.ones_like(data), AFFINE)),
        "smooth array": lambda: io.read_bold(ones, smoothing_fwhm=4.0),
        "masked array": lambda: io.read_bold(ones, mask=ones),
        "cube": lambda: io.read_bold(np.ones((4, 3, 2))),
        "targets": lambda: io.read_bold([np.ones((3, 3)), ones]),
        "mesh": lambda: io.read_bold(gifti(ones[None], tmp_path / "lh.gii")),
        "vertices": lambda: io.read_bold(
            gifti(np.ones((4, 30)), tmp_path / "x.gii"), mask=np.ones(3)
        ),
        "scalars": lambda: io.read_bold(scalars()),
        "number": lambda: io.read_bold(1.5),
    }
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=message):
        cases[case]()


def test_missing_package(monkeypatch, run):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ImportError, match=r'pip install "jaxneuro\[mri\]"'):
        io.read_bold(run)
