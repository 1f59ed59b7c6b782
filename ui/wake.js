// Asks PlexSync whether work is due: after a restart of Stash, or of its container, nobody else would until the next
// save. At a page's load, when it becomes visible again, every few minutes while somebody looks at it, and at once
// after Stash was restarted.
(function () {
  "use strict";
  const P = (window.PlexSync = window.PlexSync || {});
  const EVERY = 5 * 60 * 1000; // milliseconds
  const AGAIN = 30 * 1000; // a page that becomes visible again and again asks no sooner
  const REOPEN = 5 * 1000; // between two tries to reach a Stash that has gone
  let asked = 0;

  /** How many things need a person's look: the dot in the navigation. */
  P.needsLook = P.shared(0);
  P.marksScenes = P.shared(false);

  function heard(found) {
    P.needsLook.set(found.needs_look || 0);
    P.marksScenes.set(found.mark_scenes);
  }

  function wake(atLeast) {
    if (Date.now() - asked < atLeast) return;
    asked = Date.now();
    // Logged out, or Stash is going down: it is asked again.
    P.ask("wake").then(heard, () => (asked = Date.now() - EVERY + AGAIN));
  }

  function wakeIfSeen(atLeast) {
    if (!document.hidden) wake(atLeast);
  }

  // An idle connection that breaks tells of a restart, and the next one that Stash is back. Where none can be opened
  // (a proxy), the few minutes have to do.
  function watch(wasOpen) {
    const socket = new window.WebSocket(P.address("graphql").replace(/^http/, "ws"), "graphql-transport-ws");
    let isOpen = false;
    socket.onopen = () => {
      isOpen = true;
      socket.send('{"type": "connection_init"}');
      if (wasOpen) wakeIfSeen(0);
    };
    socket.onmessage = (event) => {
      if (String(event.data).includes('"ping"')) socket.send('{"type": "pong"}');
    };
    socket.onclose = () => {
      if (isOpen || wasOpen) window.setTimeout(() => watch(true), REOPEN);
    };
  }

  wake(0); // also in the background: its answer says which version of PlexSync these scripts belong to
  document.addEventListener("visibilitychange", () => wakeIfSeen(AGAIN));
  window.setInterval(() => wakeIfSeen(EVERY), AGAIN);
  try {
    watch(false);
  } catch (error) {
    // no such connections in this browser
  }
})();
