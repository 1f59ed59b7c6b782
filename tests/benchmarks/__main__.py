"""`make bench`: measures, prints a table and writes JSON.

`python -m tests.benchmarks [names] [--json FILE] [--quick] [--million]`. A missed budget is told and no failure: this
is a measure, on machines that differ.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.benchmarks import bulk_edit, check, drain, hook, index, million, queue_length, save_to_plex, unchanged
from tests.benchmarks.figures import Figure, as_json, load, machine, table
from tests.benchmarks.workplace import light, places

BENCHMARKS: dict[str, Callable[..., list[Figure]]] = {
    "hook": hook.run,
    "bulk_edit": bulk_edit.run,
    "save_to_plex": save_to_plex.run,
    "drain": drain.run,
    "queue_length": queue_length.run,
    "index": index.run,
    "unchanged": unchanged.run,
}
BUSY = 1.5
"""Processes that want to run beside the benchmark, over the last minute: from here on the figures are noisy."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run benchmarks by their names, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measures PlexSync.")
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}; all of them by default")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), help="where the figures go as JSON")
    parser.add_argument("--quick", action="store_true", help="few scenes and rounds: whether it works, not how fast")
    parser.add_argument("--million", action="store_true", help="a million scenes, by simulation; some minutes")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; accepted: {', '.join(BENCHMARKS)}")
    chosen = {name: run for name, run in BENCHMARKS.items() if not options.names or name in options.names}
    if options.million:
        chosen = {"million": million.run}
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # Stash does not set it; each start would compile everything anew
    about = machine()
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    busy = load()
    if busy is not None and busy > BUSY:
        print(f"The machine has other work (load {busy:.1f}): the figures are noisy, those in seconds most of all")
    began = time.monotonic()
    with places() as base, light() as pair:
        check.check(base, pair)
    print(f"The light servers and the seeds are as the honest ones ({time.monotonic() - began:.0f} s)")
    results: dict[str, list[Figure]] = {}
    for name, run in chosen.items():
        at = time.monotonic()
        results[name] = run(quick=options.quick)
        print(f"\n{name} ({time.monotonic() - at:.0f} s)")
        print("\n".join(f"  {line}" for line in table(results[name])), flush=True)
    seconds = time.monotonic() - began
    options.json.parent.mkdir(parents=True, exist_ok=True)
    said = as_json(results, quick=options.quick, load_at_start=busy, load_at_end=load(), seconds=round(seconds, 1))
    options.json.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    judged = [figure for figures in results.values() for figure in figures if figure.within is not None]
    missed = [figure.name for figure in judged if not figure.within]
    told = f"missed: {'; '.join(missed)}" if missed else "all within their budgets"
    print(f"\n{seconds:.0f} s; {len(judged)} figures with a budget, {told}. As JSON in {options.json}")


if __name__ == "__main__":
    main()
