"""Who may write when: one edit after another, and nothing ahead of one that failed."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from sync.plex.exceptions import PlexItemGone, PlexPermanentError, PlexServerDown, PlexSetupError, PlexTemporaryError
from sync.plex.gate import Gate, HeldBack


def write(gate: Gate, error: Exception | None = None) -> None:
    with gate.turn(None):
        if error:
            raise error


def ahead(gate: Gate, work: Callable[[], None]) -> None:
    """Do something ahead, in a thread of its own; raises what it raises."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            with gate.ahead():
                work()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


@pytest.mark.parametrize("in_flight", [1, 3])
def test_so_many_are_under_way_and_no_more(in_flight: int) -> None:
    gate = Gate(in_flight=in_flight)
    inside, most, changed = 0, 0, threading.Condition()
    let_go = threading.Event()

    def one() -> None:
        nonlocal inside, most
        with gate.turn(None):
            with changed:
                inside += 1
                most = max(most, inside)
                changed.notify_all()
            let_go.wait(5)
            with changed:
                inside -= 1

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    with changed:
        assert changed.wait_for(lambda: inside == in_flight, 5)
    let_go.set()
    for thread in threads:
        thread.join(5)
    assert most == in_flight


@pytest.mark.parametrize("kind", [PlexTemporaryError, PlexServerDown, PlexSetupError, RuntimeError])
def test_nothing_goes_ahead_of_what_failed_until_that_was_looked_at(kind: type[Exception]) -> None:
    gate = Gate()
    with pytest.raises(kind):
        ahead(gate, lambda: write(gate, kind("x")))
    assert gate.holds_back
    with pytest.raises(HeldBack):
        ahead(gate, lambda: write(gate))
    write(gate)  # whoever looks at it may write
    gate.resume()
    ahead(gate, lambda: write(gate))


def test_what_failed_may_be_tried_again_by_itself() -> None:
    gate = Gate()

    def stumble() -> None:
        with pytest.raises(PlexTemporaryError):
            write(gate, PlexTemporaryError("locked", stumbled=True))
        write(gate)

    ahead(gate, stumble)
    with pytest.raises(HeldBack):
        ahead(gate, lambda: write(gate))


@pytest.mark.parametrize("error", [PlexPermanentError("x"), PlexItemGone("x")])
def test_a_refusal_says_nothing_of_the_next_one(error: Exception) -> None:
    gate = Gate()
    with pytest.raises(type(error)):
        ahead(gate, lambda: write(gate, error))
    ahead(gate, lambda: write(gate))


def test_a_failure_of_what_is_not_sent_ahead_holds_back_too() -> None:
    gate = Gate()
    with pytest.raises(PlexTemporaryError):
        write(gate, PlexTemporaryError("x"))
    with pytest.raises(HeldBack):
        ahead(gate, lambda: write(gate))


def test_what_is_held_back_goes_on_when_it_is_let() -> None:
    gate = Gate()
    gate.hold_back()
    with pytest.raises(HeldBack):
        ahead(gate, lambda: write(gate))
    gate.resume()
    ahead(gate, lambda: write(gate))
