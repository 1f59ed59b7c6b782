// What several pages are made of. Plain React without a build step: `h` makes an element.
(function () {
  "use strict";
  const P = window.PlexSync;
  const api = window.PluginApi;
  if (!api) return; // a Stash that is older than its plugins' pages: its own settings panel and tasks do all of it
  const { React } = api;
  const { Alert, Badge, Button, Form, ProgressBar, Spinner } = api.libraries.Bootstrap;
  const { useCallback, useEffect, useRef, useState } = React;
  const h = (P.h = React.createElement);
  const t = P.t;
  const PAGE = 20; // scenes of a list that are asked for at once

  /** Run something once at a time: `[run, {busy, error, facts}]`. What it answers after the page has gone is dropped. */
  P.useWork = function (mode) {
    const [state, set] = useState({ busy: false, error: "", facts: null });
    const at = useRef(null);
    useEffect(() => () => { if (at.current) at.current.aborted = true; }, []);
    const run = useCallback(async (args) => {
      if (at.current) at.current.aborted = true;
      const signal = (at.current = { aborted: false });
      set({ busy: true, error: "", facts: null });
      try {
        const facts = await P.work(mode, args, (so_far) => set({ busy: true, error: "", facts: so_far }), signal);
        if (!signal.aborted) set({ busy: false, error: "", facts });
        return signal.aborted ? null : facts;
      } catch (error) {
        if (!signal.aborted) set({ busy: false, error: error.message, facts: error.facts || null });
        return null;
      }
    }, [mode]);
    const stop = useCallback(() => {
      if (at.current) at.current.aborted = true;
      set({ busy: false, error: "", facts: null });
    }, []);
    return [run, state, stop];
  };

  /** Follow a value of `P.shared`. */
  P.useShared = function (shared) {
    const [value, set] = useState(shared.value);
    useEffect(() => {
      shared.followers.add(set);
      set(shared.value);
      return () => { shared.followers.delete(set); };
    }, [shared]);
    return value;
  };

  /** A component, as long as PlexSync is of the version of these scripts; else a way to load those that fit. */
  P.current = (Component) => function (props) {
    const version = P.useShared(P.updatedTo);
    if (!version) return h(Component, props);
    return h(Alert, { variant: "info", className: "plexsync plexsync-trouble" }, h("span", null, t("api.updated", { version })),
      h(Button, { size: "sm", onClick: () => window.location.reload() }, t("api.reload")));
  };

  /** Ask an operation now, and again when `changes` is another or `reload` is called: `[answer, error, reload]`. */
  P.useAsk = function (mode, args, changes) {
    const [state, set] = useState([null, ""]);
    const alive = useRef(true);
    const key = JSON.stringify(args || {});
    const reload = useCallback(async () => {
      try {
        const found = await P.ask(mode, JSON.parse(key));
        if (alive.current) set([found, ""]);
        return found;
      } catch (error) {
        if (alive.current) set((before) => [before[0], error.message]);
        return null;
      }
    }, [mode, key]);
    useEffect(() => {
      alive.current = true;
      reload();
      return () => { alive.current = false; };
    }, [reload, changes]);
    return [state[0], state[1], reload];
  };

  /** A list that an operation gives page by page, as rows with the scene and what `tell(row)` and `act(row)` make. */
  P.Scenes = function ({ mode, args, name, changes, tell, act }) {
    const [rows, setRows] = useState(null);
    const [next, setNext] = useState(null);
    const [cards, setCards] = useState({});
    const [error, setError] = useState("");
    const key = JSON.stringify(args);
    const load = useCallback(async (after) => {
      try {
        const found = await P.ask(mode, Object.assign({ after, limit: PAGE }, JSON.parse(key)));
        setError("");
        setRows((before) => [...(after && before ? before : []), ...found[name]]);
        setNext(found.next);
        const some = await P.scenes(found[name].map((row) => row.scene_id));
        setCards((before) => Object.assign({}, before, some));
      } catch (problem) {
        setError(problem.message);
      }
    }, [mode, key, name]);
    useEffect(() => { load(null); }, [load, changes]);
    if (!rows) return error ? h(P.Trouble, { text: error, again: () => load(null) }) : h(P.Busy, null);
    return h("div", null,
      h(P.Trouble, { text: error }),
      h("ul", { className: "plexsync-scenes" }, rows.map((row) => h("li", { key: row.scene_id },
        h(P.SceneLink, { id: row.scene_id, card: cards[row.scene_id], title: row.title }),
        h("div", { className: "plexsync-scene-text" }, tell(row)), act ? act(row) : null))),
      next ? h(Button, { size: "sm", variant: "secondary", onClick: () => load(next) }, t("common.more")) : null);
  };

  /** Call `look` again and again while the page is visible; `pause` in milliseconds, 0: not at all. */
  P.useRefresh = function (look, pause) {
    useEffect(() => {
      let timer = 0;
      let ended = false;
      const next = () => {
        window.clearTimeout(timer);
        if (pause && !ended && !document.hidden) timer = window.setTimeout(() => Promise.resolve(look()).then(next), pause);
      };
      const seen = () => { if (!document.hidden) Promise.resolve(look()).then(next); };
      document.addEventListener("visibilitychange", seen);
      next();
      return () => {
        ended = true;
        window.clearTimeout(timer);
        document.removeEventListener("visibilitychange", seen);
      };
    }, [look, pause]);
  };

  /** An input, or a select, in the colours of Stash's own. */
  P.Input = (props) => h(Form.Control, Object.assign({}, props, {
    size: "sm", custom: props.as === "select" ? true : undefined,
    className: `${props.as === "select" ? "input-control" : "text-input"} ${props.className || ""}`,
  }));

  /** A sentence that says what is wrong, and a way to try again. */
  P.Trouble = ({ text, again, children }) =>
    text
      ? h(Alert, { variant: "danger", className: "plexsync-trouble" }, h("span", null, text), children,
          again ? h(Button, { size: "sm", variant: "secondary", onClick: () => again() }, t("api.again")) : null)
      : null;

  /** A line that says what goes on; screen readers hear it when it changes. */
  P.Busy = ({ text, progress }) =>
    h("div", { className: "plexsync-busy", role: "status", "aria-live": "polite" },
      h(Spinner, { animation: "border", size: "sm", "aria-hidden": true }), h("span", null, text || t("api.working")),
      progress > 0 ? h(ProgressBar, { now: progress * 100, "aria-label": text || t("api.working") }) : null);

  P.Mark = ({ kind, children }) => h(Badge, { variant: kind, className: "plexsync-mark" }, children);

  /** A part of the settings, or of the page, that opens. */
  P.Group = function ({ id, title, help, note, open, children }) {
    const [isOpen, set] = useState(Boolean(open));
    useEffect(() => { if (open) set(true); }, [open]);
    return h("section", { className: "plexsync-group", id: `plexsync-${id}` },
      h("h3", null,
        h("button", { type: "button", "aria-expanded": isOpen, "aria-controls": `plexsync-${id}-body`, onClick: () => set(!isOpen) },
          h("span", { className: "plexsync-arrow", "aria-hidden": true }, isOpen ? "▾" : "▸"),
          h("span", { className: "plexsync-group-title" }, title), note || null)),
      help ? h("p", { className: "plexsync-help" }, help) : null,
      isOpen ? h("div", { id: `plexsync-${id}-body`, className: "plexsync-body" }, children) : null);
  };

  /** A scene with its picture, as a link to its page in Stash. */
  P.SceneLink = function ({ id, card, title, to }) {
    const { Link } = api.libraries.ReactRouterDOM;
    if (!(id > 0)) return h("span", null, title || "");
    const name = (card && card.title) || title || t("common.scene", { id });
    return h(Link, { to: to || `/scenes/${id}`, className: "plexsync-scene" },
      card && card.picture ? h("img", { src: card.picture, alt: "", loading: "lazy" }) : h("span", { className: "plexsync-no-picture" }),
      h("span", null, name));
  };

  /** Parts of a whole as one bar with a legend; `parts`: [{key, label, count, color, onClick}]. */
  P.Parts = function ({ parts, total, label }) {
    const shown = parts.filter((part) => part.count > 0);
    const whole = total || shown.reduce((sum, part) => sum + part.count, 0);
    return h("div", { className: "plexsync-parts" },
      h("div", { className: "plexsync-bar", role: "img", "aria-label": `${label || ""} ${shown.map((p) => `${p.label}: ${p.count}`).join(", ")}` },
        shown.map((part) => h("span", {
          key: part.key, className: `plexsync-${part.color}`, title: `${part.label}: ${P.number(part.count)}`,
          style: { flexGrow: part.count / (whole || 1), minWidth: "4px" },
        }))),
      h("ul", { className: "plexsync-legend" }, shown.map((part) =>
        h("li", { key: part.key },
          h("i", { className: `plexsync-${part.color}`, "aria-hidden": true }),
          part.onClick
            ? h("button", { type: "button", className: "plexsync-link", "aria-pressed": Boolean(part.chosen), onClick: part.onClick }, part.label)
            : h("span", null, part.label),
          h("b", null, P.number(part.count))))));
  };

  /** A moment as people say it: the clock today, else the date with it. `at` in seconds. */
  P.when = function (at) {
    if (!at) return "";
    const then = new Date(at * 1000);
    const time = then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    return then.toDateString() === new Date().toDateString() ? time : `${then.toLocaleDateString()} ${time}`;
  };

  P.Open = ({ machine, rating_key: key }) =>
    h("a", { href: P.plexLink(machine, key), target: "_blank", rel: "noreferrer" }, t("common.open_in_plex"));
})();
