"""Which Plex item holds a scene's file. Decides over plain values and never calls a server.

By the file, not by a title:
1. the same path: that item;
2. else the same file name: the one candidate with no contradicting size;
3. several: an error under `strict_matching`; without it the one that shares the
   most trailing folders and the size, then the first by ratingKey.

A name is not a scene's alone: what other scenes of Stash's have files of that
name (`Others`) decides whether an item may be taken by it.
- A file in Plex whose very path another scene has is that scene's.
- Of the scenes whose file it may be by its name, the one that shares the most
  trailing folders with it has it. Equally many: an error under `strict_matching`;
  without it the lowest scene id.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from sync.model import MediaFile
from sync.plex.media_paths import file_name, map_path, name_key, path_key, trailing_folders

_SHOWN = 5  # candidates an error lists


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item of one library with the files it holds now."""

    rating_key: int
    title: str
    files: tuple[MediaFile, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """What became of one scene in one library."""

    items: dict[int, bool]
    """ratingKey -> held by the same path (True) or by the file's name alone (False)."""
    ambiguous: tuple[str, ...] = ()
    """For each file with several candidates, a sentence that lists them."""
    contradicted: int = 0
    """How many items bear the name of a file but another size."""
    conflicts: dict[int, int] = field(default_factory=dict)
    """ratingKey -> scene, of items that a file's name leads to and that hold another scene's very path."""
    twice: tuple[str, ...] = ()
    """For each file whose very path several items have, a sentence that lists them."""

    @property
    def is_lost(self) -> bool:
        """Whether nothing was found, not even something doubtful."""
        return not (self.items or self.ambiguous or self.conflicts or self.twice)


@dataclass(frozen=True, slots=True)
class Rules:
    """What matching depends on beside the files."""

    pairs: tuple[tuple[str, str], ...] = ()
    strict: bool = True
    fold: bool = False
    """Plex's system takes paths that differ in case alone for one."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A file that some scene has in Stash."""

    scene_id: int
    key: str
    """The path_key of where Plex would see it."""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Others:
    """What is known of the world around a scene."""

    scene_id: int
    """The scene itself."""
    rivals: Mapping[str, Sequence[Rival]]
    """name_key -> the files of that name in Stash, the scene's own among them or not."""
    present: Collection[str] = frozenset()
    """The path_key of every file that Plex was seen to have, in any library."""

    holders: Mapping[str, Collection[int]] | None = None
    """The scenes that have each path_key of `rivals`, where somebody has worked that out for many scenes at once."""

    def of_name(self, name: str) -> list[Rival]:
        """Return the other scenes' files of a name."""
        return [rival for rival in self.rivals.get(name, ()) if rival.scene_id != self.scene_id]

    def holder_of(self, key: str) -> int | None:
        """Return which other scene has this very path."""
        if self.holders is None:
            scenes = [rival.scene_id for rival in self.rivals.get(key.rpartition("/")[2], ()) if rival.key == key]
        else:
            scenes = list(self.holders.get(key, ()))
        return min((scene for scene in scenes if scene != self.scene_id), default=None)


@dataclass(frozen=True, slots=True)
class _Part:
    """A file of an item."""

    candidate: Candidate
    key: str
    size: int | None


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What a file's name came to; nothing of it: the items are other scenes'."""

    rating_key: int | None = None
    doubt: str = ""
    holder: int | None = None
    """The other scene that has another file of the item by its very path."""


def holders_of(rivals: Mapping[str, Sequence[Rival]]) -> dict[str, set[int]]:
    """Return the scenes that have each path_key."""
    found: dict[str, set[int]] = {}
    for some in rivals.values():
        for rival in some:
            found.setdefault(rival.key, set()).add(rival.scene_id)
    return found


def match_scene(
    files: Sequence[MediaFile],
    candidates: Sequence[Candidate],
    rules: Rules,
    found_elsewhere: frozenset[str] = frozenset(),
    others: Others | None = None,
) -> Match:
    """Return the items of one library that hold a file of the scene.

    `found_elsewhere`: paths of files that another library holds by the same path.
    The two servers agree on those paths, so a mere name in this library is another
    file: names are told apart by their folders.

    `others`: None where Stash was not asked; then no name is anybody else's, and what
    is found by a name alone is worth asking for.
    """
    items: dict[int, bool] = {}
    ambiguous: list[str] = []
    twice: list[str] = []
    conflicts: dict[int, int] = {}
    contradicted = 0
    for file in files:
        if not file.path:
            continue
        mapped = map_path(file.path, rules.pairs)
        key, name = path_key(mapped, fold=rules.fold), name_key(mapped, fold=rules.fold)
        exact = [c for c in candidates if any(path_key(f.path, fold=rules.fold) == key for f in c.files)]
        by_name = not exact and file.path not in found_elsewhere
        named = [c for c in candidates if _bears(c, name, rules)] if by_name else []
        plausible = [c for c in named if not _contradicts(c, name, file, rules)]
        contradicted += len(named) - len(plausible)
        if exact:
            exact = _spelled_alike(exact, file.path) if len(exact) > 1 else exact
            if len(exact) > 1 and rules.strict:
                twice.append(_several(name, exact, rules))
            else:
                items[min(exact, key=lambda c: _distance(c, key, name, file, rules)).rating_key] = True
        elif plausible and others:
            own = _own_keys(files, name, others.scene_id, rules)
            verdict = _by_name(file, key, plausible, own, rules, others)
            if verdict.doubt:
                ambiguous.append(verdict.doubt)
            elif verdict.rating_key is not None and verdict.holder is not None:
                conflicts[verdict.rating_key] = verdict.holder
            elif verdict.rating_key is not None:
                items.setdefault(verdict.rating_key, False)
        elif len(plausible) > 1 and rules.strict:
            ambiguous.append(_several(name, plausible, rules))
        elif plausible:
            items.setdefault(min(plausible, key=lambda c: _distance(c, key, name, file, rules)).rating_key, False)
    # An item that one file's name led to may hold another one by its path.
    for candidate in candidates:
        if candidate.rating_key in items and holds_file_of(files, candidate, rules, exact=True):
            items[candidate.rating_key] = True
    conflicts = {key: holder for key, holder in conflicts.items() if key not in items}
    return Match(items, tuple(ambiguous), contradicted, conflicts, tuple(twice))


def _by_name(
    file: MediaFile,
    key: str,
    plausible: Sequence[Candidate],
    own: Sequence[Rival],
    rules: Rules,
    others: Others,
) -> _Verdict:
    """Decide which of several items, or whether the only one, a file holds by its name."""
    name = key.rpartition("/")[2]
    rivals = others.of_name(name)
    theirs = {rival.key for rival in rivals}
    parts = _parts(plausible, name, file.size, rules)
    free = [part for part in parts if part.key not in theirs]
    # Whose very path Plex has, their names say nothing of any other file there.
    rivals = [rival for rival in rivals if rival.key not in others.present]
    if not free:
        return _Verdict()
    if rules.strict:
        verdict = _the_only_one(file, key, parts, free, rivals, rules)
    else:
        whole = [part for part in free if _holder_of_another_file(part.candidate, rules, others) is None]
        own = [rival for rival in own if rival.key not in others.present]
        verdict = _the_nearest(key, whole or free, [*own, *rivals], others.scene_id)
    if verdict.rating_key is None:
        return verdict
    candidate = next(part.candidate for part in free if part.candidate.rating_key == verdict.rating_key)
    return _Verdict(verdict.rating_key, holder=_holder_of_another_file(candidate, rules, others))


def _the_only_one(
    file: MediaFile, key: str, parts: Sequence[_Part], free: Sequence[_Part], rivals: Sequence[Rival], rules: Rules
) -> _Verdict:
    """Decide as `strict_matching` asks: nothing is picked from several, nor where another scene is as near."""
    name = key.rpartition("/")[2]
    items = {part.candidate.rating_key: part.candidate for part in free}
    if len(items) > 1:
        return _Verdict(doubt=_several(name, list(items.values()), rules))
    (rating_key, item), *_ = items.items()
    # That the others are somebody's does not make this one ours: the file may not be in Plex yet, and this
    # be one that Stash does not know. Folders in common speak for it.
    taken = [part for part in parts if part.candidate.rating_key != rating_key]
    nearest = max(trailing_folders(key, part.key) for part in free)
    if any(trailing_folders(key, part.key) >= nearest for part in taken):
        every = {part.candidate.rating_key: part.candidate for part in parts}
        return _Verdict(doubt=_several(name, list(every.values()), rules))
    equals: set[int] = set()
    for part in free:
        of_size = [rival for rival in rivals if _may_be(rival.size, part.size)]
        mine = (trailing_folders(key, part.key), _agree(file.size, part.size))
        standings = [(r.scene_id, (trailing_folders(r.key, part.key), _agree(r.size, part.size))) for r in of_size]
        if all(_beats(mine, standing) for _, standing in standings):
            return _Verdict(rating_key)
        if not any(_beats(standing, mine) for _, standing in standings):
            equals |= {scene_id for scene_id, standing in standings if not _beats(mine, standing)}
    if not equals:
        return _Verdict()  # another scene's
    scenes = _enumerated(sorted(equals))
    return _Verdict(
        doubt=f"Plex item {_label(item)} ({_path_of(item, name, rules)}) bears the name of this scene's file and as "
        f"well that of {scenes}"
    )


def _the_nearest(key: str, free: Sequence[_Part], claimants: Sequence[Rival], scene_id: int) -> _Verdict:
    """Give each file in Plex to the file in Stash that is nearest, the nearest pair first, and return ours."""
    in_folder: dict[str, list[_Part]] = {}
    for part in free:
        in_folder.setdefault(_folder(part.key), []).append(part)
    # Only files whose last folder is the same share any; all other pairs are equally far.
    near = sorted(
        (
            (-trailing_folders(rival.key, part.key), -_agree(rival.size, part.size), rival.scene_id),
            (part.candidate.rating_key, rival.key, part.key),
        )
        for rival in claimants
        for part in in_folder.get(_folder(rival.key), ())
        if _may_be(rival.size, part.size) and trailing_folders(rival.key, part.key)
    )
    ours = (scene_id, key)
    served: dict[tuple[int, str], int] = {}
    given: set[tuple[int, str]] = set()
    for (_, _, claimant), (rating_key, rival_key, part_key) in near:
        if (claimant, rival_key) not in served and (rating_key, part_key) not in given:
            served[claimant, rival_key] = rating_key
            given.add((rating_key, part_key))
    left = sorted((part for part in free if (part.candidate.rating_key, part.key) not in given), key=_part_order)
    for agree in (1, 0):
        for rival in sorted(claimants, key=lambda rival: (rival.scene_id, rival.key)):
            if ours in served or not left:
                break
            who = (rival.scene_id, rival.key)
            fitting = (
                number
                for number, part in enumerate(left)
                if _may_be(rival.size, part.size) and _agree(rival.size, part.size) == agree
            )
            if who not in served and (number := next(fitting, None)) is not None:
                served[who] = left.pop(number).candidate.rating_key
    return _Verdict(served.get(ours))


def _part_order(part: _Part) -> tuple[int, str]:
    return part.candidate.rating_key, part.key


def _folder(key: str) -> str:
    """Return the name of the folder that a file is in."""
    return key.rpartition("/")[0].rpartition("/")[2]


def holds_file_of(files: Sequence[MediaFile], candidate: Candidate, rules: Rules, *, exact: bool) -> bool:
    """Return whether an item still holds a file of a scene, by the same path or (not `exact`) by its name."""
    key = path_key if exact else name_key
    wanted = {key(map_path(file.path, rules.pairs), fold=rules.fold) for file in files if file.path}
    return any(key(file.path, fold=rules.fold) in wanted for file in candidate.files)


def is_nearer(files: Sequence[MediaFile], candidate: Candidate, held: Sequence[MediaFile], rules: Rules) -> bool:
    """Return whether, of an item's files that may be one of `held` by the name, every one is nearer to one of `files`.

    Where that is so, what held the item by a name alone has no part in it any more.
    """
    for there in candidate.files:
        key = path_key(there.path, fold=rules.fold)
        standings = _standings(held, key, there.size, rules)
        if standings and not any(_beats(one, max(standings)) for one in _standings(files, key, there.size, rules)):
            return False
    return True


def _standings(files: Sequence[MediaFile], key: str, size: int | None, rules: Rules) -> list[tuple[int, int]]:
    """How near each of these files is to one in Plex, of those that may be it by their names."""
    keyed = ((path_key(map_path(file.path, rules.pairs), fold=rules.fold), file.size) for file in files if file.path)
    return [
        (trailing_folders(own, key), _agree(held, size))
        for own, held in keyed
        if own.rpartition("/")[2] == key.rpartition("/")[2] and _may_be(held, size)
    ]


def _bears(candidate: Candidate, name: str, rules: Rules) -> bool:
    return any(name_key(file.path, fold=rules.fold) == name for file in candidate.files)


def _contradicts(candidate: Candidate, name: str, file: MediaFile, rules: Rules) -> bool:
    """Return whether every file of this name has another size. An unknown size contradicts nothing."""
    sizes = [f.size for f in candidate.files if name_key(f.path, fold=rules.fold) == name]
    return bool(file.size) and all(size and size != file.size for size in sizes)


def _spelled_alike(candidates: list[Candidate], path: str) -> list[Candidate]:
    """Return those that spell the name as it is, of items that only case or composed characters tell apart."""
    name = file_name(path)
    return [c for c in candidates if any(file_name(file.path) == name for file in c.files)] or candidates


def _parts(candidates: Sequence[Candidate], name: str, size: int | None, rules: Rules) -> list[_Part]:
    keyed = ((c, path_key(file.path, fold=rules.fold), file.size) for c in candidates for file in c.files)
    return [
        _Part(candidate, key, held)
        for candidate, key, held in keyed
        if key.rpartition("/")[2] == name and _may_be(size, held)
    ]


def _own_keys(files: Sequence[MediaFile], name: str, scene_id: int, rules: Rules) -> list[Rival]:
    keyed = ((path_key(map_path(file.path, rules.pairs), fold=rules.fold), file.size) for file in files if file.path)
    return [Rival(scene_id, key, size) for key, size in keyed if key.rpartition("/")[2] == name]


def _holder_of_another_file(candidate: Candidate, rules: Rules, others: Others) -> int | None:
    holders = (others.holder_of(path_key(file.path, fold=rules.fold)) for file in candidate.files)
    return next((holder for holder in holders if holder is not None), None)


def _may_be(one: int | None, other: int | None) -> bool:
    """Return whether two sizes may be one file's. An unknown size contradicts nothing."""
    return not one or not other or one == other


def _agree(one: int | None, other: int | None) -> int:
    return int(bool(one) and one == other)


def _beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether a file is nearer by its folders than another, and its size speaks for it no less."""
    return one[0] > other[0] and one[1] >= other[1]


def _enumerated(scenes: Sequence[int]) -> str:
    shown = ", ".join(map(str, scenes[:_SHOWN]))
    more = f" and {len(scenes) - _SHOWN} more" if len(scenes) > _SHOWN else ""
    return f"{'scene' if len(scenes) == 1 else 'scenes'} {shown}{more}"


def _distance(candidate: Candidate, key: str, name: str, file: MediaFile, rules: Rules) -> tuple[int, int, int]:
    same_name = [f for f in candidate.files if name_key(f.path, fold=rules.fold) == name]
    fitting = [f for f in same_name if _may_be(file.size, f.size)] or same_name
    nearest = min(
        (-trailing_folders(key, path_key(f.path, fold=rules.fold)), -_agree(file.size, f.size)) for f in fitting
    )
    return *nearest, candidate.rating_key


def _several(name: str, candidates: Sequence[Candidate], rules: Rules) -> str:
    first = sorted(candidates, key=lambda c: c.rating_key)
    listed = ", ".join(f"{_label(c)} ({_path_of(c, name, rules)})" for c in first[:_SHOWN])
    more = f" and {len(first) - _SHOWN} more" if len(first) > _SHOWN else ""
    return f'{len(first)} Plex items hold a file "{name}": {listed}{more}'


def _label(candidate: Candidate) -> str:
    return f'{candidate.rating_key} "{candidate.title}"' if candidate.title else str(candidate.rating_key)


def _path_of(candidate: Candidate, name: str, rules: Rules) -> str:
    return next(f.path for f in candidate.files if name_key(f.path, fold=rules.fold) == name)
