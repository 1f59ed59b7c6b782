// PlexSync's settings on Stash's page of plugins, in place of the long panel.
(function () {
  "use strict";
  const P = window.PlexSync;
  const api = window.PluginApi;
  if (!api) return;
  const { React } = api;
  const { Button } = api.libraries.Bootstrap;
  const { useCallback, useEffect, useRef, useState } = React;
  const { h, t } = P;
  const GROUPS = {
    written: ["preserve_plex_edits", "sync_title", "title_template", "sync_summary", "sync_studio", "sync_date", "sync_rating", "sync_director",
      "sync_tags", "sync_performer_tags", "ignore_tags", "max_tags", "code_field", "content_rating"],
    scenes: ["only_organized", "only_stash_id", "only_with_url", "only_tags", "skip_tags", "only_paths", "skip_paths", "skip_not_found"],
    people: ["sync_poster", "sync_background", "sync_performers", "performer_role", "performer_pictures", "stash_url"],
    collections: ["collection_studio", "collection_parent_studio", "collection_groups", "collection_performers", "collection_tags",
      "collection_organized", "collection_rating", "collection_prefix"],
    back: ["bring_plays", "bring_resume", "send_resume", "bring_ratings", "bring_since", "bring_users"],
    pace: ["max_retries", "connect_timeout", "read_timeout", "max_edits_per_second", "reconcile_every"],
    log: ["mark_scenes", "debug_logging", "obfuscate_paths"],
  };
  P.settingGroups = GROUPS;

  function Preview() {
    const [look, state] = P.useWork("preview");
    const [text, setText] = useState("");
    const [found, setFound] = useState([]);
    const [chosen, setChosen] = useState("");
    useEffect(() => {
      let gone = false;
      const timer = window.setTimeout(() => P.search(text).then((scenes) => {
        if (gone) return;
        setFound(scenes);
        setChosen((before) => (scenes.some((one) => String(one.id) === before) ? before : scenes.length ? String(scenes[0].id) : ""));
      }, () => {}), text ? 300 : 0);
      return () => { gone = true; window.clearTimeout(timer); };
    }, [text]);
    const facts = state.facts && state.facts.items ? state.facts : null;
    return h("div", { className: "plexsync-preview" },
      h("div", { className: "plexsync-choose" },
        h(P.Input, { value: text, "aria-label": t("preview.search"), placeholder: t("preview.search"), onChange: (event) => setText(event.target.value) }),
        h(P.Input, { as: "select", value: chosen, "aria-label": t("preview.choose"), onChange: (event) => setChosen(event.target.value) },
          found.map((one) => h("option", { key: one.id, value: String(one.id) }, one.title || t("common.scene", { id: one.id })))),
        h(Button, { size: "sm", disabled: !chosen || state.busy, onClick: () => look({ scene_id: Number(chosen) }) }, t("preview.show"))),
      h(P.Trouble, { text: state.error }),
      state.busy ? h(P.Busy, { text: (state.facts || {}).installing ? t("api.installing") : t("preview.asking") }) : null,
      facts && !state.busy ? h(P.Comparison, { facts }) : null);
  }

  function First({ connected, matched }) {
    const [started, setStarted] = useState(false);
    const [error, setError] = useState("");
    const { Link } = api.libraries.ReactRouterDOM;
    const step = (number, done, name, more) => h("li", { className: done ? "plexsync-done" : "" },
      h("span", { "aria-hidden": true }, done ? "✓" : number), h("div", null, t(`first.${name}`), more));
    const sync = () => P.task("Sync all scenes").then(() => setStarted(true), (problem) => setError(problem.message));
    return h("div", { className: "plexsync-steps" },
      h("h3", null, t("first.title")),
      h("ol", null,
        step("1", connected, "connect"),
        step("2", matched, "match"),
        step("3", started, "sync", connected ? h("div", null,
          h("p", { className: "plexsync-help" }, t("first.sync_help")),
          started ? h("p", { role: "status" }, t("first.started"), " ", h(Link, { to: "/plugins/plexsync" }, t("first.page")))
            : h(Button, { size: "sm", onClick: sync }, t("first.sync_button")),
          h(P.Trouble, { text: error })) : null)));
  }

  function Packages({ onDone }) {
    const [install, state] = P.useWork("install");
    return h("div", null,
      h("p", null, t("connect.no_packages")),
      h(P.Trouble, { text: state.error }),
      state.busy ? h(P.Busy, { text: t("api.installing") })
        : h(Button, { onClick: () => install().then((found) => found && onDone()) }, t("connect.install")));
  }

  const Settings = P.current(function () {
    const [asked, error, reload] = P.useAsk("settings");
    const [status, statusError] = P.useAsk("status");
    const [stored, setStored] = useState(null);
    const [ask, server] = P.useWork("libraries");
    const [matched, setMatched] = useState(false);
    const view = stored || asked;
    const isSet = Boolean(view && view.packages && view.in_force.plex_url && view.token_is_set);
    useEffect(() => { if (isSet) ask(); }, [isSet, view && view.in_force && view.in_force.plex_url, ask]);
    const last = useRef(Promise.resolve()); // one save after another: the later click is to win
    const store = useCallback(async (changes) => {
      try {
        const answer = await P.ask("save_settings", { changes });
        if (answer.saved) setStored(answer);
        if (answer.saved && ("plex_token" in changes || "plex_url" in changes)) ask();
        return answer;
      } catch (problem) {
        return { saved: false, errors: {}, failure: problem.message };
      }
    }, [ask]);
    const save = useCallback((changes) => (last.current = last.current.then(() => store(changes))), [store]);
    const again = useCallback(async () => {
      const found = await reload();
      if (found) setStored(found);
      ask();
    }, [reload, ask]);
    // Not before it is known whether the first steps stand at the top: what moves under the pointer is missed.
    if (!view || !(status || statusError)) return error ? h(P.Trouble, { text: error, again: reload }) : h(P.Busy, null);
    if (!view.packages) return h("div", { className: "plexsync" }, h(Packages, { onDone: again }));
    const wrong = (names) => names.filter((name) => view.errors[name] && (name !== "plex_token" || isSet)).length;
    const group = (id, children, names, open) => {
      const count = wrong(names || []);
      const note = count ? h(P.Mark, { kind: "danger" }, String(count)) : null;
      return h(P.Group, { key: id, id, title: t(`groups.${id}.0`), help: t(`groups.${id}.1`), note, open: open || count > 0 }, children);
    };
    const connection = { state: server, ask };
    const isNew = status && !status.coverage.scenes_synced;
    const answers = Boolean(server.facts && server.facts.libraries);
    return h("div", { className: "plexsync plexsync-settings" },
      isNew ? h(First, { connected: answers, matched }) : null,
      group("connect", h(P.Connect, { view, save, onStored: again, server: connection }), [], true),
      group("libraries", h(P.Libraries, { view, save, server: connection }), ["plex_library"], isSet),
      group("paths", h(P.Paths, { view, save, auto: Boolean(isNew && answers), onGood: (found) => setMatched(found.outcomes["by path"] + (found.outcomes["by name"] || 0) > 0) }), ["path_map", "strict_matching"], isSet && isNew),
      Object.keys(GROUPS).map((id) => group(id, GROUPS[id].map((name) => h(P.Field, { key: name, name, view, save })), GROUPS[id])),
      group("preview", h(Preview, null)));
  });

  api.patch.instead("PluginSettings", function (props) {
    const next = arguments[arguments.length - 1];
    if (props.pluginID !== "PlexSync") return next.apply(this, Array.prototype.slice.call(arguments, 0, -1));
    return h(Settings);
  });
})();
