// The tab "Plex" on a scene's page.
(function () {
  "use strict";
  const P = window.PlexSync;
  const api = window.PluginApi;
  if (!api) return;
  const { React } = api;
  const { Button, Nav, Tab } = api.libraries.Bootstrap;
  const { useCallback, useEffect, useState } = React;
  const { h, t } = P;
  const KEY = "plexsync-panel";
  const PAUSE = 1000; // milliseconds between two looks while a sync is asked for
  const LONG_PAUSE = 10000;

  function lastError(item) {
    const steps = Object.values(item.steps).filter((step) => step.error);
    return steps.length ? steps[0].error : "";
  }

  function Known({ facts }) {
    const lines = [];
    if (facts.claimed) lines.push(t("scene.working"));
    else if (facts.waiting && facts.waiting.tries)
      lines.push(t("scene.waiting_until", { n: facts.waiting.tries, time: P.when(facts.waiting.due_at), error: facts.waiting.last_error_type }));
    else if (facts.waiting) lines.push(t("scene.waiting"));
    if (facts.left_out) lines.push(t("scene.left_out", { reason: facts.left_out.reason }));
    return h("div", null,
      lines.map((line) => h("p", { key: line, role: "status" }, line)),
      facts.failed ? h("p", { className: "plexsync-problem" }, t("scene.failed", { message: facts.failed.message })) : null,
      facts.failed && P.texts.page.kinds[facts.failed.does] ? h("p", { className: "plexsync-help" }, P.texts.page.kinds[facts.failed.does][1]) : null,
      !facts.items.length && !lines.length && !facts.failed ? h("p", null, t("scene.not_synced")) : null,
      facts.items.map((item) => h("div", { key: `${item.section}/${item.rating_key}`, className: "plexsync-item" },
        h("p", null, t("scene.item", { key: String(item.rating_key), library: item.library, how: t(item.exact ? "preview.by_path" : "preview.by_name") }), " ",
          h(P.Open, { machine: item.machine, rating_key: item.rating_key })),
        item.synced_at ? h("p", { className: "plexsync-quiet" }, t("scene.in_plex", { time: P.when(item.synced_at) })) : null,
        lastError(item) ? h("p", { className: "plexsync-problem" }, lastError(item)) : null)));
  }

  const Panel = P.current(function ({ id }) {
    const [facts, error, reload] = P.useAsk("scene", { scene_id: id });
    const [compare, state] = P.useWork("preview");
    const [asked, setAsked] = useState(null); // what was known when a sync was asked for
    const [trouble, setTrouble] = useState("");
    const [done, setDone] = useState(false);
    const isOpen = Boolean(facts && (facts.waiting || facts.claimed));
    // A scene that waits for a later try may do so for hours.
    P.useRefresh(reload, asked || (isOpen && !(facts.waiting && facts.waiting.tries)) ? PAUSE : isOpen ? LONG_PAUSE : 0);
    useEffect(() => { compare({ scene_id: id }); }, [compare, id]);
    useEffect(() => {
      if (!asked || !facts || isOpen) return;
      setAsked(null);
      setDone(!facts.failed);
      compare({ scene_id: id });
    }, [facts, asked, isOpen, compare, id]);
    const sync = useCallback(async () => {
      setTrouble("");
      setDone(false);
      try {
        await P.ask("sync_scene", { scene_id: id });
        await reload();
        setAsked(true);
      } catch (problem) {
        setTrouble(problem.message);
      }
    }, [id, reload]);
    if (!facts) return error ? h(P.Trouble, { text: error, again: reload }) : h(P.Busy, null);
    const compared = state.facts && state.facts.items ? state.facts : null;
    return h("div", { className: "plexsync plexsync-tab" },
      h("div", { className: "plexsync-buttons" },
        h(Button, { onClick: sync, disabled: Boolean(asked) }, t("scene.sync")),
        h(Button, { variant: "secondary", disabled: state.busy, onClick: () => compare({ scene_id: id }) }, t("scene.compare"))),
      asked ? h(P.Busy, { text: t("scene.syncing") }) : null,
      done ? h("p", { role: "status", className: "plexsync-good" }, t("scene.synced")) : null,
      h(P.Trouble, { text: trouble || error }),
      h(Known, { facts }),
      state.busy && !compared ? h(P.Busy, { text: t("preview.asking") }) : null,
      h(P.Trouble, { text: state.error }),
      compared ? h(P.Comparison, { facts: compared, bare: facts.items.length === 1 }) : null);
  });

  const beside = (props, element) => [Object.assign({}, props, { children: h(React.Fragment, null, props.children, element) })];

  api.patch.before("ScenePage.Tabs", (props) => beside(props,
    h(Nav.Item, { key: KEY }, h(Nav.Link, { eventKey: KEY }, t("scene.tab")))));
  api.patch.before("ScenePage.TabContent", (props) => beside(props,
    h(Tab.Pane, { key: KEY, eventKey: KEY, mountOnEnter: true, unmountOnExit: true }, h(Panel, { key: props.scene.id, id: Number(props.scene.id) }))));
})();
