"""The plain values that flow from Stash to Plex. No I/O."""

from dataclasses import dataclass, field, replace
from enum import Enum


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
    gender: str = ""
    """As Stash names it: `FEMALE`, `TRANSGENDER_MALE`, ..."""
    birthdate: str = ""
    country: str = ""
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """Read only where the settings ask for them."""
    picture: str = ""
    """Its picture's URL as Stash builds it; empty where it has none of its own."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene as Stash holds it now."""

    id: int
    title: str = ""
    details: str = ""
    date: str = ""
    """`2020-05-17`, or `2020-05`, or `2020`."""
    studio: str = ""
    parent_studio: str = ""
    performers: tuple[Performer, ...] = ()
    tags: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    code: str = ""
    director: str = ""
    rating: int | None = None
    """Stash's rating100: 1 to 100; None where the scene is not rated."""
    organized: bool = False
    has_stash_id: bool = False
    cover: str = ""
    """Path and query of its cover in Stash."""
    files: tuple[MediaFile, ...] = ()
    """The first is the primary one."""
    refs: str = ""
    """The studio with its parent, performers, tags and groups by their numbers, as `,studio 3,tag 17,`: which scenes
    a change of one of them concerns is known after it was deleted, too."""
    updated_at: float | None = None
    """When Stash changed it last, in seconds since the epoch; None where Stash did not say."""

    @property
    def label(self) -> str:
        """How log lines name the scene: its number and, where it has one, its title."""
        if not self.title:
            return f"Scene {self.id}"
        title = self.title if len(self.title) <= 80 else self.title[:79] + "…"
        return f'Scene {self.id} "{title}"'


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, whole."""

    content: bytes = field(repr=False)
    type: str
    """`image/jpeg`, `image/png` or `image/webp`."""
    sha1: str
    """Of its bytes, in hexadecimal. Plex names uploads by it (believed)."""


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
    content_rating: str = ""
    tagline: str = ""
    original_title: str = ""
    rating: str = ""
    """The token owner's rating, 0 to 10, written as `7.5`; empty where there is none."""
    actors: tuple[Role, ...] = ()
    genres: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    directors: tuple[str, ...] = ()
    locked: frozenset[str] = frozenset()
    files: tuple[MediaFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a Plex item should hold of a scene.

    None: PlexSync has no say in the field (its toggle is off). Empty: Stash has nothing.
    An actor's empty role or picture takes back ours and leaves any other.
    """

    title: str | None = None
    summary: str | None = None
    studio: str | None = None
    date: str | None = None
    content_rating: str | None = None
    tagline: str | None = None
    original_title: str | None = None
    rating: str | None = None
    actors: tuple[Role, ...] | None = None
    genres: tuple[str, ...] | None = None
    collections: tuple[str, ...] | None = None
    directors: tuple[str, ...] | None = None


@dataclass(slots=True)
class Memory:
    """What PlexSync remembers of what it wrote to one item in one step.

    For a single field `sent` and `result` are the last confirmed value and what
    Plex made of it. For a list `result` holds the entries that are ours and `sent`
    the names that Plex did not take. `intended`: values that were about to be
    written and may be in Plex although nobody confirmed them. `kept`: entries of
    others that a list held before an edit that nobody has confirmed, as name, role
    and picture: a server that replaces lists has lost them.

    An actor's role and picture stand under keys of their own (`difference.detail_key`),
    of the picture's URL a digest alone: there may be a key in it. Of `poster` and
    `background` the picture's SHA-1 is remembered, and what Plex calls it.
    """

    sent: dict[str, str | list[str]] = field(default_factory=dict)
    result: dict[str, str | list[str]] = field(default_factory=dict)
    intended: dict[str, list[str]] = field(default_factory=dict)
    kept: dict[str, list[list[str]]] = field(default_factory=dict)


class StepState(Enum):
    """How far a step is."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    """Begun; its effect may be in Plex although nobody has confirmed it."""
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"
    """Plex will not have it: not tried again until it is something else."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What is known of one step of an item: match, metadata, poster or background. Times in seconds since the epoch."""

    state: StepState = StepState.PENDING
    started_at: float | None = None
    completed_at: float | None = None
    error: str = ""
    fingerprint: str = ""
    """Names what was written, or is about to be."""
    tries: int = 0

    def begun(self, fingerprint: str, now: float) -> "StepRecord":
        """Return the record of a step that begins."""
        return StepRecord(StepState.RUNNING, now, None, "", fingerprint, self.tries + 1)

    def completed(self, fingerprint: str, now: float) -> "StepRecord":
        """Return the record of a step whose effect is known to be in Plex."""
        started = self.started_at if self.started_at is not None else now
        done = replace(self, state=StepState.COMPLETED, started_at=started, completed_at=now)
        return replace(done, error="", fingerprint=fingerprint)

    def failed(self, error: Exception) -> "StepRecord":
        """Return the record of a step that went wrong."""
        return replace(self, state=StepState.FAILED, completed_at=None, error=str(error))

    def refused(self, error: Exception) -> "StepRecord":
        """Return the record of a step that Plex will not have."""
        return replace(self, state=StepState.REFUSED, completed_at=None, error=str(error))

    def is_current(self, fingerprint: str) -> bool:
        """Return whether the step is done, and what it wrote is what it would write now."""
        return self.state is StepState.COMPLETED and self.fingerprint == fingerprint


MATCH, METADATA, POSTER, BACKGROUND = "match", "metadata", "poster", "background"
"""The names of the steps."""


@dataclass(slots=True)
class ItemRecord:
    """What is known of one Plex item that a scene holds."""

    section: int
    rating_key: int
    scene_id: int
    exact: bool
    """It is held by the same path, not by the file's name alone."""
    memory: Memory = field(default_factory=Memory)
    fingerprint: str = ""
    synced_at: float | None = None
    cover: str = ""
    """Stash's address of the cover that it has; empty where that tells nothing."""
    steps: dict[str, StepRecord] = field(default_factory=dict)

    def step(self, name: str) -> StepRecord:
        """Return what is known of one step."""
        return self.steps.get(name, StepRecord())


RATING = "rating"
"""The single field that no agent writes: one that is not ours is a person's."""
SINGLE_FIELDS = {
    "title": "title",
    "summary": "summary",
    "studio": "studio",
    "date": "originallyAvailableAt",
    "content_rating": "contentRating",
    "tagline": "tagline",
    "original_title": "originalTitle",
    RATING: "userRating",
}
"""Our name of a field -> Plex's, in an edit and of its lock."""
LIST_FIELDS = {"actors": "actor", "genres": "genre", "collections": "collection", "directors": "director"}
"""The same for lists of tags."""
PICTURES = {"poster": "thumb", "background": "art"}
"""Our name of a picture -> Plex's of the field that is locked with it; see `plex/artwork.py`."""
PLEX_NAMES = SINGLE_FIELDS | LIST_FIELDS | PICTURES
