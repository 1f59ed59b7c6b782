// The page's parts "Coverage" and "History": how much of Stash is in Plex, and what was written when.
(function () {
  "use strict";
  const P = window.PlexSync;
  const api = window.PluginApi;
  if (!api) return;
  const { React } = api;
  const { Button } = api.libraries.Bootstrap;
  const { useEffect, useState } = React;
  const { h, t } = P;
  const COLORS = { in_plex: "good", waiting: "fair", not_in_plex: "off", left_out: "quiet", failed: "bad", never: "never" };
  const SHOWN = 20; // of the last hundred, before "Show more"

  function Part({ part, changes }) {
    const tell = (row) => [row.reason || "", row.at ? h("div", { key: "at", className: "plexsync-quiet" }, P.when(row.at)) : null];
    return h("div", null, h("h4", null, t(`page.parts.${part}`)),
      h(P.Scenes, { mode: "coverage_list", args: { part }, name: "scenes", changes, tell }));
  }

  P.Coverage = function ({ changes }) {
    const [found, error, reload] = P.useAsk("coverage", {}, changes);
    const [part, setPart] = useState("");
    if (!found) return error ? h(P.Trouble, { text: error, again: reload }) : h(P.Busy, null);
    const parts = Object.keys(COLORS).map((key) => ({
      key, label: t(`page.parts.${key}`), count: found.parts[key] || 0, color: COLORS[key], chosen: part === key,
      onClick: () => setPart(part === key ? "" : key),
    }));
    return h("div", null,
      found.total === null ? null : h("p", null, t("page.coverage_of", { n: found.parts.in_plex, total: found.total })),
      h(P.Parts, { parts, label: t("page.coverage") }),
      found.libraries.length ? h("p", { className: "plexsync-quiet" }, found.libraries.map((one) => `${one.name}: ${t("libraries.items", { n: one.items })}`).join(" · ")) : null,
      part ? h(Part, { key: part, part, changes }) : null);
  };

  function Days({ days, outages }) {
    const most = Math.max(1, ...days.map((day) => (day.changed || 0) + (day.failed || 0)));
    const during = (day) => outages.some((one) => {
      const from = new Date(`${day.day}T00:00:00`).getTime() / 1000;
      return one.began_at < from + 86400 && (one.ended_at === null || one.ended_at > from);
    });
    const told = (day) => `${new Date(`${day.day}T12:00:00`).toLocaleDateString()}: ` +
      (Object.keys(P.texts.page.outcomes).filter((name) => day[name]).map((name) => `${P.number(day[name])} ${t(`page.outcomes.${name}`)}`).join(", ") || t("common.none"));
    return h("figure", { className: "plexsync-days" },
      h("figcaption", null, t("page.days_chart")),
      h("div", { className: "plexsync-columns", role: "img", "aria-label": days.filter((day) => day.changed || day.failed).map(told).join("; ") || t("common.none") },
        days.map((day) => h("span", { key: day.day, title: told(day), className: during(day) ? "plexsync-outage" : "" },
          h("i", { className: "plexsync-bad", style: { height: `${(100 * (day.failed || 0)) / most}%` } }),
          h("i", { className: "plexsync-good-bar", style: { height: `${(100 * (day.changed || 0)) / most}%` } })))),
      h("div", { className: "plexsync-axis plexsync-quiet" }, h("span", null, new Date(`${days[0].day}T12:00:00`).toLocaleDateString()),
        h("span", null, new Date(`${days[days.length - 1].day}T12:00:00`).toLocaleDateString())));
  }

  P.History = function ({ changes }) {
    const [found, error, reload] = P.useAsk("history", {}, changes);
    const [all, setAll] = useState(false);
    const [cards, setCards] = useState({});
    const rows = found ? (all ? found.written : found.written.slice(0, SHOWN)) : [];
    const ids = rows.map((row) => row.scene_id).join(",");
    useEffect(() => {
      let gone = false;
      if (ids) P.scenes(ids.split(",").map(Number)).then((some) => { if (!gone) setCards(some); }, () => {});
      return () => { gone = true; };
    }, [ids]);
    if (!found) return error ? h(P.Trouble, { text: error, again: reload }) : h(P.Busy, null);
    const field = (name) => P.texts.plex_fields[name] || name;
    return h("div", null,
      found.days.length ? h(Days, { days: found.days, outages: found.outages }) : null,
      h("h4", null, t("page.outages")),
      found.outages.length
        ? h("ul", null, found.outages.slice(0, 10).map((one) => h("li", { key: one.began_at },
            one.ended_at === null ? t("page.outage_now", { from: P.when(one.began_at) }) : t("page.outage", { from: P.when(one.began_at), to: P.when(one.ended_at) }))))
        : h("p", { className: "plexsync-quiet" }, t("page.no_outage")),
      h("h4", null, t("page.written")),
      rows.length ? null : h("p", { className: "plexsync-quiet" }, t("page.no_written")),
      h("ul", { className: "plexsync-scenes" }, rows.map((row, number) => h("li", { key: number },
        h(P.SceneLink, { id: row.scene_id, card: cards[row.scene_id], title: row.title }),
        h("div", { className: "plexsync-scene-text" },
          // Without a library it was written to Stash.
          t(row.library ? "page.wrote" : "page.brought", { what: row.what.map(field).join(", "), key: String(row.rating_key), library: row.library }),
          h("div", { className: "plexsync-quiet" }, P.when(row.at), " ", found.machine ? h(P.Open, { machine: found.machine, rating_key: row.rating_key }) : null))))),
      found.written.length > SHOWN && !all ? h(Button, { size: "sm", variant: "secondary", onClick: () => setAll(true) }, t("common.more")) : null);
  };
})();
