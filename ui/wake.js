// Asks PlexSync whether work is due: after a restart of Stash, or of its container, nobody else would until the next
// save. At a page's load, when it becomes visible again, and every few minutes while somebody looks at it.
(function () {
  "use strict";
  const P = (window.PlexSync = window.PlexSync || {});
  const EVERY = 5 * 60 * 1000; // milliseconds
  const AGAIN = 30 * 1000; // a page that becomes visible again and again asks no sooner
  let asked = 0;

  P.needsLook = 0;
  P.lookers = new Set();

  /** Tell the dot in the navigation how many things need a person's look. */
  P.setNeedsLook = function (count) {
    P.needsLook = count || 0;
    P.lookers.forEach((look) => look(P.needsLook));
  };

  function wake(atLeast) {
    if (document.hidden || Date.now() - asked < atLeast) return;
    asked = Date.now();
    // Logged out, or Stash is going down: it is asked again.
    P.ask("wake").then((found) => P.setNeedsLook(found.needs_look), () => (asked = Date.now() - EVERY + AGAIN));
  }

  wake(0);
  document.addEventListener("visibilitychange", () => wake(AGAIN));
  window.setInterval(() => wake(EVERY), AGAIN);
})();
