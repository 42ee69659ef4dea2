"""Reads of PromQL what a dashboard can get wrong: the names of metrics and of their labels."""

import re

_TEXT = re.compile(r'"[^"]*"')
_RANGE = re.compile(r"\[[^\]]*\]")
_GROUPING = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"\{([^}]*)\}")
_NAME = re.compile(r"(?<![\w.])([a-zA-Z_:][\w:]*)\b(?!\s*\()")


def metrics_of(expression: str) -> set[str]:
    """Return the names of the metrics that an expression reads."""
    for not_a_metric in (_TEXT, _RANGE, _GROUPING, _SELECTOR):
        expression = not_a_metric.sub("", expression)
    return set(_NAME.findall(expression))


def labels_of(expression: str) -> set[str]:
    """Return the names of the labels that an expression selects or groups by."""
    bare = _TEXT.sub("", expression)
    groups = [name for group in _GROUPING.findall(bare) for name in group.split(",")]
    selected = [part.rstrip("=!~ ") for one in _SELECTOR.findall(bare) for part in one.split(",")]
    return {name.strip() for name in groups + selected if name.strip()}
