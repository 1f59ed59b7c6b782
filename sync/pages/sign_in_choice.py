"""The operations `sign_in_choose` and `sign_in_cancel`, which end a sign-in."""

from sync import log
from sync.errors import PlexSyncError, SetupError
from sync.pages.table import Answer, Call
from sync.plex.account import begun, reach
from sync.plex.account.servers import Address, Server
from sync.settings import read_each
from sync.stash import panel as stored

OLD_DIED = (
    "With it Plex has ended the token that PlexSync used until now, so nothing reaches Plex until you have signed in "
    "again, or entered a token by hand"
)


def choose(call: Call) -> Answer:
    """Store the address and the token of the server that a person chose (args `machine`, `address`).

    Only an address that the sign-in has found is taken, after it has answered again as that server. Returns its `name`
    and `address`, and `state` "done". Raises PlexSyncError; the sign-in goes on then, unless its time is over.
    """
    found = begun.read(call.data)
    if found is None or not (found["servers"] or begun.is_late(found)):
        raise SetupError("No sign-in waits for a choice: it was cancelled, or is over. Sign in with Plex again")
    if begun.is_late(found):
        begun.discard(call.data, found["id"])
        text = "This sign-in is over, as no server was chosen in time. Sign in with Plex again"
        raise SetupError(with_old(text, call, found["old_worked"]))
    machine, address = str(call.args.get("machine")), str(call.args.get("address"))
    server = next((one for one in found["servers"] if one["machine"] == machine), None)
    if server is None or address not in server["addresses"]:
        raise SetupError(f"args.address is {address!r:.200}; accepted: an address of the servers that were found")
    log.keep_secret(server["token"])
    _check(call, address, server)
    stored.save(call.connection, call.data, {"plex_url": address, "plex_token": server["token"]})
    begun.discard(call.data, found["id"])
    return {"state": "done", "name": server["name"], "address": address}


def cancel(call: Call) -> Answer:
    """Give up the sign-in that is under way. `note`: what a person should know about it, or nothing."""
    found = begun.read(call.data)
    if found is None:
        return {"state": "cancelled", "note": ""}
    begun.discard(call.data, found["id"])
    return {"state": "cancelled", "note": with_old("", call, found["old_worked"])}


def with_old(text: str, call: Call, worked: bool) -> str:
    """Return the text, with a sentence more where the stored token worked when a sign-in began, and is refused now.

    There is one token for an account and a client identifier: agreeing on Plex's page ends the one before.
    """
    if worked and does_old_work(call) is False:
        return f"{text}. {OLD_DIED}" if text else OLD_DIED
    return text


def does_old_work(call: Call) -> bool | None:
    """Return whether Plex takes the stored token at the stored address; None where it is not known."""
    try:
        settings, wrong = read_each(stored.read(call.connection))
        if "plex_url" in wrong or "plex_token" in wrong:
            return None
        log.keep_secret(settings.plex_token)
        with reach.asker(call.data) as asker:
            return reach.is_token_taken(asker, settings.plex_url, settings.plex_token)
    except PlexSyncError:
        return None


def _check(call: Call, address: str, server: Answer) -> None:
    place = Address(address, "local")
    with reach.asker(call.data) as asker:
        [[tried]] = reach.try_servers(asker, [Server(server["machine"], server["name"], "", True, "", (place,))])
        if tried.error:
            raise SetupError(f"{address} cannot be used: {tried.error}. Choose another address")
        if reach.is_token_taken(asker, address, server["token"]) is False:
            raise SetupError(
                f"{server['name']} refuses the token that plex.tv gave for it. Look in Plex whether the server is "
                "signed in to your account, and sign in again"
            )
