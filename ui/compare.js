// A scene beside its item in Plex: field by field, what a sync would change and why the rest stays.
(function () {
  "use strict";
  const P = window.PlexSync;
  if (!window.PluginApi) return;
  const { React } = window.PluginApi;
  const { h, t } = P;
  const { Table } = window.PluginApi.libraries.Bootstrap;
  const CHANGES = ["write", "clear"];

  function value(given) {
    const text = Array.isArray(given) ? given.join(", ") : given;
    return text ? (text.length > 300 ? text.slice(0, 300) + "…" : text) : h("i", { className: "plexsync-quiet" }, t("common.empty"));
  }

  function Row({ field }) {
    const isPicture = field.before === undefined;
    const changes = CHANGES.includes(field.why);
    const others = (field.others || []).filter((name) => !(field.has || []).includes(name));
    return h("tr", { className: changes ? "plexsync-changes" : "" },
      h("th", { scope: "row" }, t(`plex_fields.${field.name}`)),
      isPicture ? h("td", { colSpan: 2 }, changes && field.has ? h("img", { className: "plexsync-cover", src: P.address(field.has), alt: "" }) : null)
        : [h("td", { key: "before" }, value(field.before)), h("td", { key: "after" }, value(field.after))],
      h("td", null, t(`preview.why.${field.why}`), field.note ? `. ${field.note}` : null,
        others.length && changes ? h("div", { className: "plexsync-quiet" }, t("preview.others", { names: others.slice(0, 8).join(", ") })) : null));
  }

  function position(at) {
    const two = (number) => String(number).padStart(2, "0");
    const whole = Math.round(at);
    return at ? `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}` : "";
  }

  /** What both sides know of plays, rating and resume point. */
  function Watched({ watched }) {
    const played = (side) => (side.plays && side.played_at ? t("preview.played", { n: side.plays, time: P.when(side.played_at) }) : side.plays ? P.number(side.plays) : "");
    const rows = { plays: played, rating: (side) => side.rating, resume: (side) => position(side.resume) };
    return h("div", { className: "plexsync-scroll" }, h(Table, { size: "sm", className: "plexsync-table" },
      h("thead", null, h("tr", null, ["watched", "in_stash", "in_plex"].map((name) => h("th", { key: name, scope: "col" }, t(`preview.${name}`))))),
      h("tbody", null, Object.keys(rows).map((name) => h("tr", { key: name }, h("th", { scope: "row" }, t(`preview.${name}`)),
        h("td", null, value(rows[name](watched.stash))), h("td", null, value(rows[name](watched.plex))))))));
  }

  function Item({ item, machine, bare }) {
    const [all, setAll] = React.useState(false);
    const changing = item.fields.filter((field) => CHANGES.includes(field.why));
    const differing = item.fields.filter((field) => ["theirs", "rated", "brought", "empty"].includes(field.why));
    const shown = all ? item.fields : [...changing, ...differing];
    const how = t(item.exact ? "preview.by_path" : "preview.by_name");
    return h("div", { className: "plexsync-item" },
      bare ? null : h("h4", null, item.title, " ", h(P.Open, { machine, rating_key: item.rating_key })),
      bare ? null : h("p", { className: "plexsync-help" }, t("preview.item", { key: String(item.rating_key), library: item.library, how })),
      h("p", { role: "status" }, changing.length ? t("preview.changes", { n: changing.length }) : t("preview.nothing")),
      shown.length ? h("div", { className: "plexsync-scroll" }, h(Table, { size: "sm", className: "plexsync-table" },
        h("thead", null, h("tr", null, ["field", "before", "after", "reason"].map((name) => h("th", { key: name, scope: "col" }, t(`preview.${name}`))))),
        h("tbody", null, shown.map((field) => h(Row, { key: field.name, field }))))) : null,
      h("label", { className: "plexsync-check" },
        h("input", { type: "checkbox", checked: all, onChange: () => setAll(!all) }), " ", t("preview.all_fields")),
      h(Watched, { watched: item.watched }));
  }

  /** What the operation `preview` has answered; `bare`: which item it is stands on the page already. */
  P.Comparison = function ({ facts, bare }) {
    if (facts.left_out) return h("p", null, t("preview.left_out", { why: facts.left_out }));
    const missing = facts.problems.some((problem) => problem.error_type === "PlexNotFound");
    return h("div", null,
      facts.problems.map((problem) => h("p", { key: problem.text, className: "plexsync-problem" }, problem.text)),
      missing && !facts.items.length
        ? h("p", { className: "plexsync-help" }, t("preview.not_found", { paths: facts.looked_for.join(", "), libraries: facts.libraries.join(", ") }))
        : null,
      facts.items.map((item) => h(Item, { key: `${item.section}/${item.rating_key}`, item, machine: facts.server, bare })));
  };
})();
