"""Which Stash the command line talks to, with which key, and where the plugin's data is. Standard library alone."""

import codecs
import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sync import log
from sync.errors import SetupError, quoted
from sync.stash.address import stash_address
from sync.stash.ask import AskFailedError
from sync.stash.exceptions import StashAuthError, StashTemporaryError, refusal
from sync.stash.questions import config_file
from sync.text.typed import normal_url

DEFAULT_URL = "http://localhost:9999"

_LONGEST_KEY = 8_000  # characters; Stash's keys have some 150


def connection_of(options: Namespace, environment: Mapping[str, str], *, needs_stash: bool) -> dict[str, Any]:
    """Return what Stash would send its plugin as `server_connection`, with the API key and the data folder.

    `needs_stash`: the command talks to Stash. Raises SetupError, StashAuthError, StashTemporaryError.
    """
    chosen = options.data_dir or environment.get("PLEXSYNC_DATA_DIR")
    folder = _chosen_folder(chosen, "--data-dir" if options.data_dir else "PLEXSYNC_DATA_DIR") if chosen else ""
    if folder and not needs_stash:
        return {"DataDir": folder}
    url, name = environment.get("STASH_URL") or DEFAULT_URL, "STASH_URL"
    if options.stash_url is not None:
        url, name = options.stash_url, "--stash-url"
    connection = {**read_url(url, name), "ApiKey": _key(options, environment)}
    return {**connection, "DataDir": folder or _folder_of_stash(connection)}


def read_url(url: str, name: str = "--stash-url") -> dict[str, Any]:
    """Return Scheme, Host and Port of a URL; `name` says where it was written. Raises SetupError."""
    accepted = "accepted: where Stash listens, such as http://localhost:9999"
    if "@" in url or "?" in url or "#" in url:
        # Not shown: such a URL is there to carry a password or a key.
        raise SetupError(f"{name} holds more than an address; {accepted}. An API key belongs into --api-key-file")
    try:
        parts = urlsplit(normal_url(url, whole_path=True))
        if parts.path:
            raise ValueError
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = {"Scheme": parts.scheme, "Host": parts.hostname, "Port": port}
        stash_address(found)
    except (ValueError, SetupError):
        raise SetupError(f"{name} is {url!r:.100}; {accepted}") from None
    return found


def _key(options: Namespace, environment: Mapping[str, str]) -> str:
    if options.api_key_file is None:
        return _checked(environment.get("STASH_API_KEY") or "", "STASH_API_KEY")
    path = os.path.expanduser(options.api_key_file)
    try:
        with open(path, "rb") as file:
            raw = file.read(4 * _LONGEST_KEY)
        # What PowerShell's `>` writes is UTF-16.
        text = raw.decode("utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig")
        if not text.strip():
            raise ValueError("is empty")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it holds no text"
        # The path is not shown: it may be the key itself.
        raise SetupError(
            f"--api-key-file cannot be read ({reason}); accepted: a file that holds Stash's API key"
        ) from None
    return _checked(text, "--api-key-file")


def _checked(text: str, name: str) -> str:
    key = text.strip()
    log.keep_secret(key)
    # A line break would end the header: what follows it would be a header of its own.
    if len(key) > _LONGEST_KEY or any(ord(c) < 33 or ord(c) > 126 for c in key):
        raise SetupError(f"{name} holds no API key; accepted: the one line that Stash shows under Settings > Security")
    return key


def _chosen_folder(text: str, name: str) -> str:
    folder = os.path.abspath(os.path.expanduser(text))
    if not os.path.isdir(folder):
        raise SetupError(
            f"{name} is {quoted(text)}, which is no folder here; accepted: the data folder of the plugin, which is "
            "plexsync beside Stash's config.yml"
        )
    _refuse_root(folder)
    return folder


def _folder_of_stash(connection: Mapping[str, Any]) -> str:
    scheme, host, port = stash_address(connection)
    address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    try:
        config = config_file(connection)
    except AskFailedError as error:
        if error.refused:
            raise StashAuthError(refusal(address, has_key=bool(connection["ApiKey"]))) from None
        raise StashTemporaryError(
            f"{error} at {address}. Does it run, and is that its address (--stash-url or STASH_URL)?"
        ) from None
    # The file and not its folder alone: another machine's, or a container's, may be of the same name.
    if not os.path.isabs(config) or not os.path.isfile(config):
        raise SetupError(
            f"Stash at {address} has its config at {quoted(config)}, which is not on this machine or cannot be read. "
            "Run this where Stash runs, or name the data folder of the plugin (plexsync beside that file) with "
            "--data-dir or PLEXSYNC_DATA_DIR"
        )
    folder = os.path.join(os.path.dirname(config), "plexsync")
    _refuse_root(folder if os.path.isdir(folder) else config)
    return folder


def _refuse_root(path: str) -> None:
    """Refuse root what is somebody else's: the files it makes there would be closed to the plugin."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return
    owner = os.stat(path).st_uid
    if owner != 0:
        raise SetupError(
            f"{quoted(path)} belongs to user {owner}, and this is root, whose files Stash could not open. Run it as "
            f"the user of Stash: sudo -u '#{owner}' python3 plexsync.py ..."
        )
