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
- An item that the scene holds already by a name stays with it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sync.model import MediaFile
from sync.text.media_paths import file_name, map_path, path_key, trailing_folders

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

    items: dict[int, bool]  # ratingKey -> held by the same path (True) or by the file's name alone (False)
    ambiguous: tuple[str, ...] = ()  # for each file with several candidates, a sentence that lists them
    conflicts: dict[int, int] = field(default_factory=dict)
    """ratingKey -> scene, of items that a file's name leads to and that hold another scene's very path."""
    twice: tuple[str, ...] = ()  # for each file whose very path several items have, a sentence that lists them
    named: frozenset[int] = field(default=frozenset(), compare=False)  # the items that the sentences list

    @property
    def is_lost(self) -> bool:
        """Whether nothing was found, not even something doubtful."""
        return not (self.items or self.ambiguous or self.conflicts or self.twice)


@dataclass(frozen=True, slots=True)
class Rules:
    """What matching depends on beside the files."""

    pairs: tuple[tuple[str, str], ...] = ()
    strict: bool = True
    fold: bool = False  # Plex's system takes paths that differ in case alone for one

    def key(self, path: str) -> str:
        """Return what all spellings of one path in Plex share."""
        return path_key(path, fold=self.fold)

    def key_in_plex(self, path: str) -> str:
        """Return the key of where Plex would see a file of Stash's."""
        return self.key(map_path(path, self.pairs))


@dataclass(frozen=True, slots=True)
class Rival:
    """A file that some scene has in Stash."""

    scene_id: int
    key: str  # the path_key of where Plex would see it
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Others:
    """What is known of the world around a scene."""

    scene_id: int  # the scene itself
    rivals: Mapping[str, Sequence[Rival]] = field(default_factory=dict)
    """name_key -> the files of that name in Stash, the scene's own among them or not."""
    present: Collection[str] = frozenset()  # the path_key of every file that Plex was seen to have, in any library

    def of_name(self, name: str) -> list[Rival]:
        """Return the other scenes' files of a name."""
        return [rival for rival in self.rivals.get(name, ()) if rival.scene_id != self.scene_id]

    def holder_of(self, key: str) -> int | None:
        """Return which other scene has this very path."""
        return min((rival.scene_id for rival in self.of_name(_name(key)) if rival.key == key), default=None)


@dataclass(frozen=True, slots=True)
class _Part:
    item: Candidate
    path: str
    key: str
    size: int | None


_NOBODY_ELSE = Others(0)
_NO_RIGHT: tuple[int, ...] = (-1,)


def match_scene(
    files: Sequence[MediaFile],
    candidates: Sequence[Candidate],
    rules: Rules,
    found_elsewhere: Collection[str] = frozenset(),
    others: Others | None = None,
    held: Collection[int] = frozenset(),
) -> Match:
    """Return the items of one library that hold a file of the scene.

    `found_elsewhere`: paths of files that another library holds by the same path. The two servers agree on those
    paths, so a mere name in this library is another file. `others`: None where Stash was not asked; then no name is
    anybody else's, and what is found by a name alone is worth asking for. `held`: the items that the scene held last.
    """
    candidates = sorted(candidates, key=lambda item: item.rating_key)  # the order of a listing decides nothing
    parts = [_Part(item, file.path, rules.key(file.path), file.size) for item in candidates for file in item.files]
    items: dict[int, bool] = {}
    ambiguous: list[str] = []
    twice: list[str] = []
    conflicts: dict[int, int] = {}
    named: set[int] = set()
    for file in files:
        key = rules.key_in_plex(file.path) if file.path else ""
        exact = _spelled_alike([part for part in parts if part.key == key], file.path) if key else []
        if exact:
            if rules.strict and len(_items(exact)) > 1:
                twice.append(_several(exact))
                named |= _items(exact).keys()
            else:
                items[min(exact, key=_order(file, key)).item.rating_key] = True
            continue
        if not key or file.path in found_elsewhere:
            continue
        fitting = [part for part in parts if _name(part.key) == _name(key) and _may_be(file.size, part.size)]
        found = _by_name(file, key, fitting, rules, others or _NOBODY_ELSE, held)
        if isinstance(found, str):
            ambiguous.append(found)
            named |= _items(fitting).keys()
        elif found is not None:
            holder = _holder_of_another_file(found, rules, others or _NOBODY_ELSE)
            if holder is None:
                items.setdefault(found.rating_key, False)
            else:
                conflicts[found.rating_key] = holder
    # An item that one file's name led to may hold another one by its path.
    for candidate in candidates:
        if candidate.rating_key in items and holds_file_of(files, candidate, rules, exact=True):
            items[candidate.rating_key] = True
    conflicts = {key: holder for key, holder in conflicts.items() if key not in items}
    return Match(items, tuple(ambiguous), conflicts, tuple(twice), frozenset(named))


def _by_name(
    file: MediaFile, key: str, parts: Sequence[_Part], rules: Rules, others: Others, held: Collection[int]
) -> Candidate | str | None:
    """Return the item that a file holds by its name, a sentence of doubt, or None: they are other scenes'."""
    rivals = others.of_name(_name(key))
    theirs = {rival.key for rival in rivals}
    free = [part for part in parts if part.key not in theirs]
    # Whose very path Plex has, their names say nothing of any other file there.
    rivals = [rival for rival in rivals if rival.key not in others.present]
    kept = _items(part for part in free if part.item.rating_key in held)
    if len(kept) == 1 and others is _NOBODY_ELSE:
        return next(iter(kept.values()))
    if not free:
        return None
    if rules.strict:
        return _the_only_one(file, key, parts, free, rivals)
    won = [part.item for part in sorted(_won(file, key, free, rivals, others.scene_id), key=_order(file, key))]
    whole = (item for item in won if _holder_of_another_file(item, rules, others) is None)
    return next(whole, won[0] if won else None)


def _the_only_one(
    file: MediaFile, key: str, parts: Sequence[_Part], free: Sequence[_Part], rivals: Sequence[Rival]
) -> Candidate | str | None:
    """Decide as `strict_matching` asks: nothing is picked from several, nor where another scene is as near."""
    if len(_items(free)) > 1:
        return _several(free)
    item = free[0].item
    # That the others are somebody's does not make this one ours: the file may not be in Plex yet, and this
    # be one that Stash does not know. Folders in common speak for it.
    nearest = max(trailing_folders(key, part.key) for part in free)
    if any(trailing_folders(key, part.key) >= nearest for part in parts if part.item is not item):
        return _several(parts)
    equals: set[int] = set()
    for part in free:
        mine = _standing(key, file.size, part)
        standings = [(r.scene_id, _standing(r.key, r.size, part)) for r in rivals if _may_be(r.size, part.size)]
        if all(_beats(mine, standing) for _, standing in standings):
            return item
        if not any(_beats(standing, mine) for _, standing in standings):
            equals |= {scene_id for scene_id, standing in standings if not _beats(mine, standing)}
    if not equals:
        return None  # another scene's
    shown = ", ".join(map(str, sorted(equals)[:_SHOWN]))
    more = f" and {len(equals) - _SHOWN} more" if len(equals) > _SHOWN else ""
    return (
        f"Plex item {_label(free[0])} bears the name of this scene's file and as well that of "
        f"{'scene' if len(equals) == 1 else 'scenes'} {shown}{more}"
    )


def holds_file_of(files: Sequence[MediaFile], candidate: Candidate, rules: Rules, *, exact: bool) -> bool:
    """Return whether an item still holds a file of a scene, by the same path or (not `exact`) by its name."""
    wanted = {rules.key_in_plex(file.path) for file in files if file.path}
    there = {rules.key(file.path) for file in candidate.files}
    return bool(wanted & there if exact else {*map(_name, wanted)} & {*map(_name, there)})


def is_nearer(files: Sequence[MediaFile], candidate: Candidate, held: Sequence[MediaFile], rules: Rules) -> bool:
    """Return whether, of an item's files that may be one of `held` by the name, every one is nearer to one of `files`.

    Where that is so, what held the item by a name alone has no part in it any more.
    """

    def standings(some: Sequence[MediaFile], part: _Part) -> list[tuple[int, int]]:
        keyed = ((rules.key_in_plex(file.path), file.size) for file in some if file.path)
        return [
            _standing(key, size, part)
            for key, size in keyed
            if _name(key) == _name(part.key) and _may_be(size, part.size)
        ]

    for file in candidate.files:
        part = _Part(candidate, file.path, rules.key(file.path), file.size)
        theirs = standings(held, part)
        if theirs and not any(_beats(one, max(theirs)) for one in standings(files, part)):
            return False
    return True


def _spelled_alike(parts: list[_Part], path: str) -> list[_Part]:
    """Return those that spell the name as it is, of items that only case or composed characters tell apart."""
    return [part for part in parts if file_name(part.path) == file_name(path)] or parts


def _holder_of_another_file(item: Candidate, rules: Rules, others: Others) -> int | None:
    holders = (others.holder_of(rules.key(file.path)) for file in item.files)
    return next((holder for holder in holders if holder is not None), None)


def _won(file: MediaFile, key: str, free: Sequence[_Part], rivals: Sequence[Rival], scene_id: int) -> list[_Part]:
    """Return the files to which no other scene has a better right: it is nearer, or as near and the lower scene.

    The nearest pairs come first, and a rival that gets a file is content with that one. Only files whose last folder
    is the same share any; the other rivals differ by size and scene alone. So each file is compared with few rivals.
    """
    near: dict[str, list[Rival]] = {_folder(part.key): [] for part in free}
    for rival in rivals:
        if (folder := _folder(rival.key)) in near:
            near[folder].append(rival)

    def best_of(part: _Part) -> tuple[tuple[int, ...], str]:
        beside = (rival for rival in near[_folder(part.key)] if trailing_folders(rival.key, part.key))
        rights = ((_right(rival, part), rival.key) for rival in beside if rival.key not in content)
        return max(rights, default=(_NO_RIGHT, ""))

    content, won = set[str](), list[tuple[_Part, tuple[int, ...]]]()
    offers = [(part, _right(Rival(scene_id, key, file.size), part), best_of(part)) for part in free]
    for part, mine, (best, rival_key) in sorted(offers, key=lambda offer: max(offer[1], offer[2][0]), reverse=True):
        best, rival_key = best_of(part) if rival_key in content else (best, rival_key)
        if best > mine:
            content.add(rival_key)
        else:
            won.append((part, mine))
    far: dict[int | None, Rival] = {}
    for rival in sorted(rivals, key=lambda rival: -rival.scene_id):
        if rival.key not in content:
            far[rival.size] = rival  # of each size the lowest scene
    return [part for part, mine in won if mine[0] or all(_right(rival, part) < mine for rival in far.values())]


def _right(rival: Rival, part: _Part) -> tuple[int, ...]:
    """Return how good a scene's right to a file is: by folders, size, and the lower scene; none where sizes differ."""
    if not _may_be(rival.size, part.size):
        return _NO_RIGHT
    return (*_standing(rival.key, rival.size, part), -rival.scene_id)


def _order(file: MediaFile, key: str) -> Callable[[_Part], tuple[int, ...]]:
    """Give the order in which items are taken for a file: the nearest, then the same size, then the oldest."""
    return lambda part: (*(-value for value in _standing(key, file.size, part)), part.item.rating_key)


def _standing(key: str, size: int | None, part: _Part) -> tuple[int, int]:
    """Return how near a file is to one in Plex: by its folders, then by its size."""
    return trailing_folders(key, part.key), int(bool(size) and size == part.size)


def _beats(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether a file is nearer by its folders than another, and its size speaks for it no less."""
    return one[0] > other[0] and one[1] >= other[1]


def _may_be(one: int | None, other: int | None) -> bool:
    """Return whether two sizes may be one file's. An unknown size contradicts nothing."""
    return not one or not other or one == other


def _items(parts: Iterable[_Part]) -> dict[int, Candidate]:
    return {part.item.rating_key: part.item for part in parts}


def _several(parts: Sequence[_Part]) -> str:
    first = {part.item.rating_key: part for part in sorted(parts, key=lambda part: -part.item.rating_key)}
    listed = ", ".join(_label(part) for _, part in sorted(first.items())[:_SHOWN])
    more = f" and {len(first) - _SHOWN} more" if len(first) > _SHOWN else ""
    return f'{len(first)} Plex items hold a file "{_name(parts[0].key)}": {listed}{more}'


def _label(part: _Part) -> str:
    title = f' "{part.item.title}"' if part.item.title else ""
    return f"{part.item.rating_key}{title} ({part.path})"


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _folder(key: str) -> str:
    return key.rpartition("/")[0].rpartition("/")[2]
