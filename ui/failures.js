// The page's part "Needs a look": what failed, grouped by cause, with the button that mends it.
(function () {
  "use strict";
  const P = window.PlexSync;
  const api = window.PluginApi;
  if (!api) return;
  const { React } = api;
  const { Button } = api.libraries.Bootstrap;
  const { useState } = React;
  const { h, t } = P;

  function Scenes({ cause, changes, act }) {
    const tell = (row) => [
      h("div", { key: "message" }, row.message),
      h("div", { key: "tries", className: "plexsync-quiet" }, `${t("page.tries", { n: row.tries })}, ${P.when(row.last_at)}`),
    ];
    const button = (what, row) => h(Button, { size: "sm", variant: "secondary", onClick: () => act(what, { scenes: [row.scene_id] }) }, t(`page.${what}`));
    const buttons = (row) => h("div", { className: "plexsync-buttons" }, row.scene_id > 0 ? button("retry", row) : null, button("forget", row));
    return h(P.Scenes, { mode: "failed", args: { cause }, name: "rows", changes, tell, act: buttons });
  }

  function Cause({ group, changes, act }) {
    const [open, setOpen] = useState(false);
    const { Link } = api.libraries.ReactRouterDOM;
    const [name, help] = P.texts.page.kinds[group.does] || P.texts.page.kinds.report;
    const mends = { path_map: "page.to_paths", settings: "page.to_settings" }[group.does];
    return h("article", { className: "plexsync-cause" },
      h("h4", null, name, " ", h(P.Mark, { kind: "warning" }, P.number(group.count))),
      h("p", null, group.message),
      h("p", { className: "plexsync-help" }, help),
      h("div", { className: "plexsync-buttons" },
        mends ? h(Link, { className: "btn btn-primary btn-sm", to: "/settings?tab=plugins" }, t(mends)) : null,
        h(Button, { size: "sm", variant: mends ? "secondary" : "primary", onClick: () => act("retry", { cause: group.cause }) }, t("page.retry_all")),
        h(Button, { size: "sm", variant: "secondary", onClick: () => { if (window.confirm(t("page.really_forget", { n: group.count }))) act("forget", { cause: group.cause }); } }, t("page.forget_all")),
        h(Button, { size: "sm", variant: "link", "aria-expanded": open, onClick: () => setOpen(!open) }, t(open ? "page.hide_scenes" : "page.show_scenes"))),
      open ? h(Scenes, { cause: group.cause, changes, act }) : null);
  }

  P.Failures = function ({ changes, onChange }) {
    const [found, error, reload] = P.useAsk("failed", {}, changes);
    const [said, setSaid] = useState("");
    const [trouble, setTrouble] = useState("");
    const act = async (what, args) => {
      setTrouble("");
      try {
        const done = await P.ask(what, args);
        setSaid(what === "retry" ? t("page.queued_again", { n: done.queued }) : t("page.forgotten", { n: done.forgotten }));
      } catch (problem) {
        setTrouble(problem.message);
      }
      await reload();
      onChange();
    };
    if (!found) return error ? h(P.Trouble, { text: error, again: reload }) : h(P.Busy, null);
    return h("div", null,
      said ? h("p", { role: "status", className: "plexsync-good" }, said) : null,
      h(P.Trouble, { text: trouble || (found.troubles || [])[0] || "" }),
      found.groups.length ? null : h("p", { className: "plexsync-help" }, t("page.nothing_to_look")),
      found.groups.map((group) => h(Cause, { key: group.cause, group, changes, act })));
  };
})();
