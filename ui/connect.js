// The first group of the settings: which Plex, signed in to or entered by hand.
(function () {
  "use strict";
  const P = window.PlexSync;
  if (!window.PluginApi) return;
  const { React } = window.PluginApi;
  const { Button } = window.PluginApi.libraries.Bootstrap;
  const { useEffect, useRef, useState } = React;
  const { h, t } = P;

  function Address({ server, address, ms, error, kind, chosen, onChoose }) {
    const id = `plexsync-address-${server}-${address}`;
    return h("label", { className: "plexsync-check", htmlFor: id },
      h("input", { type: "radio", id, name: "plexsync-address", checked: chosen, disabled: Boolean(error), onChange: onChoose }),
      h("code", null, address), h("span", { className: "plexsync-quiet" }, t(`connect.kinds.${kind}`)),
      h("span", null, error ? error : t("connect.fastest", { ms })));
  }

  function Servers({ servers, onDone }) {
    const answering = (server) => server.addresses.find((one) => !one.error);
    const first = servers.find(answering);
    const [chosen, setChosen] = useState(first ? { machine: first.machine, address: answering(first).address } : null);
    const [error, setError] = useState("");
    const [busy, setBusy] = useState(false);
    const use = async () => {
      setBusy(true);
      setError("");
      try {
        onDone(await P.ask("sign_in_choose", chosen));
      } catch (problem) {
        setError(problem.message);
        setBusy(false);
      }
    };
    return h("div", { className: "plexsync-servers" },
      h("p", null, t("connect.choose")),
      servers.map((server) => h("fieldset", { key: server.machine },
        h("legend", null, server.name),
        server.addresses.map((one) => h(Address, Object.assign({ key: one.address, server: server.machine }, one, {
          chosen: Boolean(chosen) && chosen.machine === server.machine && chosen.address === one.address,
          onChoose: () => setChosen({ machine: server.machine, address: one.address }),
        }))))),
      h(P.Trouble, { text: error }),
      h(Button, { disabled: !chosen || busy, onClick: use }, t("connect.use")));
  }

  function SignIn({ onStored }) {
    const [signIn, state, stop] = P.useWork("sign_in");
    const [done, setDone] = useState("");
    const shown = useRef("");
    const plex = useRef(null);
    const facts = state.facts || {};
    useEffect(() => {
      if (facts.url && facts.url !== shown.current && state.busy) {
        shown.current = facts.url;
        if (plex.current && !plex.current.closed) plex.current.location.href = facts.url;
      }
      if (facts.state && facts.state !== "waiting" && plex.current) {
        plex.current.close();
        plex.current = null;
      }
    });
    const begin = () => {
      setDone("");
      // Opened in the click itself: a browser keeps a window shut that is opened later.
      plex.current = window.open("", "plexsync-sign-in", "width=800,height=700");
      signIn();
    };
    const end = () => {
      if (plex.current) plex.current.close();
      stop();
      P.ask("sign_in_cancel").then(() => {}, () => {});
    };
    if (state.busy)
      return h("div", { className: "plexsync-sign-in" },
        h(P.Busy, { text: facts.installing ? t("api.installing") : facts.state === "waiting" ? t("connect.waiting") : t("connect.looking") }),
        facts.url ? h("a", { href: facts.url, target: "_blank", rel: "noreferrer" }, t("connect.open_again")) : null,
        h(Button, { variant: "secondary", size: "sm", onClick: end }, t("common.cancel")));
    const isChoosing = facts.state === "choose" && !done;
    return h("div", { className: "plexsync-sign-in" },
      h(P.Trouble, { text: state.error }),
      isChoosing ? h(Servers, { servers: facts.servers, onDone: (answer) => { setDone(t("connect.done", { name: answer.name })); onStored(); } }) : null,
      done ? h("p", { role: "status" }, done) : null,
      h(Button, { variant: isChoosing ? "secondary" : "primary", onClick: begin }, t("connect.sign_in")),
      h("p", { className: "plexsync-help" }, t("connect.sign_in_help")));
  }

  function Token({ view, save }) {
    const [typing, setTyping] = useState(!view.token_is_set);
    const [token, setToken] = useState("");
    const [error, setError] = useState("");
    useEffect(() => { setTyping(!view.token_is_set); setToken(""); }, [view.token_is_set]);
    const store = async () => {
      const answer = await save({ plex_token: token });
      setError((answer.errors || {}).plex_token || answer.failure || "");
      if (answer.saved) { setToken(""); setTyping(false); }
    };
    return h("div", { className: "plexsync-field", "data-setting": "plex_token" },
      h("div", { className: "plexsync-field-text" },
        h("label", { htmlFor: "plexsync-field-plex_token" }, P.texts.fields.plex_token[0]),
        h("div", { className: "plexsync-help" }, P.texts.fields.plex_token[1], " ", t(view.token_is_set ? "connect.token_set" : "connect.token_missing"))),
      h("div", { className: "plexsync-field-value" },
        typing
          ? h("div", { className: "plexsync-token" },
              h(P.Input, { id: "plexsync-field-plex_token", type: "password", value: token, autoComplete: "off", onChange: (event) => setToken(event.target.value), onKeyDown: (event) => { if (event.key === "Enter") store(); } }),
              h(Button, { size: "sm", disabled: !token, onClick: store }, t("common.save")))
          : h(Button, { size: "sm", variant: "secondary", onClick: () => setTyping(true) }, t("common.replace")),
        error ? h("span", { className: "plexsync-error", role: "alert" }, error) : null));
  }

  /** `server`: the work `libraries`, which asks Plex who it is. */
  P.Connect = function ({ view, save, onStored, server }) {
    const isSet = Boolean(view.in_force.plex_url) && view.token_is_set;
    const [byHand, setByHand] = useState(false);
    const facts = server.state.facts || {};
    const found = facts.server;
    const say = (name) => t(`connect.${name}`, { name: found.name, address: found.address, ms: found.milliseconds });
    return h("div", null,
      !isSet ? h("p", { className: "plexsync-first" }, t("connect.not_set")) : null,
      isSet && server.state.busy && !found ? h(P.Busy, { text: facts.installing ? t("api.installing") : t("connect.asking") }) : null,
      isSet && found ? h("p", { role: "status", className: found.may_write ? "plexsync-good" : "plexsync-error" }, say(found.may_write ? "good" : "read_only")) : null,
      isSet ? h(P.Trouble, { text: server.state.error, again: server.ask }) : null,
      h(SignIn, { onStored }),
      h("button", { type: "button", className: "plexsync-link", "aria-expanded": byHand, onClick: () => setByHand(!byHand) }, t("connect.by_hand")),
      byHand ? h("div", null, h(P.Field, { name: "plex_url", view, save }), h(Token, { view, save })) : null);
  };
})();
