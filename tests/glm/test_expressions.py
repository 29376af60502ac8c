import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from jaxneuro import glm

NAMES = ("body", "face", "scene", "2-back", "a b", "drift_1", "constant")


def design(names=NAMES, conditions=NAMES[:5]):
    n = len(names)
    return glm.Design(
        matrix=np.zeros((9, n)),
        times=np.arange(9.0),
        run_id=np.zeros(9, int),
        names=tuple(names),
        conditions=tuple(conditions),
    )


def weights(**named):
    result = np.zeros(7)
    for name, weight in named.items():
        result[NAMES.index(name)] = weight
    return result


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("face", weights(face=1)),
        ("face - (scene + body) / 2", weights(face=1, scene=-0.5, body=-0.5)),
        ("-face+scene", weights(face=-1, scene=1)),
        ("2*face - scene*2", weights(face=2, scene=-2)),
        ("-(face - -2 * scene) * .5", weights(face=-0.5, scene=-1)),
        ("(1/2)*(face + face) - 1e-1 * body", weights(face=1, body=-0.1)),
        ("1 / 2 / 2 * face", weights(face=0.25)),
        ("face + 1 - 1", weights(face=1)),
        ("  face - drift_1 ", weights(face=1, drift_1=-1)),
    ],
)
def test_expressions(expression, expected):
    row = design().contrast(expression)
    assert row.dtype == np.float64
    assert_allclose(row, expected)


@pytest.mark.parametrize(
    "expression", ["`2-back` - `a b`", "'2-back' - \"a b\"", "-'a b' + `2-back`"]
)
def test_odd_names(expression):
    assert_allclose(design().contrast(expression), [0, 0, 0, 1, -1, 0, 0])


def test_a_whole_name_needs_no_quotes():
    assert_allclose(design().contrast("2-back"), np.eye(7)[3])
    assert_allclose(design().contrast("a b"), np.eye(7)[4])


def test_names_with_dots_letters_and_keywords():
    names = ("go.left", "été", "class", "3face", "constant")
    made = design(names, names[:4])
    row = made.contrast("go.left - été + 2 * class - 3face")
    assert_allclose(row, [1, -1, 2, -1, 0])


def test_dictionaries_and_arrays():
    made = design()
    expected = weights(face=2, scene=-1, body=-1)
    assert_allclose(made.contrast({"face": 2, "scene": -1, "body": -1}), expected)
    assert_allclose(made.contrast([-1, 2, -1, 0, 0]), expected)
    assert_allclose(made.contrast(jnp.array([-1, 2, -1, 0, 0, 0, 0])), expected)


def test_several():
    made = design()
    expected = np.stack([weights(face=1), weights(body=1, face=-1)])
    assert_allclose(made.contrast(["face", {"body": 1, "face": -1}]), expected)
    assert_allclose(made.contrast(expected), expected)
    assert_allclose(made.contrast(expected.tolist()), expected)
    assert made.contrast(["face"]).shape == (1, 7)


def test_derivatives():
    names = ("a", "a_derivative", "b", "b_derivative", "constant")
    made = design(names, ("a", "a", "b", "b"))
    assert_allclose(made.contrast("a - b"), [1, 0, -1, 0, 0])
    assert_allclose(made.contrast([1, -1]), [1, 0, -1, 0, 0])
    assert_allclose(made.contrast([0, 1, 0, -1]), [0, 1, 0, -1, 0])
    assert_allclose(made.contrast("a_derivative"), [0, 1, 0, 0, 0])
    rows = made.contrast("a - b", basis="all")
    assert_allclose(rows, [[1, 0, -1, 0, 0], [0, 1, 0, -1, 0]])
    assert_allclose(made.contrast(["a", "b"], basis="all"), np.eye(5)[:4])


def test_delays():
    names = ("a_delay_0", "a_delay_1", "b_delay_0", "b_delay_1", "constant")
    made = design(names, ("a", "a", "b", "b"))
    assert_allclose(made.contrast("a - b"), [0.5, 0.5, -0.5, -0.5, 0])
    assert_allclose(made.contrast("a_delay_1 - a_delay_0"), [-1, 1, 0, 0, 0])
    assert_allclose(made.contrast("a", basis="all"), np.eye(5)[:2])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("fase - scene", "names 'fase', which is not in the design; it has body, face"),
        ({"fase": 1}, "names 'fase', which is not in the design; it has body, face"),
        ("face - 1", "'face - 1' adds the number -1 to conditions"),
        ("face * scene", "multiplies or divides by a condition"),
        ("1 / face", "multiplies or divides by a condition"),
        ("face / (1 - 1)", "divides by zero"),
        ("face scene", "has 'scene' where a sign is expected"),
        ("(face - scene", "lacks a closing parenthesis"),
        ("face - scene)", r"has '\)' where a sign is expected"),
        ("face - ", "ends too early"),
        ("", "ends too early"),
        ("face - * scene", r"has '\*' where a condition is expected"),
        ("face > scene", "cannot be read from '> scene' on"),
        ("face - face", "has no weight other than zero"),
        ({}, "has no weight other than zero"),
        ([0.0, np.nan, 0, 0, 0], "or is not finite"),
        ([1, -1], "has 2 weights but the design has 5 conditions and 7 columns"),
        ([], "contrast is an empty list"),
    ],
)
def test_errors(spec, message):
    with pytest.raises(ValueError, match=message):
        design().contrast(spec)


def test_more_errors():
    with pytest.raises(TypeError, match="contrast is 3 but must be an expression"):
        design().contrast(3)
    with pytest.raises(ValueError, match="basis is 'first' but must be one of 'all'"):
        design().contrast("face", basis="first")
    made = design(("a", "a_derivative", "constant"), ("a", "a"))
    with pytest.raises(ValueError, match="mixes conditions with single columns"):
        made.contrast("a - constant", basis="all")
