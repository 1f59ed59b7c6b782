"""What a benchmark finds, as a table for people and as JSON."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: its value, and how many times as much that is as something measured in the same run."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    against: str = ""
    """What the ratio is to."""
    budget: float | None = None
    budget_of: Literal["value", "ratio"] = "value"
    """What the budget is for."""
    at_least: bool = False
    """The budget is a least and not a most."""

    @property
    def within(self) -> bool | None:
        """Whether it is within its budget; None: it has none."""
        if self.budget is None:
            return None
        measured = self.value if self.budget_of == "value" else self.ratio
        if measured is None:
            return None
        return measured >= self.budget if self.at_least else measured <= self.budget


def machine() -> dict[str, Any]:
    """Return what the figures were measured on; its name is nobody's business."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def load() -> float | None:
    """Return how many processes wanted to run, over the last minute; None where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def as_json(results: dict[str, list[Figure]], **about: Any) -> dict[str, Any]:
    """Return everything as JSON's values."""
    named = {
        name: [{**asdict(figure), "within": figure.within} for figure in figures] for name, figures in results.items()
    }
    return {"machine": machine(), **about, "figures": named}


def table(figures: Sequence[Figure]) -> list[str]:
    """Return the lines of a table."""
    rows = [("figure", "value", "ratio", "budget", "")]
    for figure in figures:
        ratio = f"{_short(figure.ratio)} x {figure.against}" if figure.ratio is not None else ""
        unit = figure.unit if figure.budget_of == "value" else "x"
        sign = "at least" if figure.at_least else "at most"
        budget = f"{sign} {_short(figure.budget)} {unit}" if figure.budget is not None else ""
        verdict = {None: "", True: "ok", False: "MISSED"}[figure.within]
        rows.append((figure.name, f"{_short(figure.value)} {figure.unit}", ratio, budget, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _short(value: float | None) -> str:
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"
