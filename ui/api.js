// Asks PlexSync's Python side, and Stash. Nothing here knows what is shown.
(function () {
  "use strict";
  const P = (window.PlexSync = window.PlexSync || {});
  const base = document.querySelector("base");
  const root = new URL((base && base.getAttribute("href")) || "/", window.location.href);
  const OPERATION = 'mutation PlexSyncOperation($args: Map!) { runPluginOperation(plugin_id: "PlexSync", args: $args) }';
  const TASK =
    "mutation PlexSyncTask($name: String!, $description: String!, $args: Map) { " +
    'runPluginTask(plugin_id: "PlexSync", task_name: $name, description: $description, args_map: $args) }';
  const FIRST_PAUSE = 250; // milliseconds between two questions about work that takes longer; it grows
  const LONGEST_PAUSE = 1000;

  /** The address of something of Stash's, below its base path. */
  P.address = (path) => new URL(path.replace(/^\//, ""), root).toString();

  /** Ask Stash by GraphQL; gives `data`, throws an Error whose message is for a person. */
  P.gql = async function (query, variables) {
    const body = JSON.stringify({ query, variables: variables || {} });
    let response;
    try {
      response = await window.fetch(P.address("graphql"), {
        method: "POST",
        credentials: "same-origin",
        headers: { "Content-Type": "application/json" },
        body,
      });
    } catch (error) {
      throw new Error(P.t("api.away"));
    }
    const answer = await response.json().catch(() => null);
    if (answer && answer.errors && answer.errors.length) throw new Error(P.t("api.refused", { why: answer.errors[0].message }));
    if (!response.ok || !answer || !answer.data) throw new Error(P.t("api.away"));
    return answer.data;
  };

  /** A value that several parts of Stash's pages follow: `set` tells all of them. */
  P.shared = (value) => ({
    value,
    followers: new Set(),
    set(next) {
      this.value = next;
      this.followers.forEach((follow) => follow(next));
    },
  });

  /** PlexSync's version, once it is another than when these scripts were loaded: they may not understand it. */
  P.updatedTo = P.shared("");
  let version = "";

  function hear(found) {
    if (!found.version) return;
    version = version || found.version;
    if (found.version === version) return;
    P.updatedTo.set(found.version);
    throw new Error(P.t("api.updated", { version: found.version }));
  }

  /** Ask one operation of PlexSync's; gives its object, throws what its `error` says. */
  P.ask = async function (mode, args) {
    const found = (await P.gql(OPERATION, { args: Object.assign({}, args, { mode }) })).runPluginOperation;
    if (typeof found === "string") return { said: found }; // a task that is done at once
    if (!found || typeof found !== "object") throw new Error(P.t("api.no_answer"));
    hear(found);
    if (found.error) throw Object.assign(new Error(found.error), { facts: found });
    if (found.packages === false && !mode.endsWith("settings")) throw new Error(P.t("connect.no_packages"));
    return found;
  };

  /** Have an operation that takes longer done. `tell` gets what it has said so far; `signal.aborted` ends it. */
  P.work = async function (mode, args, tell, signal) {
    let found = await P.ask(mode, args);
    let pause = FIRST_PAUSE;
    while (!found.done) {
      await new Promise((go) => window.setTimeout(go, pause));
      pause = Math.min(LONGEST_PAUSE, pause * 1.3);
      if (signal && signal.aborted) {
        P.ask("cancel", { what: mode, id: found.id }).catch(() => {});
        return null;
      }
      found = await P.ask(mode, { id: found.id });
      if (tell && !(signal && signal.aborted)) tell(found);
    }
    return found;
  };

  /** Start a task of PlexSync's in Stash's queue. */
  P.task = async (name, args) =>
    (await P.gql(TASK, { name, description: `PlexSync: ${name}`, args: args || {} })).runPluginTask;

  P.stop = (job) => P.gql("mutation PlexSyncStop($id: ID!) { stopJob(job_id: $id) }", { id: job });

  /** Name and picture of scenes by id; one that Stash no longer has is absent. */
  P.scenes = async function (ids) {
    const numbers = Array.from(new Set(ids.filter((id) => id > 0)));
    if (!numbers.length) return {};
    const fields = numbers.map((id) => `s${id}: findScene(id: ${id}) { ...PlexSyncCard }`).join(" ");
    const query = `query PlexSyncCards { ${fields} } fragment PlexSyncCard on Scene { id title paths { screenshot } files { basename } }`;
    const data = await P.gql(query);
    const found = {};
    Object.values(data).forEach((scene) => {
      if (scene) found[scene.id] = card(scene);
    });
    return found;
  };

  /** The scenes that a search finds, or those that were changed last. */
  P.search = async function (text) {
    const query =
      "query PlexSyncSearch($filter: FindFilterType!) { findScenes(filter: $filter) { scenes { id title paths { screenshot } files { basename } } } }";
    const filter = { per_page: 20, page: 1, sort: "updated_at", direction: "DESC", q: text || "" };
    return (await P.gql(query, { filter })).findScenes.scenes.map(card);
  };

  function card(scene) {
    const file = scene.files && scene.files[0];
    return { id: Number(scene.id), title: scene.title || (file && file.basename) || "", picture: (scene.paths || {}).screenshot || "" };
  }

  /** Where Plex's own page shows an item. */
  P.plexLink = (machine, key) =>
    `https://app.plex.tv/desktop/#!/server/${encodeURIComponent(machine)}/details?key=${encodeURIComponent("/library/metadata/" + key)}`;
})();
