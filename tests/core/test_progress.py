"""The progress bar: silent unless asked, and never in the way."""

from jaxneuro.core.progress import track


def test_elements_come_in_order_and_silently(capfd):
    assert list(track(range(4))) == [0, 1, 2, 3]
    assert list(track(x for x in "ab")) == ["a", "b"]
    assert list(track([])) == []
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_bar_is_drawn_on_standard_error(capfd):
    assert list(track([5, 6], show=True, desc="folds", unit="fold")) == [5, 6]
    out, err = capfd.readouterr()
    assert out == ""
    assert "folds" in err
    assert "2/2" in err or "0/2" in err


def test_nothing_is_taken_before_it_is_asked_for():
    taken = []

    def source():
        for x in range(3):
            taken.append(x)
            yield x

    steps = track(source())
    assert taken == []
    assert next(steps) == 0
    assert taken == [0]
