"""Which `path_map` would make scenes match by their very path. Decides over plain values, no I/O.

Each file of a sampled scene stands beside the Plex files of its name. What two
paths of one file have in common at their end is taken away; what is left at
their beginning is a pair. A pair counts by the scenes that match with it and do
not without it, over the whole sample.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sync.model import MediaFile
from sync.plex.media_paths import is_windows, map_path, path_key, trailing_folders, unify
from sync.setup.path_prefixes import PathPair, depth, pairs_between

MOST_PAIRS = 8
"""Pairs that are proposed at the most; who needs more has another problem than `path_map`."""
_MOST_TWINS = 20  # Plex files of one name that are looked at: the nearest by their folders
_MOST_TRIALS = 200  # pairs that are tried in one round, the promising ones first


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file of a scene, as Stash writes it, and the Plex files of its name in all libraries that are synced."""

    file: MediaFile
    twins: tuple[MediaFile, ...] = ()


Sample = Sequence[Sighting]
"""The files of one scene."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A `path_map` that makes more scenes match by their path, and none less, than the present one."""

    pairs: tuple[PathPair, ...]
    """The whole map, what is kept of the present one first."""
    matching: int
    """How many scenes of the sample match by their path with it."""
    before: int
    """How many do with the present one."""

    @property
    def path_map(self) -> str:
        """The map as the setting takes it."""
        return "; ".join(f"{source}={target}" for source, target in self.pairs)


def matching_by_path(samples: Sequence[Sample], pairs: Sequence[PathPair], *, fold: bool) -> frozenset[int]:
    """Return the positions of the scenes of which Plex has a file under its mapped path.

    `fold`: Plex's system takes paths that differ in case alone for one.
    """
    return _Evidence(samples, fold).matching(pairs)


def propose(samples: Sequence[Sample], present: Sequence[PathPair], *, fold: bool) -> Proposal | None:
    """Return the map that makes most scenes match by their path; None where none is better than the present one.

    No scene that matches by its path now is lost to it. Present pairs stay, but
    those that lead where Plex has nothing and that stand in the way. `fold`:
    Plex's system takes paths that differ in case alone for one.
    """
    evidence = _Evidence(samples, fold)
    before = evidence.matching(present)
    idle = [pair for pair in present if evidence.leads_nowhere(pair, present)]
    pairs = [pair for pair in present if pair not in idle]
    matched = evidence.matching(pairs)
    if not before <= matched:
        pairs, matched, idle = list(present), before, []
    candidates = evidence.candidates(matched)
    added: list[PathPair] = []
    least = 2
    while len(added) < MOST_PAIRS:
        best = _best(evidence, candidates, pairs, matched, least)
        if best is None:
            # One scene alone may be a chance; where nothing matches by its path it is what there is to go by.
            if least == 2 and not added and not before:
                least = 1
                continue
            break
        pair, matched = best
        pairs = _with(pairs, pair)
        added.append(pair)
    # Each scene with a pair of its own is no map but a list of chances.
    if not added or (least == 1 and 2 * len(matched) < evidence.known):
        return None
    for pair in [*added, *idle]:
        pairs, matched = _settle(evidence, pairs, matched, pair)
    pairs.sort(key=lambda pair: pair not in present)
    matched = evidence.matching(pairs)
    return Proposal(tuple(pairs), len(matched), len(before)) if before < matched else None


def _best(
    evidence: "_Evidence",
    candidates: "Sequence[_Candidate]",
    pairs: list[PathPair],
    matched: frozenset[int],
    least: int,
) -> tuple[PathPair, frozenset[int]] | None:
    """Return the pair that makes most scenes match beside those that do, and all that match then."""
    ranked = []
    for candidate in candidates:
        promise = len(candidate.scenes - matched) if least > 1 else len(candidate.certain - matched)
        if promise >= least:
            ranked.append((-promise, *_length(candidate.pair), candidate.pair))
    best: tuple[PathPair, frozenset[int]] | None = None
    for promise, *_, pair in sorted(ranked)[:_MOST_TRIALS]:
        if best is not None and len(best[1] - matched) >= -promise:
            break
        now = evidence.matching(_with(pairs, pair))
        gain = len(now - matched)
        if gain >= least and matched <= now and (best is None or gain > len(best[1] - matched)):
            best = pair, now
    return best


def _settle(
    evidence: "_Evidence", pairs: list[PathPair], matched: frozenset[int], pair: PathPair
) -> tuple[list[PathPair], frozenset[int]]:
    """Take a pair out that a later one has made superfluous, or put one back that stands in nobody's way."""
    if pair in pairs:
        others = [one for one in pairs if one != pair]
        return (others, matched) if evidence.matching(others) == matched else (pairs, matched)
    if any(_source_key(one[0]) == _source_key(pair[0]) for one in pairs):
        return pairs, matched
    more = [*pairs, pair]
    return (more, matched) if evidence.matching(more) == matched else (pairs, matched)


def _with(pairs: Sequence[PathPair], pair: PathPair) -> list[PathPair]:
    key = _source_key(pair[0])
    return [*(one for one in pairs if _source_key(one[0]) != key), pair]


def _source_key(source: str) -> str:
    """What two spellings of a prefix share that `map_path` takes for one."""
    prefix = unify(source).rstrip("/")
    return prefix.casefold() if is_windows(source) else prefix


def _length(pair: PathPair) -> tuple[bool, int, int]:
    """Short prefixes explain most; `/` alone says too much where another says the same."""
    return pair[0] == "/", depth(pair[0]), len(pair[0])


@dataclass(slots=True)
class _Candidate:
    pair: PathPair
    scenes: set[int]
    """Scenes with a file that the pair leads to a Plex file."""
    certain: set[int]
    """Those among them of which Plex has one file of that name and size."""


class _Evidence:
    """The sample, with what is asked of it again and again made ready."""

    def __init__(self, samples: Sequence[Sample], fold: bool) -> None:
        self._fold = fold
        self._samples = [
            [(one, frozenset(path_key(twin.path, fold=fold) for twin in one.twins)) for one in sample if one.file.path]
            for sample in samples
        ]

    @property
    def known(self) -> int:
        """How many scenes have a file whose name Plex knows."""
        return sum(any(keys for _, keys in sample) for sample in self._samples)

    def matching(self, pairs: Sequence[PathPair]) -> frozenset[int]:
        return frozenset(
            number
            for number, sample in enumerate(self._samples)
            if any(path_key(map_path(one.file.path, pairs), fold=self._fold) in keys for one, keys in sample if keys)
        )

    def leads_nowhere(self, pair: PathPair, pairs: Sequence[PathPair]) -> bool:
        """Return whether files of the sample go by this pair, and none of them to a Plex file."""
        others = [one for one in pairs if one != pair]
        goes = False
        for sample in self._samples:
            for one, keys in sample:
                mapped = map_path(one.file.path, pairs)
                if mapped != map_path(one.file.path, others):
                    goes = True
                    if path_key(mapped, fold=self._fold) in keys:
                        return False
        return goes

    def candidates(self, matched: frozenset[int]) -> list[_Candidate]:
        """Return the pairs that the scenes which do not match suggest."""
        found: dict[tuple[str, str], _Candidate] = {}
        spellings: dict[tuple[str, str], Counter[PathPair]] = {}
        for number, sample in enumerate(self._samples):
            if number in matched:
                continue
            for one, _ in sample:
                plausible = [twin for twin in one.twins if not _contradict(one.file, twin)]
                certain = len(plausible) == 1 and bool(one.file.size) and one.file.size == plausible[0].size
                for twin in self._nearest(one.file, plausible):
                    for pair in pairs_between(one.file.path, twin.path, fold=self._fold):
                        key = (_source_key(pair[0]), path_key(pair[1], fold=self._fold))
                        candidate = found.setdefault(key, _Candidate(pair, set(), set()))
                        spellings.setdefault(key, Counter())[pair] += 1
                        candidate.scenes.add(number)
                        if certain:
                            candidate.certain.add(number)
        for key, candidate in found.items():
            candidate.pair = min(spellings[key].items(), key=lambda item: (-item[1], item[0]))[0]
        return list(found.values())

    def _nearest(self, file: MediaFile, twins: Sequence[MediaFile]) -> Iterable[MediaFile]:
        if len(twins) <= _MOST_TWINS:
            return twins
        own = path_key(file.path, fold=self._fold)
        return sorted(twins, key=lambda twin: -trailing_folders(own, path_key(twin.path, fold=self._fold)))[
            :_MOST_TWINS
        ]


def _contradict(one: MediaFile, other: MediaFile) -> bool:
    return bool(one.size) and bool(other.size) and one.size != other.size
