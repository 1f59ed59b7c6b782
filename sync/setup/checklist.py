"""What a check has found, as lines of Stash's log and as the answer of its task."""

from sync import log


class Checklist:
    """Each line goes to the log at once, and what is to be fixed into the answer too."""

    def __init__(self) -> None:
        self.result = ""
        """How the sample matches, in a sentence; empty where it could not be matched."""
        self.to_fix: list[str] = []

    def good(self, text: str) -> None:
        """Something that is right, or is just so."""
        log.info(text)

    def advise(self, text: str, to_copy: str = "") -> None:
        """Something that works less well than it could. `to_copy`: what a person has to copy off the log's line."""
        self.to_fix.append(text)
        if to_copy and log.hides_paths():
            log.warning(f"{text}. This line alone shows paths: leave it out of a log that you share", shows=to_copy)
        else:
            log.warning(text)

    def fault(self, text: str) -> None:
        """Something that keeps scenes from being synced."""
        self.to_fix.append(text)
        log.error(text)

    def summary(self) -> str:
        """Return the answer of the task."""
        if not self.to_fix:
            return f"The setup is good. {self.result}".rstrip()
        count = "1 thing" if len(self.to_fix) == 1 else f"{len(self.to_fix)} things"
        listed = " ".join(f"{number}. {text.rstrip('. ')}." for number, text in enumerate(self.to_fix, 1))
        return f"{count} to fix: {listed} {self.result}".rstrip()
