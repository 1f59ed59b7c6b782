"""Scenes and their items on their way through a batch of the drain, and what it sums up to."""

from collections import Counter
from dataclasses import dataclass, field, fields

from sync.ending import Ending, Report, worst
from sync.errors import PlexSyncError
from sync.model import PlexItem, Scene, Wanted
from sync.plex.difference import Edit
from sync.queue.jobs import Claim
from sync.worker.locate import Target
from sync.worker.steps import Place, StepRecord


@dataclass(slots=True)
class Work:
    """One item of one scene on its way through a batch."""

    target: Target
    wanted: Wanted
    edit: Edit
    library: str
    place: Place
    fingerprint: str
    steps: dict[str, StepRecord] = field(default_factory=dict)
    sent: dict[str, None] = field(default_factory=dict)
    """The names of the steps that wrote to Plex, in order."""
    went_wrong: bool = False
    """Whether an earlier run's metadata edit failed: it goes by itself now, so that others are not sent in vain."""
    after: PlexItem | None = None
    """The item as it is known to be at the end; None: not known, and what was intended stays noted."""

    def record_of(self, step: str) -> StepRecord:
        """What is known of a step of this item."""
        return self.steps.get(step, StepRecord())


@dataclass(slots=True)
class Course:
    """One scene on its way through a batch."""

    claim: Claim
    scene: Scene
    works: list[Work] = field(default_factory=list)
    errors: list[PlexSyncError] = field(default_factory=list)
    cover: str = ""
    """Stash's address of the cover that its items have at the end; empty where that would tell nothing."""
    has_no_cover: bool = False
    """Stash was asked for the cover and has none that Plex would take."""

    @property
    def has_sent(self) -> bool:
        """Whether something was sent to one of its items."""
        return any(work.sent for work in self.works)


@dataclass(slots=True)
class Round:
    """Scenes that were claimed together and share their reads."""

    claims: list[Claim]
    is_bulk: bool
    """They are a batch's."""
    courses: list[Course] = field(default_factory=list)
    is_read: bool = False
    error: PlexSyncError | None = None
    """Why what they share went wrong: each goes alone."""
    failure: PlexSyncError | None = None
    """Why none of them can be dealt with now."""
    begun: int = 0
    landed: int = 0
    is_begun: bool = False
    """No more of them will be begun."""
    written: list[Course] = field(default_factory=list)
    """Those that were written, or tried."""

    @property
    def is_written(self) -> bool:
        """Whether nothing of it is under way or to come."""
        return self.is_begun and self.landed == self.begun


def works_of(courses: list[Course]) -> list[Work]:
    """Return all items of these scenes."""
    return [work for course in courses for work in course.works]


def places_of(courses: list[Course]) -> set[Place]:
    """Return where these scenes' items are."""
    return {work.place for work in works_of(courses)}


@dataclass(slots=True)
class Summary:
    """What a drain did."""

    scenes: int = 0
    changed: int = 0
    right: int = 0
    gone: int = 0
    left_out: int = 0
    not_in_plex: int = 0
    later: int = 0
    failed: int = 0
    libraries: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(library, "changed" | "right" | "failed") -> how many items."""

    def counts(self) -> Counter[tuple[str, str]]:
        """Return (library, outcome) -> how many items, and ("", outcome) -> how many scenes."""
        scenes = {
            "changed": self.changed,
            "right": self.right,
            "gone": self.gone,
            "left out": self.left_out,
            "not in Plex": self.not_in_plex,
            "later": self.later,
            "failed": self.failed,
        }
        return self.libraries + Counter({("", outcome): count for outcome, count in scenes.items()})

    def __str__(self) -> str:
        if not self.scenes:
            return "Nothing was due"
        parts = {
            "changed in Plex": self.changed,
            "right already": self.right,
            "gone from Stash": self.gone,
            "left out by the settings": self.left_out,
            "not in Plex": self.not_in_plex,
            "tried again later": self.later,
            "failed": self.failed,
        }
        said = ", ".join(f"{count} {what}" for what, count in parts.items() if count)
        return f"{self.scenes} scene{'' if self.scenes == 1 else 's'}: {said}"

    def report(self) -> Report:
        """Return it as the answer of a task."""
        libraries: dict[str, dict[str, int]] = {}
        for (library, outcome), count in self.libraries.items():
            libraries.setdefault(library, {})[outcome] = count
        scenes = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "libraries"}
        ending = worst(Ending.NEEDS_A_LOOK if self.failed else Ending.WELL, Ending.LATER if self.later else Ending.WELL)
        return Report(str(self), ending, **scenes, libraries=libraries)

    def by_library(self) -> str:
        """What was done in each library, where there are several."""
        names = dict.fromkeys(library for library, _ in self.libraries)
        if len(names) < 2:
            return ""
        parts = []
        for name in names:
            counts = {outcome: self.libraries[name, outcome] for outcome in ("changed", "right", "failed")}
            parts.append(f'"{name}" ' + ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count))
        return "; ".join(parts)
