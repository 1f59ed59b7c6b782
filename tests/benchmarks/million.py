"""A million scenes: the index, the queue and the hook, by simulation. Takes some minutes, so on demand alone."""

from __future__ import annotations

from tests.benchmarks import hook, index, queue_length
from tests.benchmarks.figures import Figure

MANY = 1_000_000


def run(*, quick: bool = False) -> list[Figure]:
    """The figures of `index`, `queue_length` and `hook` at a million."""
    many = 20_000 if quick else MANY
    return [
        *index.run(quick=quick, items=many),
        *queue_length.run(quick=quick, long=many),
        *hook.run(quick=quick, long=many),
    ]
