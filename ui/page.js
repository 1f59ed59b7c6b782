// The page /plugins/plexsync: is all well, what goes on, and the buttons to start something.
(function () {
  "use strict";
  const P = window.PlexSync;
  const api = window.PluginApi;
  if (!api) return;
  const { React } = api;
  const { Alert, Button, ProgressBar } = api.libraries.Bootstrap;
  const { useCallback, useEffect, useRef, useState } = React;
  const { h, t } = P;
  const BUSY_PAUSE = 2000; // milliseconds between two looks while something goes on
  const PACE_SPAN = 30; // seconds over which the pace is told
  const PACE_LEAST = 3;
  const WAITING_PAUSE = 10000; // while something waits, for Plex or for a later try
  const VARIANTS = { well: "success", working: "info", waiting: "info", blocked: "info", new: "info", look: "warning", away: "warning", halted: "danger", trouble: "danger" };

  function sentence(status) {
    const { state } = status;
    const values = {
      look: { n: status.needs_look }, waiting: { n: status.waiting },
      away: { n: status.waiting, since: P.when(status.breaker.since) },
      halted: { said: status.drain.said }, blocked: { task: status.busy_with }, trouble: { what: status.troubles[0] },
    };
    return t(`page.states.${state}`, values[state]);
  }

  function Top({ status }) {
    const { Link } = api.libraries.ReactRouterDOM;
    const looks = status.state !== "look" && status.failed_scenes + status.missing_scenes;
    return h(Alert, { variant: VARIANTS[status.state] || "info", className: "plexsync-top", role: "status" },
      h("strong", null, sentence(status)),
      looks ? h("span", null, " ", t("page.also_look", { n: looks })) : null,
      ["new", "halted"].includes(status.state) ? h(Link, { to: "/settings?tab=plugins" }, t("page.to_settings")) : null);
  }

  /** Scenes a second over the last looks, once there are enough of them; 0: not known. */
  function usePace(done, at) {
    const looks = useRef([]);
    const seen = looks.current;
    if (!seen.length || seen[seen.length - 1].at !== at) {
      looks.current = [...seen.filter((look) => at - look.at < PACE_SPAN && look.done <= done), { done, at }];
    }
    const first = looks.current[0];
    return at - first.at >= PACE_LEAST ? (done - first.done) / (at - first.at) : 0;
  }

  function Batch({ batch, at, job, onStop }) {
    const done = batch.done + batch.failed + batch.skipped;
    const pace = usePace(done, at);
    const minutes = Math.ceil((batch.total - done) / pace / 60);
    return h("div", { className: "plexsync-batch" },
      h("div", null, h("b", null, batch.title), " ", h("span", { className: "plexsync-quiet" },
        t("page.batch", { done, total: batch.total, left: batch.left }), job ? null : `, ${t(batch.goes_on_by_itself ? "page.goes_on" : "page.stopped")}`),
        job && pace > 0 ? h("span", { className: "plexsync-quiet" },
          t("page.pace", { pace: pace < 10 ? pace.toFixed(1) : Math.round(pace) }), ", ", t("page.minutes_left", { n: minutes })) : null,
        job ? h(Button, { size: "sm", variant: "secondary", onClick: () => onStop(job) }, t("page.stop")) : null),
      h(ProgressBar, { now: batch.total ? (100 * done) / batch.total : 0, "aria-label": batch.title }));
  }

  function Queue({ status, onStop }) {
    const { queue, drain } = status;
    const counts = ["due", "waiting", "bulk", "claimed"].filter((name) => queue[name]);
    const open = status.batches.filter((batch) => batch.completed_at === null);
    const job = status.jobs.find((one) => one.ours && one.status !== "FINISHED");
    return h("div", null,
      h("p", { className: "plexsync-counts" }, counts.length
        ? counts.map((name) => h("span", { key: name }, h("b", null, P.number(queue[name])), " ", t(`page.queue.${name}`)))
        : t("page.empty_queue"),
        queue.next_due_at ? h("span", { className: "plexsync-quiet" }, t("page.next_try", { time: P.when(queue.next_due_at) })) : null),
      job && !open.length ? h("div", { className: "plexsync-batch" },
        h("div", null, h("b", null, job.description), " ", h(Button, { size: "sm", variant: "secondary", onClick: () => onStop(job) }, t("page.stop"))),
        job.progress !== null && job.progress >= 0 ? h(ProgressBar, { now: 100 * job.progress, "aria-label": job.description }) : null) : null,
      open.map((batch) => h(Batch, { key: batch.id, batch, at: status.at, job, onStop })),
      drain.ended_at && status.state !== "halted"
        ? h("p", { className: "plexsync-quiet" }, t("page.last_run", { time: P.when(drain.ended_at), said: drain.said })) : null);
  }

  function Action({ name, busy, onPress, primary, children }) {
    const [label, help] = P.texts.page.buttons[name];
    return h("div", { className: "plexsync-action" },
      h(Button, { size: "sm", variant: primary ? "primary" : "secondary", disabled: busy, onClick: onPress }, label),
      h("span", { className: "plexsync-help" }, help), children || null);
  }

  function Check() {
    const [check, state] = P.useWork("check");
    const facts = state.facts || {};
    return h("div", null,
      h(Action, { name: "check", busy: state.busy, onPress: () => check() }),
      h(P.Trouble, { text: state.error }),
      state.busy ? h(P.Busy, { text: facts.installing ? t("api.installing") : "", progress: facts.progress }) : null,
      facts.said ? h("p", { role: "status", className: facts.is_good ? "plexsync-good" : "plexsync-error" },
        facts.is_good ? t("page.check_good") : t("page.check_bad", { n: facts.to_fix.length })) : null,
      h("ul", { className: "plexsync-lines" }, (facts.lines || []).map((line, number) =>
        h("li", { key: number, className: `plexsync-${line.level}` }, line.text))));
  }

  function Report() {
    const [report, state] = P.useWork("report");
    const [said, setSaid] = useState("");
    const field = useRef(null);
    const copy = () => {
      field.current.select();
      // `navigator.clipboard` is there on https and on this machine alone.
      setSaid(t(document.execCommand("copy") ? "page.copied" : "page.marked"));
    };
    const facts = state.facts || {};
    return h("div", null,
      h(Action, { name: "report", busy: state.busy, onPress: () => { setSaid(""); report(); } }),
      h(P.Trouble, { text: state.error }),
      state.busy ? h(P.Busy, { text: facts.installing ? t("api.installing") : "", progress: facts.progress }) : null,
      facts.text ? h("div", { className: "plexsync-report" },
        h("p", { className: "plexsync-help" }, t("page.report")),
        h("textarea", { key: facts.id, ref: field, rows: 12, className: "form-control text-input", spellCheck: false, defaultValue: facts.text, "aria-label": P.texts.page.buttons.report[0] }),
        h(Button, { size: "sm", variant: "primary", onClick: copy }, t("page.copy")), " ",
        h("span", { role: "status", className: "plexsync-good" }, said)) : null);
  }

  function Actions({ onStarted, queued }) {
    const [days, setDays] = useState("1");
    const [scope, setScope] = useState("all");
    const [dry, setDry] = useState(false);
    const [dryBack, setDryBack] = useState(false);
    const [said, setSaid] = useState("");
    const [error, setError] = useState("");
    const start = async (name, args) => {
      setSaid("");
      setError("");
      try {
        await P.task(name, args);
        setSaid(t("page.asked"));
        onStarted();
      } catch (problem) {
        setError(problem.message);
      }
    };
    const clear = async () => {
      if (!window.confirm(t("page.really_clear", { n: queued }))) return;
      try {
        setSaid((await P.ask("clear_queue")).said);
        onStarted();
      } catch (problem) {
        setError(problem.message);
      }
    };
    return h("div", { className: "plexsync-actions" },
      h(P.Trouble, { text: error }),
      said ? h("p", { role: "status", className: "plexsync-good" }, said) : null,
      h(Action, { name: "process", primary: true, onPress: () => start("Process queue", { mode: "process_queue" }) }),
      h(Action, { name: "all", onPress: () => start("Sync all scenes", { mode: "sync_all" }) }),
      h(Action, { name: "recent", onPress: () => start("Sync recent scenes", { mode: "sync_recent", days }) },
        h("label", null, t("page.days"), " ", h(P.Input, { type: "number", min: 1, max: 36500, value: days, onChange: (event) => setDays(event.target.value) }))),
      h(Action, { name: "reconcile", onPress: () => start("Reconcile", { mode: "reconcile", scope, dry_run: String(dry) }) },
        h("label", null, t("page.scope"), " ", h(P.Input, { as: "select", value: scope, onChange: (event) => setScope(event.target.value) },
          Object.keys(P.texts.page.scopes).map((one) => h("option", { key: one, value: one }, t(`page.scopes.${one}`))))),
        h("label", { className: "plexsync-check" }, h("input", { type: "checkbox", checked: dry, onChange: () => setDry(!dry) }), " ", t("page.dry"))),
      h(Action, { name: "back", onPress: () => start("Bring back from Plex", { mode: "bring_back", dry_run: String(dryBack) }) },
        h("label", { className: "plexsync-check" }, h("input", { type: "checkbox", checked: dryBack, onChange: () => setDryBack(!dryBack) }), " ", t("page.dry"))),
      h(Check, null),
      h(Report, null),
      queued ? h(Action, { name: "clear", onPress: clear }) : null);
  }

  function Page() {
    const [status, error, reload] = P.useAsk("status");
    const [eager, setEager] = useState(0);
    const { Link } = api.libraries.ReactRouterDOM;
    const isAtWork = Boolean(status) && (status.state === "working" || status.jobs.some((job) => job.ours));
    const waits = Boolean(status) && (status.waiting > 0 || status.state === "away");
    const look = useCallback(async () => {
      const found = await reload();
      setEager((left) => Math.max(0, left - 1));
      return found;
    }, [reload]);
    // A task that was started a moment ago may not have begun yet.
    P.useRefresh(look, isAtWork || eager ? BUSY_PAUSE : waits ? WAITING_PAUSE : 0);
    useEffect(() => { if (status) P.needsLook.set(status.needs_look); }, [status && status.needs_look]);
    // What the lists below show may be another when a run has ended, and while one is at work.
    const changes = status && `${status.drain.ended_at} ${status.drain.running} ${status.needs_look}`;
    if (!status) return h("div", { className: "plexsync plexsync-page" }, error ? h(P.Trouble, { text: error, again: reload }) : h(P.Busy, null));
    const stop = (job) => P.stop(job.id).then(look, look);
    const started = () => { setEager(5); look(); };
    return h("div", { className: "plexsync plexsync-page" },
      h("header", null, h("h2", null, t("page.title")), h("span", { className: "plexsync-quiet" }, t("page.version", { version: status.version })),
        h(Link, { to: "/settings?tab=plugins" }, t("page.settings"))),
      h(Top, { status }),
      h(P.Trouble, { text: error, again: reload }),
      h(P.Group, { id: "now", title: t("page.now"), open: true }, h(Queue, { status, onStop: stop }), h(Actions, { onStarted: started, queued: status.waiting })),
      h(P.Group, { id: "look", title: t("page.look"), open: true, note: status.needs_look ? h(P.Mark, { kind: "warning" }, P.number(status.needs_look)) : null },
        h(P.Failures, { changes, onChange: started })),
      h(P.Group, { id: "coverage", title: t("page.coverage"), open: true }, h(P.Coverage, { changes })),
      h(P.Group, { id: "history", title: t("page.history"), open: true }, h(P.History, { changes })));
  }

  api.register.route("/plugins/plexsync", P.current(Page));

  function Entry() {
    const { Link } = api.libraries.ReactRouterDOM;
    const count = P.useShared(P.needsLook);
    const label = count ? `${t("page.title")}: ${t("page.states.look", { n: count })}` : t("page.title");
    return h(Link, { to: "/plugins/plexsync", className: "nav-utility btn btn-minimal minimal plexsync-entry", title: label, "aria-label": label },
      "Plex", count ? h("i", { className: "plexsync-dot", "aria-hidden": true }) : null);
  }

  api.patch.before("MainNavBar.UtilityItems", (props) => [
    Object.assign({}, props, { children: h(React.Fragment, null, h(Entry, { key: "plexsync" }), props.children) }),
  ]);
})();
