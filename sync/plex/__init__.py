"""Plex. What is configured for plexapi, in a file or in variables, is other programs': it reads that when imported."""

import os

for _name in [name for name in os.environ if name.startswith("PLEXAPI_")]:
    del os.environ[_name]
os.environ["PLEXAPI_CONFIG_PATH"] = os.devnull
