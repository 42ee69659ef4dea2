"""Draws the overview as bars, one a channel: SVG whose colours and letters are those of our sheet.

A table beside it tells the same, so who cannot see the chart misses nothing. Pure.
"""

import sys
from collections.abc import Mapping
from xml.etree import ElementTree as ET

import pygal
from markupsafe import Markup

from query.overview import Outcome

# Pygal puts a finder of plugins before every import to come, of a kind that Python 3.11 warns of.
sys.meta_path[:] = [one for one in sys.meta_path if type(one).__name__ != "PluginImportFixer"]

_WITHOUT = ("plot tooltip-overlay", "plot overlay")
"""Groups that only a script would fill."""


def drawn(outcomes: Mapping[str, Mapping[Outcome, int]]) -> Markup:
    """Return the chart of how many messages of each channel have each outcome."""
    chart = pygal.HorizontalStackedBar(
        css=(),
        js=(),
        width=720,
        height=110 + 56 * len(outcomes),
        margin=0,
        margin_left=30,  # names are measured in letters narrower than ours
        spacing=12,
        legend_at_bottom=True,
        legend_at_bottom_columns=len(Outcome),
        legend_box_size=16,
        print_values=False,
        show_y_guides=False,
        truncate_legend=-1,
        truncate_label=30,
        max_scale=6,
        order_min=0,
        value_formatter=lambda number: f"{number:,.0f}",
    )
    channels = list(outcomes)[::-1]  # the first bar is the lowest
    chart.x_labels = channels
    for outcome in Outcome:
        chart.add(outcome.value, [outcomes[channel][outcome] for channel in channels])
    return _bare(chart.render_tree())


def _bare(svg: ET.Element) -> Markup:
    """Return a chart without styles, scripts, comments and texts for a script."""
    for parent in list(svg.iter()):
        for child in list(parent):
            unwanted = child.tag in ("defs", "title", "desc") or not isinstance(child.tag, str)
            if unwanted or child.get("class") in _WITHOUT:
                parent.remove(child)
    for element in svg.iter():
        element.attrib.pop("style", None)
        element.attrib.pop("id", None)
    svg.set("aria-hidden", "true")
    svg.set("focusable", "false")
    svg.set("class", "ledger-chart")
    return Markup(ET.tostring(svg, encoding="unicode"))  # noqa: S704 - escaped by ElementTree
