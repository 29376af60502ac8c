import numpy as np
import pytest

from jaxneuro import io


class Data:
    """What of ``naplib.Data`` is used: fields by name, one entry per trial."""

    def __init__(self, **fields):
        self.content = fields
        self.fields = list(fields)

    def __getitem__(self, name):
        return self.content[name]


@pytest.fixture
def fields(rng):
    lengths = (20, 30, 25)
    return {
        "aud": [rng.normal(size=(n, 4)) for n in lengths],
        "resp": [rng.normal(size=(n, 2)) for n in lengths],
        "envelope": [rng.normal(size=n) for n in lengths],
        "name": ["a", "b", "c"],
        "short": [rng.normal(size=(n - 1, 2)) for n in lengths],
        "few": [rng.normal(size=(20, 2))],
        "none": [],
    }


@pytest.mark.parametrize("wrap", [dict, Data])
def test_two_fields(fields, wrap):
    X, Y = io.from_naplib(wrap(**fields), "aud", "resp")
    assert isinstance(X, list)
    for x, y, aud, resp in zip(X, Y, fields["aud"], fields["resp"], strict=True):
        np.testing.assert_array_equal(x, aud)
        np.testing.assert_array_equal(y, resp)


def test_one_dimension_becomes_a_column(fields):
    X, _ = io.from_naplib(fields, "envelope", "resp")
    assert [x.shape for x in X] == [(20, 1), (30, 1), (25, 1)]


@pytest.mark.parametrize("wrap", [dict, Data])
def test_missing_field(fields, wrap):
    with pytest.raises(ValueError, match="y_field is 'eeg' but.*aud, resp, envelope"):
        io.from_naplib(wrap(**fields), "aud", "eeg")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("name", "x_field 'name' does not hold one array of numbers"),
        ("none", "x_field 'none' has no trials"),
        ("few", "'resp' has 3 trials but 'few' has 1; every trial needs both"),
        ("short", "'resp' has 20 time points in trial 0 but 'short' has 19"),
    ],
)
def test_fields_that_do_not_fit(fields, field, message):
    with pytest.raises(ValueError, match=message):
        io.from_naplib(fields, field, "resp")
