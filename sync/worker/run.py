"""What one run of "Process queue" works with, and the scenes and items on their way through one of its rounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sync.back.ratings import Ratings
from sync.errors import PlexSyncError
from sync.mapping.performer_pictures import PictureAccess, picture_access
from sync.model import METADATA, ItemRecord, PlexItem, Scene, Wanted
from sync.plex.client import PlexClient, ServerWays
from sync.plex.difference import Edit
from sync.plex.file_index import LibraryIndex
from sync.plex.matcher import Rules
from sync.plex.scan import FolderScans
from sync.plex.sections import Section
from sync.queue.job import ClaimedJob
from sync.queue.jobs import JobStore
from sync.queue.order import Order
from sync.settings import Settings
from sync.stash.client import StashClient
from sync.state.state import State
from sync.worker.circuit_breaker import PlexHealth
from sync.worker.locate import Locator
from sync.worker.portraits import Portraits


@dataclass(slots=True)
class Run:
    """Everything a run over the `chosen` libraries needs, made once, after the settings were read from this Stash."""

    settings: Settings
    stash: StashClient
    plex: PlexClient
    jobs: JobStore
    state: State
    health: PlexHealth
    chosen: Sequence[Section]
    order: Order
    libraries: Sequence[LibraryIndex] = field(init=False)
    rules: Rules = field(init=False)
    locator: Locator = field(init=False)
    portraits: Portraits = field(init=False)
    ratings: Ratings = field(init=False)
    pictures: PictureAccess | None = field(init=False)  # how Plex reaches performers' pictures; None: it gets none
    scans: FolderScans | None = field(init=False)
    """Where Plex may be asked to look for a file that it does not have; None: nowhere."""
    read_at: dict[int, float | None] = field(default_factory=dict)
    """The scenes that were read because they were saved, or had changed without a hook -> their `updated_at` then."""
    followed: dict[int, float] = field(default_factory=dict)
    """The same of the performers of which changes without a hook were followed."""

    def __post_init__(self) -> None:
        settings, stash, plex, state = self.settings, self.stash, self.plex, self.state
        plex.ways = ServerWays(**state.ways_of(plex.machine))
        self.libraries = [LibraryIndex(plex, state, section) for section in self.chosen]
        self.rules = Rules(settings.path_pairs, settings.strict_matching, plex.folds_case)
        self.locator = Locator(
            client=plex, stash=stash, state=state, indexes=self.libraries, rules=self.rules, by_hand=self.order.by_hand
        )
        self.pictures = picture_access(
            settings.performer_pictures,
            stash_url=settings.stash_url,
            plex_url=settings.plex_url,
            credentials=stash.has_credentials,
            api_key=stash.api_key or "",
        )
        self.portraits = Portraits(stash=stash, state=state, settings=settings, access=self.pictures)
        self.ratings = Ratings(stash=stash, state=state, settings=settings)
        self.scans = FolderScans(plex, self.chosen, self.rules) if settings.trigger_plex_scan else None


@dataclass(slots=True)
class ItemSync:
    """One Plex item of a scene on its way through a round."""

    item: PlexItem  # as it was read before the round's edits
    record: ItemRecord
    library: str  # the library's name, for people
    wanted: Wanted
    edit: Edit
    fingerprint: str  # names what the item should hold
    sent: list[str] = field(default_factory=list)  # the names of the steps that wrote to Plex, in order
    overtakes: bool = False
    """An earlier edit or cover of other content was not answered: Plex may do that one after this."""
    goes_alone: bool = False  # an earlier edit failed: it goes by itself now, so that others are not sent in vain
    limit: int = 0
    """Characters of an edit that are tried, after a longer one was refused; 0: what the server is known to take."""
    is_cut: bool = False  # its summary is shorter than in Stash, for that would not go through
    after: PlexItem | None = None
    """The item as it is known to be at the end; None: not known, and what was intended stays noted."""

    @property
    def place(self) -> tuple[int, int]:
        """Section and ratingKey."""
        return self.record.section, self.record.rating_key

    @property
    def written(self) -> list[str]:
        """The names of the fields and steps that were written to Plex, in order."""
        fields = self.edit.fields if METADATA in self.sent else ()
        return [*fields, *(name for name in self.sent if name != METADATA)]


@dataclass(slots=True)
class SceneSync:
    """One scene on its way through a round."""

    job: ClaimedJob
    scene: Scene
    items: list[ItemSync] = field(default_factory=list)
    errors: list[PlexSyncError] = field(default_factory=list)
    cover: str = ""  # Stash's address of the cover that its items have at the end; empty where that would tell nothing
    has_no_cover: bool = False  # Stash was asked for the cover and has none that Plex would take

    @property
    def has_sent(self) -> bool:
        """Whether something was sent to one of its items."""
        return any(item.sent for item in self.items)


def items_of(scenes: Sequence[SceneSync]) -> list[ItemSync]:
    """Return all items of these scenes."""
    return [item for scene in scenes for item in scene.items]
