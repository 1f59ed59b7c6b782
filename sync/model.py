"""The plain values that flow from Stash to Plex. No I/O."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file as a server knows it."""

    path: str
    size: int | None = None
    """In bytes; None where the server did not say."""


@dataclass(frozen=True, slots=True)
class Performer:
    """A performer of a scene. The name is unique only together with the disambiguation."""

    name: str
    disambiguation: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene as Stash holds it now."""

    id: int
    title: str = ""
    details: str = ""
    date: str = ""
    """`2020-05-17`, or `2020-05`, or `2020`."""
    studio: str = ""
    performers: tuple[Performer, ...] = ()
    tags: tuple[str, ...] = ()
    files: tuple[MediaFile, ...] = ()
    """The first is the primary one."""

    @property
    def label(self) -> str:
        """How log lines name the scene: its number and, where it has one, its title."""
        if not self.title:
            return f"Scene {self.id}"
        title = self.title if len(self.title) <= 80 else self.title[:79] + "…"
        return f'Scene {self.id} "{title}"'


@dataclass(frozen=True, slots=True)
class Role:
    """An actor of a Plex item."""

    name: str
    role: str = ""
    thumb: str = ""


@dataclass(frozen=True, slots=True)
class PlexItem:
    """A Plex item read whole (a listing cuts its lists and leaves out what is locked)."""

    rating_key: int
    section: int
    title: str = ""
    summary: str = ""
    studio: str = ""
    date: str = ""
    actors: tuple[Role, ...] = ()
    genres: tuple[str, ...] = ()
    locked: frozenset[str] = frozenset()
    files: tuple[MediaFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a Plex item should hold of a scene.

    None: PlexSync has no say in the field (its toggle is off). Empty: Stash has nothing.
    """

    title: str | None = None
    summary: str | None = None
    studio: str | None = None
    date: str | None = None
    actors: tuple[str, ...] | None = None
    genres: tuple[str, ...] | None = None


@dataclass(slots=True)
class Memory:
    """What PlexSync remembers of what it wrote to one item.

    For a single field `sent` and `result` are the last confirmed value and what
    Plex made of it. For a list `result` holds the entries that are ours and `sent`
    the names that Plex did not take. `intended`: values that were about to be
    written and may be in Plex although nobody confirmed them.
    """

    sent: dict[str, str | list[str]] = field(default_factory=dict)
    result: dict[str, str | list[str]] = field(default_factory=dict)
    intended: dict[str, list[str]] = field(default_factory=dict)
