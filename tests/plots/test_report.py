"""Reports: one file, whole, with nothing from elsewhere, and texts that stay texts."""

import base64
from html.parser import HTMLParser

import numpy as np
import pytest

from gpu_fdm.comparison.boosts import lines_without_model
from gpu_fdm.errors import InputError, RunError
from gpu_fdm.plots.comparison import EARLY, FAINT, comparison, draw_boosts
from gpu_fdm.plots.report import PNG, Picture, ReportSection, Table, comparison_section, html_report, write_report
from gpu_fdm.spectra.agreement import agreement
from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.fit import fit_m22

PICTURE = PNG + bytes(range(256))
VOID = {"meta", "img"}


class Page(HTMLParser):
    """Elements and texts of a page; checks that all that is opened is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def report():
    table = Table(
        ("name", "a", "b"), (("x", 1 / 3, None), ("y", np.float64(2e-7), True), ("z", 5, np.bool_(False))), "T"
    )
    section = ReportSection("Results", ("first", "second"), (Picture(PICTURE, "what it shows"),), (table,))
    return html_report("A title", (section, ReportSection("Empty")), {"version": "1.2", "files": "a, b"})


def test_everything_is_in_the_page():
    page = Page(report())
    for text in (
        "A title",
        "Results",
        "first",
        "second",
        "what it shows",
        "T",
        "Empty",
        "Provenance",
        "version",
        "1.2",
    ):
        assert text in page.texts, text
    cells = [text for text in page.texts if text in ("0.3333", "–", "2e-07", "yes", "5", "no")]
    assert cells == ["0.3333", "–", "2e-07", "yes", "5", "no"]
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("tr"), tags.count("td"), tags.count("th"), tags.count("section")) == (4, 9, 3, 3)


def test_pictures_are_inside():
    sources = [attributes["src"] for tag, attributes in Page(report()).elements if tag == "img"]
    assert len(sources) == 1
    kind, data = sources[0].split(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data) == PICTURE


def test_nothing_comes_from_elsewhere():
    text = report()
    page = Page(text)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "base"}
    assert "http://" not in text
    assert "https://" not in text
    assert "url(" not in text
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_texts_are_not_read_as_html():
    evil = "<script>alert('1')</script> & \"<b>\""
    table = Table((evil,), ((evil,),), evil)
    text = html_report(evil, (ReportSection(evil, (evil,), (Picture(PICTURE, evil),), (table,)),), {evil: evil})
    page = Page(text)
    assert not {"script", "b"} & {tag for tag, _ in page.elements}
    # title and heading, the section's own, a paragraph, two captions, a column, a cell, a name and a value
    assert page.texts.count(evil) == 10
    assert [attributes["alt"] for tag, attributes in page.elements if tag == "img"] == [evil]


def test_what_is_refused():
    with pytest.raises(ValueError, match=r"^picture 'p': must be a PNG$"):
        Picture(b"<svg>", "p")
    with pytest.raises(ValueError, match=r"^table 't': row of 1, must be 2$"):
        Table(("a", "b"), ((1,),), "t")


def test_files_appear_whole(tmp_path):
    path = write_report(tmp_path / "report.html", "Ψ", (), {})
    assert path.read_text(encoding="utf-8") == html_report("Ψ", (), {})
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    with pytest.raises(RunError, match=r"report.html.*: cannot be written: (File exists|Not a directory)$"):
        write_report(path / "report.html", "t", (), {})


def test_comparison():
    k = np.geomspace(10, 100, 20)
    table = Boost(k[::3], 1.1 * (k[::3] / 10) ** 2, "fdm", "smooth", 0.1 * k[::3], m22=1.0, source="<a table>")

    def model(m22):
        return Boost(k, (k / 10) ** 2 * m22, "fdm", "smooth", m22=m22)

    fit = fit_m22(model, table, 0.5, 2)
    section = comparison_section(table, model(1.0), agreement(table, model(1.0)), fit)
    page = Page(html_report("t", (section,), {}))
    assert "fdm/smooth, m22 = 1 compared with fdm/smooth, m22 = 1" in page.texts
    assert "Table: <a table>" in page.texts
    assert "Model: (no source)" in page.texts
    assert f"Fit: {fit.text}" in page.texts
    agrees = agreement(table, model(1.0)).text(table)
    assert agrees.startswith("rms of ln(table/model) 0.0953 over 7 rows, chi-squared ") and agrees in page.texts
    assert sum(tag == "tr" for tag, _ in page.elements) == 3 + 8


def test_long_names_of_a_ratio_stay_in_the_figure():
    k = np.geomspace(10, 100, 20)
    figure = comparison([Boost(k, k, "wave_fdm", "particles_fdm", m22=1.0)])
    figure.draw_without_rendering()
    label, page = figure.axes[0].yaxis.label.get_window_extent(), figure.bbox
    assert page.y0 <= label.y0 < label.y1 <= page.y1 and page.x0 <= label.x0


def test_a_table_without_a_source_has_no_empty_brackets():
    k = np.geomspace(10, 100, 20)
    table, model = Boost(k, k, "fdm", "cdm", redshift=3.0), Boost(k, k, "fdm", "smooth", redshift=3.0)
    assert lines_without_model(table, [model])[0] == "fdm/cdm, z = 3: not compared: no model has this ratio"


def test_figure_of_boosts(tmp_path):
    """Models are lines, tables are points in the colour of their boson, and what is beyond Nyquist is faint."""
    k = np.geomspace(10, 100, 80)
    model = Boost(k, k / 10, "fdm", "smooth", m22=1.0, beyond_nyquist=k > 50, source="a run")
    table = Boost(
        k[::20], k[::20] / 9, "fdm", "smooth", k[::20] / 90, m22=1.0, beyond_nyquist=[False, False, False, True]
    )
    other = Boost(k, 2 * k, "fdm", "smooth", 0.2 * k, m22=2.0)
    figure = comparison([model, table, other])
    panel = figure.axes[0]
    within, beyond, banded, *_ = panel.lines
    assert np.array_equal(np.isnan(within.get_ydata()), k > 50)
    assert np.array_equal(np.isnan(beyond.get_ydata()), k <= 50)
    assert (within.get_alpha(), beyond.get_alpha()) == (None, FAINT)
    assert len(panel.containers) == 2  # points within and beyond
    assert [len(points[0].get_xdata()) for points in panel.containers] == [3, 1]
    assert panel.containers[0][0].get_color() == within.get_color() != banded.get_color()
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["$m_{22}=1$, model", "$m_{22}=2$, measured", "$m_{22}=1$, measured"]
    assert panel.get_ylabel() == "ratio of power: fdm/smooth"
    path = draw_boosts([model, table], tmp_path / "figure.png", dpi=40)
    Picture(path.read_bytes(), "a PNG")
    with pytest.raises(InputError) as caught:
        draw_boosts([model, Boost(k, k, "fdm", "cdm", redshift=4.0)], tmp_path / "none.png")
    assert str(caught.value) == (
        "fdm/smooth, m22 = 1 and fdm/cdm, z = 4: ratios over different denominators, smooth and cdm, are different "
        "quantities: draw them in one figure with --mixed (in Python mixed = True) only"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["figure.png"]


def test_panels_of_several_denominators():
    """Their words are broken into rows, which else made the panels narrow; a name stands once in the legend."""
    k = np.geomspace(10, 100, 8)
    figure = comparison([Boost(k, k, "fdm", over, m22=1.0) for over in ("smooth", "cdm", "cdm")], mixed=True)
    assert max(len(row) for panel in figure.axes for row in panel.texts[0].get_text().split("\n")) < 50
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["$m_{22}=1$, model", "$m_{22}=1$, model (2)"]


def test_bands_of_which_some_have_no_redshift():
    """Of several epochs the earlier are lighter; a band without a redshift is opaque."""
    k = np.geomspace(10, 100, 80)
    bands = [Boost(k, 2 * k, "fdm", "smooth", 0.2 * k, redshift=redshift) for redshift in (9.0, None, 1.5)]
    opacities = [line.get_alpha() for line in comparison(bands).axes[0].lines[0:6:2]]
    assert opacities == [EARLY, None, 1.0]
