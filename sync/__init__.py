"""PlexSync: what people curate in Stash, in Plex at the moment they save it."""
