import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxneuro as jn
from jaxneuro import io
from jaxneuro.core.moments import Moments
from jaxneuro.core.ridge import CVFit
from jaxneuro.core.struct import static, struct

LAGS = jn.Lags(-0.1, 0.3, sfreq=64)


@struct
class Mixed:
    """Every kind of value that a record may hold."""

    array: object
    tree: object
    lags: object = static(default=LAGS)
    name: object = static(default="ridge")


@pytest.fixture
def mixed(monkeypatch):
    """The record above, as if it were public in this package."""
    monkeypatch.setattr(Mixed, "__module__", "jaxneuro.core.ridge")
    monkeypatch.setattr(jn.core.ridge, "Mixed", Mixed, raising=False)
    return Mixed


def check_same(a, b):
    assert type(a) is type(b) or isinstance(a, np.ndarray)
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            check_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for name in a:
            check_same(a[name], b[name])
    elif isinstance(a, list | tuple):
        for x, y in zip(a, b, strict=True):
            check_same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


def moments(rng):
    names = [field.name for field in dataclasses.fields(Moments)]
    return Moments(**{name: jnp.asarray(rng.normal(size=(2, 3))) for name in names})


def test_static_record(tmp_path):
    io.save(tmp_path / "lags.npz", LAGS)
    assert io.load(tmp_path / "lags.npz") == LAGS


def test_arrays(tmp_path, rng):
    record = moments(rng)
    io.save(tmp_path / "m.npz", record)
    check_same(io.load(tmp_path / "m.npz"), record)
    # Anyone can open the arrays, under the names of their fields.
    with np.load(tmp_path / "m.npz") as file:
        np.testing.assert_array_equal(file["xx"], record.xx)


def test_nested_records(tmp_path, mixed, rng):
    fit = mixed(array=jnp.arange(6.0).reshape(2, 3), tree=None)
    record = CVFit(
        fit=fit,
        scores=rng.normal(size=(3, 4, 2)),
        alphas=np.logspace(0, 3, 4),
        converged=jnp.ones(2, dtype=bool),
    )
    io.save(str(tmp_path / "cv.npz"), record)
    loaded = io.load(str(tmp_path / "cv.npz"))
    check_same(loaded, record)
    assert loaded.fit.lags == LAGS
    assert jax.tree.structure(loaded.fit) == jax.tree.structure(fit)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        2.5,
        float("inf"),
        'text with ü and "quotes"',
        (1, "two", (3.0, None)),
        [np.arange(3), np.arange(4)],
        {"a": {0: np.ones(2), 1: np.zeros((0, 3))}, "b": ()},
        {"a.b": np.ones(1), "a": {"b": np.zeros(2)}, "header": np.ones(3)},
        np.float64(1.5),
        np.arange(3, dtype=np.int8),
        np.array(["Fz", "Cz"]),
        np.array([1 + 2j]),
        LAGS,
    ],
    ids=lambda value: type(value).__name__,
)
def test_values(tmp_path, mixed, value):
    record = mixed(array=np.ones(3, dtype=np.float32), tree=value)
    io.save(tmp_path / "x.npz", record)
    loaded = io.load(tmp_path / "x.npz")
    if isinstance(value, np.generic):
        value = np.asarray(value)
    check_same(loaded.tree, value)


def test_exact_path_and_nothing_left(tmp_path, mixed):
    path = tmp_path / "fit.result"
    io.save(path, LAGS)
    with pytest.raises(TypeError):
        io.save(path, mixed(array=np.ones(2), tree=object()))
    assert list(tmp_path.iterdir()) == [path]
    assert io.load(path) == LAGS


@pytest.mark.parametrize("record", [np.ones(3), {"coef": np.ones(3)}, Moments, None])
def test_only_records(tmp_path, record):
    with pytest.raises(TypeError, match="must be a fitted record of jaxneuro"):
        io.save(tmp_path / "x.npz", record)


def test_only_our_records(tmp_path):
    with pytest.raises(TypeError, match="only records of jaxneuro can be saved"):
        io.save(tmp_path / "x.npz", Mixed(array=1, tree=2))


def test_only_public_records(tmp_path, monkeypatch):
    monkeypatch.setattr(Mixed, "__module__", "jaxneuro.core._hidden")
    with pytest.raises(TypeError, match="Mixed is not a public record"):
        io.save(tmp_path / "x.npz", Mixed(array=1, tree=2))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (len, "field 'tree' holds a builtin_function_or_method"),
        ([1, {2}], "field 'tree.1' holds a set"),
        ({2.0: 1}, "field 'tree' holds a dict"),
        (np.array([object()]), "field 'tree' has dtype object"),
        (jnp.ones(2, dtype=jnp.bfloat16), "dtype bfloat16, which a file cannot hold"),
        (jax.random.key(0), "field 'tree' has dtype key"),
    ],
)
def test_values_that_a_file_cannot_hold(tmp_path, mixed, value, message):
    with pytest.raises(TypeError, match=message):
        io.save(tmp_path / "x.npz", mixed(array=np.ones(2), tree=value))


def rewrite(path, **changes):
    with np.load(path) as file:
        arrays = dict(file)
    header = json.loads(str(arrays["header"])) | changes
    arrays["header"] = np.array(json.dumps(header))
    np.savez(path, **arrays)


class TestRefusal:
    @pytest.fixture
    def path(self, tmp_path, rng):
        io.save(tmp_path / "x.npz", moments(rng))
        return tmp_path / "x.npz"

    def test_newer_format(self, path):
        rewrite(path, version=2)
        with pytest.raises(ValueError, match="in version 2 .* reads version 1; update"):
            io.load(path)

    @pytest.mark.parametrize(
        "name",
        [
            "jaxneuro.trf.FutureFit",
            "jaxneuro.nowhere.TRFFit",
            "jaxneuro.core.check.CHOICE",
            "jaxneuro.io._results.Path",
            "jaxneuro.core.struct.TypeVar",
            "subprocess.Popen",
            "jaxneuro.os.System",
            "jaxneuro",
            ["jaxneuro.core.moments.Moments"],
        ],
    )
    def test_unknown_class(self, path, name):
        rewrite(path, record={"record": name, "fields": {}})
        with pytest.raises(ValueError, match="which this version of jaxneuro does not"):
            io.load(path)

    def test_other_fields(self, path):
        with np.load(path) as file:
            record = json.loads(str(file["header"]))["record"]
        record["fields"]["zz"] = record["fields"].pop("xx")
        rewrite(path, record=record)
        with pytest.raises(ValueError, match="the fields xx, zz differ; fit and save"):
            io.load(path)

    @pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04broken"])
    def test_other_files(self, tmp_path, content):
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(ValueError, match="is not a record saved by jaxneuro"):
            io.load(tmp_path / "x.npz")

    @pytest.mark.parametrize("header", [None, "no json {", "3", '{"format": "other"}'])
    def test_other_archives(self, tmp_path, header):
        extra = {} if header is None else {"header": np.array(header)}
        np.savez(tmp_path / "x.npz", coef=np.ones(3), **extra)
        with pytest.raises(ValueError, match="read plain arrays with jaxneuro"):
            io.load(tmp_path / "x.npz")

    def test_plain_array(self, tmp_path):
        np.save(tmp_path / "x.npy", np.ones(3))
        with pytest.raises(ValueError, match="is not a record saved by jaxneuro"):
            io.load(tmp_path / "x.npy")

    def test_objects_are_never_unpickled(self, tmp_path):
        header = np.array([{"format": "jaxneuro record"}], dtype=object)
        np.savez(tmp_path / "x.npz", header=header)
        with pytest.raises(ValueError, match="is not a record saved by jaxneuro"):
            io.load(tmp_path / "x.npz")

    def test_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            io.load(tmp_path / "absent.npz")
