// Two groups of the settings: which libraries, and how paths in Stash become paths in Plex.
(function () {
  "use strict";
  const P = window.PlexSync;
  if (!window.PluginApi) return;
  const { React } = window.PluginApi;
  const { Button } = window.PluginApi.libraries.Bootstrap;
  const { useEffect, useState } = React;
  const { h, t } = P;
  const COLORS = { "by path": "good", "by name": "fair", several: "bad", twice: "bad", missing: "off", "no file": "off" };

  P.Libraries = function ({ view, save, server }) {
    const { facts, busy } = server.state;
    const [chosen, setChosen] = useState(null); // what was ticked a moment ago, until it is stored
    const [error, setError] = useState("");
    if (!facts || !facts.libraries) return busy ? h(P.Busy, null) : h("p", { className: "plexsync-help" }, t("libraries.unconnected"));
    const names = chosen || view.library_names;
    const movies = facts.libraries.filter((one) => one.type === "movie");
    const known = new Set(movies.map((one) => one.name));
    const isIn = (name) => names.some((one) => one.toLowerCase().trim() === name.toLowerCase().trim());
    const missing = names.filter((name) => !facts.libraries.some((one) => one.name.toLowerCase().trim() === name.toLowerCase().trim()));
    const store = async (next) => {
      setChosen(next || []);
      const answer = await save({ plex_library: next });
      setChosen(null);
      setError((answer.errors || {}).plex_library || answer.failure || "");
      if (answer.saved) server.ask();
    };
    const toggle = (name) => store(isIn(name) ? names.filter((one) => one.toLowerCase().trim() !== name.toLowerCase().trim()) : [...names, name]);
    const radio = (every, label) => h("label", { className: "plexsync-check" },
      h("input", { type: "radio", name: "plexsync-libraries", checked: every === !names.length, onChange: () => store(every ? null : Array.from(known)) }), " ", label);
    const tick = (name, note, problem) => h("label", { key: name, className: "plexsync-check plexsync-indent" },
      h("input", { type: "checkbox", checked: !names.length || isIn(name), disabled: !names.length, onChange: () => toggle(name) }),
      h("b", null, name), h("span", { className: problem ? "plexsync-error" : "plexsync-quiet" }, note));
    return h("div", { "data-setting": "plex_library" },
      movies.length ? null : h("p", { className: "plexsync-error" }, t("libraries.none")),
      radio(true, t("libraries.every")), radio(false, t("libraries.chosen")),
      movies.map((one) => tick(one.name, one.items === null ? t("libraries.unknown_items") : t("libraries.items", { n: one.items }))),
      missing.map((name) => tick(name, t("libraries.missing"), true)),
      facts.libraries.filter((one) => one.type !== "movie").map((one) => h("div", { key: one.id, className: "plexsync-quiet plexsync-indent" },
        h("b", null, one.name), " ", t("libraries.other_type", { type: one.type }))),
      h(P.Trouble, { text: error }));
  };

  function Pairs({ pairs, setPairs }) {
    const change = (row, side, text) => setPairs(pairs.map((pair, number) => (number === row ? (side ? [pair[0], text] : [text, pair[1]]) : pair)));
    return h("div", { className: "plexsync-pairs" },
      pairs.map((pair, row) => h("div", { key: row, className: "plexsync-pair" },
        [0, 1].map((side) => h(P.Input, {
          key: side, value: pair[side], spellCheck: false, "aria-label": `${t(side ? "paths.plex_side" : "paths.stash_side")} ${row + 1}`,
          placeholder: t(side ? "paths.plex_side" : "paths.stash_side"), onChange: (event) => change(row, side, event.target.value),
        })),
        h(Button, { size: "sm", variant: "secondary", "aria-label": `${t("paths.remove")} ${row + 1}`, onClick: () => setPairs(pairs.filter((_, number) => number !== row)) }, "×"))),
      h(Button, { size: "sm", variant: "secondary", onClick: () => setPairs([...pairs, ["", ""]]) }, t("paths.add")));
  }

  function Outcomes({ facts }) {
    const parts = Object.keys(COLORS).map((key) => ({ key, label: t(`paths.outcomes.${key}`), count: facts.outcomes[key] || 0, color: COLORS[key] }));
    const good = (facts.outcomes["by path"] || 0) + (facts.outcomes["by name"] || 0);
    if (!facts.sampled) return h("p", null, t("paths.no_scenes"));
    return h("div", null,
      h(P.Parts, { parts, total: facts.sampled, label: t("groups.paths.0") }),
      good === facts.sampled ? h("p", { className: "plexsync-good", role: "status" }, t("paths.all_good")) : null,
      facts.advice.map((text) => h("p", { key: text, className: "plexsync-problem" }, text)));
  }

  P.Paths = function ({ view, save, onGood, auto }) {
    const [look, state] = P.useWork("paths");
    const [pairs, setPairs] = useState(view.path_pairs);
    const [tried, setTried] = useState(null);
    const [error, setError] = useState("");
    const stored = JSON.stringify(view.path_pairs);
    useEffect(() => setPairs(JSON.parse(stored)), [stored]);
    const facts = state.facts && state.facts.outcomes ? state.facts : null;
    const changed = JSON.stringify(pairs) !== stored;
    const compare = async (map) => {
      setTried(map || null);
      const found = await look(map ? { path_map: map } : {});
      if (found && onGood) onGood(found);
    };
    useEffect(() => { if (auto) compare(); }, [auto]); // somebody who sets it up wants to know
    const store = async (next) => {
      const answer = await save({ path_map: next.length ? next : null });
      setError((answer.errors || {}).path_map || answer.failure || "");
      if (answer.saved) compare();
    };
    const proposal = facts && facts.proposal;
    return h("div", { "data-setting": "path_map" },
      h("p", null, h("b", null, P.texts.fields.path_map[0]), " ", h("span", { className: "plexsync-help" }, P.texts.fields.path_map[1])),
      pairs.length ? null : h("p", { className: "plexsync-quiet" }, t("paths.same")),
      h(Pairs, { pairs, setPairs }),
      view.errors.path_map ? h("p", { className: "plexsync-error" }, view.errors.path_map) : null,
      h("div", { className: "plexsync-buttons" },
        changed ? h(Button, { size: "sm", onClick: () => compare(pairs) }, t("paths.try")) : null,
        changed ? h(Button, { size: "sm", onClick: () => store(pairs) }, t("paths.store")) : null,
        h(Button, { size: "sm", variant: "secondary", disabled: state.busy, onClick: () => compare() }, t("paths.look"))),
      h(P.Trouble, { text: error || state.error }),
      state.busy ? h(P.Busy, { text: (state.facts || {}).installing ? t("api.installing") : t("paths.looking"), progress: (state.facts || {}).progress }) : null,
      facts && tried ? h("p", { role: "status" }, t("paths.tried", { n: facts.outcomes["by path"] || 0, total: facts.sampled })) : null,
      facts ? h(Outcomes, { facts }) : null,
      proposal ? h("div", { className: "plexsync-proposal" },
        h("p", null, t("paths.proposal", { n: proposal.outcomes["by path"] || 0, total: facts.sampled })),
        proposal.pairs.map((pair) => h("p", { key: pair[0] }, h("code", null, pair[0]), " → ", h("code", null, pair[1]))),
        h(Button, { onClick: () => store(proposal.pairs) }, t("paths.use"))) : null,
      h(P.Field, { name: "strict_matching", view, save }),
      h(P.Field, { name: "trigger_plex_scan", view, save }));
  };
})();
