// Asks PlexSync, once a page load and at most every ten minutes, whether work is due: after a restart of
// Stash, or of its container, nobody else would until the next save.
(function () {
  "use strict";
  const EVERY = 10 * 60 * 1000; // milliseconds
  const KEY = "plexsync.asked";
  try {
    const now = Date.now();
    const last = Number(window.localStorage.getItem(KEY)) || 0;
    if (now >= last && now - last < EVERY) return;
    window.localStorage.setItem(KEY, String(now));
  } catch (error) {
    return; // no storage to remember the last time in: better not at all than with every page
  }
  const base = document.querySelector("base");
  const root = new URL((base && base.getAttribute("href")) || "/", window.location.href);
  window
    .fetch(new URL("graphql", root), {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        query: 'mutation PlexSyncWake($args: Map!) { runPluginOperation(plugin_id: "PlexSync", args: $args) }',
        variables: { args: { mode: "wake" } },
      }),
    })
    .catch(function () {}); // logged out, or Stash is going down: the next page asks again
})();
