"""What a run of "Process queue" is started with, as a value."""

from dataclasses import dataclass

from sync.queue.batch import Batch


@dataclass(frozen=True, slots=True)
class Order:
    """Who asked for a run, and what for."""

    trigger: str = ""
    """`hook`, `sleeper`, `page`, `command line` or `blocked`. Empty: a person, so what waits for a later try is due.

    `blocked`: the sleeper's own run, for saves alone, while other jobs of Stash's keep the task from beginning.
    """
    batch: Batch | None = None
    """The batch whose own task this is."""
    all_batches: bool = False
    """Every unfinished batch goes on."""

    @property
    def by_hand(self) -> bool:
        """A person asked."""
        return not self.trigger

    @property
    def is_dry(self) -> bool:
        """It only reports: nothing is begun or hastened along the way. What was saved goes on as ever."""
        return self.batch is not None and bool(self.batch.args.get("dry_run"))

    @property
    def leaves_batches(self) -> bool:
        """It leaves what batches have begun to the sleeper's run."""
        return self.trigger in ("hook", "blocked") or self.is_dry
