"""The plain values that flow from Stash to Plex, and the one table of fields. No I/O."""

from dataclasses import dataclass, field, replace
from enum import Enum

from sync.text.media_paths import file_name

RATING = "rating"  # the single field that no agent writes: one that is not ours is a person's
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
"""Our name of a field -> Plex's: in what it answers, in an edit, and of the field's lock."""
LIST_FIELDS = {"actors": "actor", "genres": "genre", "collections": "collection", "directors": "director"}
"""The same for lists of tags."""
PICTURES = {"poster": "thumb", "background": "art"}
"""Our name of a picture -> Plex's of the field that is locked with it; see `plex/artwork.py`."""
PLEX_NAMES = SINGLE_FIELDS | LIST_FIELDS | PICTURES


@dataclass(frozen=True, slots=True)
class MediaFile:
    """A file as a server knows it."""

    path: str
    size: int | None = None  # in bytes; None where the server did not say


@dataclass(frozen=True, slots=True)
class Performer:
    """A performer of a scene. The name is unique only together with the disambiguation."""

    name: str
    disambiguation: str = ""
    gender: str = ""  # as Stash names it: `FEMALE`, `TRANSGENDER_MALE`, ...
    birthdate: str = ""
    country: str = ""
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()  # read only where the settings ask for them
    picture: str = ""  # its picture's URL as Stash builds it; empty where it has none of its own


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene as Stash holds it now."""

    id: int
    title: str = ""
    details: str = ""
    date: str = ""  # `2020-05-17`, or `2020-05`, or `2020`
    studio: str = ""
    parent_studio: str = ""
    performers: tuple[Performer, ...] = ()
    tags: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    code: str = ""
    director: str = ""
    rating: int | None = None  # Stash's rating100: 1 to 100; None where the scene is not rated
    organized: bool = False
    has_stash_id: bool = False
    has_url: bool = False
    cover: str = ""  # path and query of its cover in Stash
    files: tuple[MediaFile, ...] = ()  # the first is the primary one
    refs: str = ""  # its studio with the parent, performers, tags and groups by their numbers: `,studio 3,tag 17,`
    updated_at: float | None = None  # when Stash changed it last, in seconds since the epoch; None where it did not say
    plays: tuple[int, ...] = ()
    """When it was played, in seconds since the epoch. This and `resume` are read only where the settings ask for it."""
    resume: float = 0.0  # where somebody stopped watching it, in seconds from its beginning; 0: nowhere

    @property
    def name(self) -> str:
        """Its title or, as on Stash's pages, its file's name; cut to 80 characters."""
        name = self.title or (file_name(self.files[0].path) if self.files else "")
        return name if len(name) <= 80 else name[:79] + "…"

    @property
    def label(self) -> str:
        """How log lines name the scene: by its number and its name."""
        return f'Scene {self.id} "{self.name}"' if self.name else f"Scene {self.id}"


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, whole."""

    content: bytes = field(repr=False)
    type: str  # `image/jpeg`, `image/png` or `image/webp`
    sha1: str  # of its bytes, in hexadecimal; Plex names uploads by it (believed)


@dataclass(frozen=True, slots=True)
class Role:
    """An entry of a list; an actor has a role and the address of a picture."""

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
    rating: str = ""  # the token owner's rating, 0 to 10, written as `7.5`; empty where there is none
    actors: tuple[Role, ...] = ()
    genres: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    directors: tuple[str, ...] = ()
    locked: frozenset[str] = frozenset()
    files: tuple[MediaFile, ...] = ()
    # Of the token's owner, as the rating is.
    plays: int = 0  # how often it was played to its end, or marked as played
    played_at: int | None = None  # when somebody watched it last, be it in part; seconds since the epoch
    rated_at: int | None = None
    resume: float = 0.0  # where somebody stopped watching it, in seconds; 0: nowhere
    duration: float = 0.0  # in seconds

    def roles(self, name: str) -> tuple[Role, ...]:
        """Give the entries of a list, by our name of it."""
        return self.actors if name == "actors" else tuple(map(Role, getattr(self, name)))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a Plex item should hold of a scene. Its `repr` is in the fingerprints on disk: keep names and order.

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

    def roles(self, name: str) -> tuple[Role, ...] | None:
        """Give the entries that a list should hold, by our name of it; None where PlexSync has no say in it."""
        entries = getattr(self, name)
        return self.actors if name == "actors" else None if entries is None else tuple(map(Role, entries))


@dataclass(slots=True)
class Memory:
    """What PlexSync remembers of what it wrote to one item.

    An actor's role and picture have keys of their own (`difference.detail_key`); of a picture's address it is a digest
    alone, for there may be a key in it. Of `poster` and `background` it is the SHA-1, and Plex's name for it.
    """

    # The last confirmed value of a single field; of a list the names that Plex did not take.
    sent: dict[str, str | list[str]] = field(default_factory=dict)
    # What Plex made of that value; of a list the entries that are ours.
    result: dict[str, str | list[str]] = field(default_factory=dict)
    # Values that were about to be written, and may be in Plex although nobody confirmed them. METADATA: nothing, but
    # Plex may do an earlier edit yet, after the one that was confirmed.
    intended: dict[str, list[str]] = field(default_factory=dict)
    # Name, role, picture of others' entries before an unconfirmed edit: a server that replaces lists has lost them.
    kept: dict[str, list[list[str]]] = field(default_factory=dict)


class StepState(Enum):
    """How far a step is."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"  # begun; its effect may be in Plex although nobody has confirmed it
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    REFUSED = "REFUSED"  # Plex will not have it: not tried again until it is something else


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What is known of one step of an item. Times in seconds since the epoch."""

    state: StepState = StepState.PENDING
    started_at: float | None = None
    completed_at: float | None = None
    error: str = ""
    fingerprint: str = ""  # names what was written, or is about to be
    tries: int = 0

    def begun(self, fingerprint: str, now: float) -> "StepRecord":
        """Give the record of a step that begins."""
        return StepRecord(StepState.RUNNING, now, None, "", fingerprint, self.tries + 1)

    def completed(self, fingerprint: str, now: float) -> "StepRecord":
        """Give the record of a step whose effect is known to be in Plex."""
        started = now if self.started_at is None else self.started_at
        return StepRecord(StepState.COMPLETED, started, now, "", fingerprint, self.tries)

    def failed(self, error: Exception, state: StepState = StepState.FAILED) -> "StepRecord":
        """Give the record of a step that went wrong, or that Plex will not have (`StepState.REFUSED`)."""
        return replace(self, state=state, completed_at=None, error=str(error))

    def is_current(self, fingerprint: str) -> bool:
        """Tell whether the step is done, and what it wrote is what it would write now."""
        return self.state is StepState.COMPLETED and self.fingerprint == fingerprint

    def may_follow(self, fingerprint: str) -> bool:
        """Tell whether something else was sent and not answered: Plex may do it yet, after what is sent now."""
        return self.state in (StepState.RUNNING, StepState.FAILED) and self.fingerprint != fingerprint


MATCH, METADATA, POSTER, BACKGROUND = "match", "metadata", "poster", "background"  # the names of the steps


@dataclass(slots=True)
class ItemRecord:
    """What is known of one Plex item that a scene holds."""

    section: int
    rating_key: int
    scene_id: int
    exact: bool  # it is held by the same path, not by the file's name alone
    memory: Memory = field(default_factory=Memory)
    fingerprint: str = ""
    synced_at: float | None = None
    cover: str = ""  # Stash's address of the cover that it has; empty where that tells nothing
    steps: dict[str, StepRecord] = field(default_factory=dict)

    def step(self, name: str) -> StepRecord:
        """Give what is known of one step."""
        return self.steps.get(name, StepRecord())
