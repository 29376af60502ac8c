import matplotlib as mpl
import pytest

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _no_figures_left():
    """Close what a test drew."""
    import matplotlib.pyplot as plt

    yield
    plt.close("all")


@pytest.fixture
def inside():
    """Check that nothing visible is cut off at the edge of the figure."""

    def check(ax):
        figure = ax.figure
        figure.canvas.draw()
        width, height = figure.canvas.get_width_height()
        box = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1

    return check
