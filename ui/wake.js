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

  P.needsLook = 0;
  P.lookers = new Set();
  P.marksScenes = false;
  P.markers = new Set();

  /** Tell the dot in the navigation how many things need a person's look. */
  P.setNeedsLook = function (count) {
    P.needsLook = count || 0;
    P.lookers.forEach((look) => look(P.needsLook));
  };

  function heard(found) {
    P.setNeedsLook(found.needs_look);
    P.marksScenes = found.mark_scenes;
    P.markers.forEach((mark) => mark(P.marksScenes));
  }

  function wake(atLeast) {
    if (document.hidden || Date.now() - asked < atLeast) return;
    asked = Date.now();
    // Logged out, or Stash is going down: it is asked again.
    P.ask("wake").then(heard, () => (asked = Date.now() - EVERY + AGAIN));
  }

  // An idle connection that breaks tells of a restart, and the next one that Stash is back. Where none can be opened
  // (a proxy), the few minutes have to do.
  function watch(wasOpen) {
    const socket = new window.WebSocket(P.address("graphql").replace(/^http/, "ws"), "graphql-transport-ws");
    let isOpen = false;
    socket.onopen = () => {
      isOpen = true;
      socket.send('{"type": "connection_init"}');
      if (wasOpen) wake(0);
    };
    socket.onmessage = (event) => {
      if (String(event.data).includes('"ping"')) socket.send('{"type": "pong"}');
    };
    socket.onclose = () => {
      if (isOpen || wasOpen) window.setTimeout(() => watch(true), REOPEN);
    };
  }

  wake(0);
  document.addEventListener("visibilitychange", () => wake(AGAIN));
  window.setInterval(() => wake(EVERY), AGAIN);
  try {
    watch(false);
  } catch (error) {
    // no such connections in this browser
  }
})();
