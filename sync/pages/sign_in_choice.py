"""The operations `sign_in_choose` and `sign_in_cancel`, which end a sign-in."""

from sync import log
from sync.errors import SetupError
from sync.pages.operations import Answer, Call
from sync.plex.account import begun
from sync.stash import panel as stored


def sign_in_choose(call: Call) -> Answer:
    """Store address and token of the server that a person chose (args `machine`, `address`). Raises PlexSyncError."""
    found = begun.read(call.data)
    if found is None or not found["servers"]:
        raise SetupError("No sign-in waits for a choice: it was cancelled, or is over. Sign in with Plex again")
    machine, address = str(call.args.get("machine")), str(call.args.get("address"))
    server = next((one for one in found["servers"] if one["machine"] == machine), None)
    if server is None or address not in server["addresses"]:
        raise SetupError(f"args.address is {address!r:.200}; accepted: an address of the servers that were found")
    log.keep_secret(server["token"])
    stored.save(call.connection, call.data, {"plex_url": address, "plex_token": server["token"]})
    begun.discard(call.data, found["id"])
    return {"state": "done", "name": server["name"], "address": address}


def sign_in_cancel(call: Call) -> Answer:
    """Give up the sign-in that is under way."""
    begun.discard(call.data)
    return {"state": "cancelled"}
