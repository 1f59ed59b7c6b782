// One setting as a row: its name, a sentence, the value in force, and what is wrong with it.
(function () {
  "use strict";
  const P = window.PlexSync;
  if (!window.PluginApi) return;
  const { React } = window.PluginApi;
  const { Button, Form } = window.PluginApi.libraries.Bootstrap;
  const { useEffect, useRef, useState } = React;
  const { h, t } = P;
  const TYPED = 400; // milliseconds without a key until a value is checked

  function shown(field, value) {
    if (field.kind === "switch") return t(value ? "common.on" : "common.off");
    if (field.kind === "choice") return choice(field.name, value);
    return value === "" || value === undefined || value === null ? t("common.empty") : String(value);
  }

  function choice(name, value) {
    const own = P.texts.choices_of[name] || {};
    return own[value] || P.texts.choices[value] || value;
  }

  /** A text or a number: checked as it is typed, stored when the field is left or Enter is pressed. */
  function Typed({ name, field, value, isDefault, onSave, onError, describedBy }) {
    const [text, setText] = useState(value === undefined || value === null ? "" : String(value));
    const timer = useRef(0);
    const dirty = useRef(false);
    useEffect(() => { if (!dirty.current) setText(value === undefined || value === null ? "" : String(value)); }, [value]);
    useEffect(() => () => window.clearTimeout(timer.current), []);
    const latest = useRef(0);
    const check = (typed) => {
      const number = (latest.current += 1);
      P.ask("settings", { try: { [name]: typed } }).then(
        (found) => { if (number === latest.current) onError((found.errors || {})[name] || ""); },
        () => {});
    };
    const change = (event) => {
      const typed = event.target.value;
      dirty.current = true;
      setText(typed);
      window.clearTimeout(timer.current);
      timer.current = window.setTimeout(() => check(typed), TYPED);
    };
    const save = () => {
      window.clearTimeout(timer.current);
      latest.current += 1;
      if (!dirty.current) return;
      onSave(text).then((saved) => { if (saved) dirty.current = false; });
    };
    return h(P.Input, {
      id: `plexsync-field-${name}`, value: text, className: isDefault && !dirty.current ? "plexsync-default" : "",
      inputMode: field.kind === "number" ? "decimal" : undefined, "aria-describedby": describedBy, spellCheck: false, autoComplete: "off",
      placeholder: field.kind === "number" ? String(field.default) : "",
      onChange: change, onBlur: save, onKeyDown: (event) => { if (event.key === "Enter") save(); },
    });
  }

  function control(props) {
    const { name, field, value, isDefault, onSave, describedBy } = props;
    const id = `plexsync-field-${name}`;
    if (field.kind === "switch")
      return h(Form.Check, { type: "switch", id, label: "", "aria-label": P.texts.fields[name][0], checked: Boolean(value), "aria-describedby": describedBy, onChange: () => onSave(!value) });
    if (field.kind === "choice")
      return h(P.Input, { as: "select", id, value, className: isDefault ? "plexsync-default" : "", "aria-describedby": describedBy, onChange: (event) => onSave(event.target.value) },
        field.choices.map((one) => h("option", { key: one, value: one }, choice(name, one))));
    return h(Typed, props);
  }

  /** `view`: what the operation `settings` has answered; `save(changes)` stores and answers whether it was taken. */
  P.Field = function ({ name, view, save }) {
    const field = Object.assign({ name }, view.fields[name]);
    const [wrong, setWrong] = useState("");
    const [saved, setSaved] = useState(false);
    const [chosen, setChosen] = useState(); // what was chosen a moment ago, until it is stored
    const [label, help] = P.texts.fields[name];
    const stored = view.values[name];
    const error = wrong || view.errors[name] || "";
    // What is stored and not accepted is shown as it stands there, to be mended.
    const value = chosen !== undefined ? chosen : view.errors[name] ? stored : view.in_force[name];
    const isDefault = !view.errors[name] && view.in_force[name] === field.default;
    const onSave = async (next) => {
      setSaved(false);
      if (next !== null && field.kind !== "text" && field.kind !== "number") setChosen(next);
      const answer = await save({ [name]: next });
      setChosen(undefined);
      setWrong((answer.errors || {})[name] || answer.failure || "");
      if (answer.saved) setSaved(true);
      return answer.saved;
    };
    useEffect(() => {
      if (!saved) return undefined;
      const timer = window.setTimeout(() => setSaved(false), 3000);
      return () => window.clearTimeout(timer);
    }, [saved]);
    const describedBy = `plexsync-help-${name}`;
    const limits = field.kind === "number" ? field.accepted : "";
    return h("div", { className: `plexsync-field plexsync-field-${field.kind}`, "data-setting": name },
      h("div", { className: "plexsync-field-text" },
        h("label", { htmlFor: `plexsync-field-${name}` }, label), " ", h("code", { className: "plexsync-key" }, name),
        h("div", { id: describedBy, className: "plexsync-help" }, help, limits ? ` (${limits})` : "")),
      h("div", { className: "plexsync-field-value" },
        control({ name, field, value, isDefault, onSave, onError: setWrong, describedBy }),
        h("div", { className: "plexsync-field-note" },
          error ? h("span", { className: "plexsync-error", role: "alert" }, error) : null,
          saved && !error ? h("span", { className: "plexsync-saved", role: "status" }, t("common.saved")) : null,
          !isDefault && field.kind !== "secret"
            ? h(Button, { variant: "link", size: "sm", className: "plexsync-reset", title: t("common.default_is", { value: shown(field, field.default) }),
                "aria-label": `${t("common.reset")}: ${label}`, onClick: () => { setWrong(""); onSave(null); } }, t("common.reset"))
            : null)));
  };
})();
