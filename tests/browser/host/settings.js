// The page /settings, with the tabs that plugins appear in.
import { Bootstrap, React, ReactRouterDOM, h } from "./libraries.js";
import { patchableComponent } from "./patch.js";
import { LoadingIndicator, usePromise, useToast } from "./parts.js";
import { ask, plugins as allPlugins } from "./server.js";
import { SettingsProvider, useSettings } from "./settings_context.js";

const { Button, Card, Col, Form, Nav, Row, Tab } = Bootstrap;
const { Link, useLocation } = ReactRouterDOM;
const TABS = { tasks: "Tasks", plugins: "Plugins" };

function PluginSetting({ pluginID, setting, value, onChange }) {
  const id = `plugin-${pluginID}-${setting.name}`;
  let input;
  if (setting.type === "BOOLEAN")
    input = h(Form.Switch, { id, label: "", checked: value ?? false, onChange: () => onChange(!value) });
  else if (setting.type === "NUMBER")
    input = h(Form.Control, {
      id,
      type: "number",
      step: "any",
      className: "text-input",
      value: value ?? 0,
      onChange: (event) => onChange(Number(event.target.value)),
    });
  else
    input = h(Form.Control, {
      id,
      className: "text-input",
      value: value ?? "",
      onChange: (event) => onChange(event.target.value),
    });
  return h(
    "div",
    { className: "setting" },
    h(
      "div",
      null,
      h("h3", null, h("label", { htmlFor: id }, setting.display_name || setting.name)),
      h("div", { className: "sub-heading" }, setting.description),
    ),
    h("div", null, input),
  );
}

/** One plugin's settings. Stash draws a text and a number as a value beside a button that opens a dialogue. */
export const PluginSettings = patchableComponent("PluginSettings", ({ pluginID, settings }) => {
  const { plugins, savePluginSettings } = useSettings();
  const values = plugins[pluginID] ?? {};
  return h(
    "div",
    { className: "plugin-settings" },
    settings.map((setting) =>
      h(PluginSetting, {
        key: setting.name,
        pluginID,
        setting,
        value: values[setting.name],
        onChange: (value) => savePluginSettings(pluginID, { ...values, [setting.name]: value }),
      }),
    ),
  );
});

function PluginsPanel() {
  const { loading } = useSettings();
  const [plugins, error] = usePromise(allPlugins, []);
  if (error) return h("p", { role: "alert" }, error.message);
  if (loading || !plugins) return h(LoadingIndicator);
  return h(
    "div",
    { className: "setting-section", id: "plugins" },
    h("h1", null, "Plugins"),
    h(
      Card,
      null,
      plugins.map((plugin) =>
        h(
          "div",
          { key: plugin.id, className: "setting-group", "data-plugin": plugin.id },
          h(
            "div",
            { className: `setting ${plugin.enabled ? "" : "disabled"}` },
            h(
              "div",
              null,
              h("h3", null, `${plugin.name} (${plugin.version})`),
              h("div", { className: "sub-heading" }, plugin.description),
            ),
            h("div"),
          ),
          h(
            "div",
            { className: "collapsible-section" },
            h(PluginSettings, { pluginID: plugin.id, settings: plugin.settings ?? [] }),
          ),
        ),
      ),
    ),
  );
}

function TasksPanel() {
  const Toast = useToast();
  const [plugins, error] = usePromise(allPlugins, []);
  if (error) return h("p", { role: "alert" }, error.message);
  if (!plugins) return h(LoadingIndicator);
  async function start(id, task) {
    try {
      await ask("mutation RunPluginTask($id: ID!, $task: String!) { runPluginTask(plugin_id: $id, task_name: $task) }", {
        id,
        task,
      });
      Toast.success(`Added job to queue: ${task}`);
    } catch (problem) {
      Toast.error(problem);
    }
  }
  return h(
    "div",
    { className: "setting-section", id: "plugin-tasks" },
    h("h1", null, "Plugin tasks"),
    h(
      Card,
      null,
      plugins.map((plugin) =>
        (plugin.tasks ?? []).map((task) =>
          h(
            "div",
            { key: `${plugin.id} ${task.name}`, className: "setting" },
            h(
              "div",
              null,
              h("h3", null, task.name),
              h("div", { className: "sub-heading" }, task.description),
            ),
            h("div", null, h(Button, { variant: "secondary", onClick: () => start(plugin.id, task.name) }, task.name)),
          ),
        ),
      ),
    ),
  );
}

export default function Settings() {
  const asked = new URLSearchParams(useLocation().search).get("tab");
  const tab = asked in TABS ? asked : "tasks";
  return h(
    SettingsProvider,
    null,
    h(
      Tab.Container,
      { activeKey: tab, id: "configuration-tabs" },
      h(
        Row,
        null,
        h(
          Col,
          { id: "settings-menu-container", sm: 3, md: 3, xl: 2 },
          h(
            Nav,
            { variant: "pills", className: "flex-column" },
            Object.entries(TABS).map(([key, label]) =>
              h(
                Nav.Item,
                { key },
                h(Nav.Link, { as: Link, eventKey: key, to: `/settings?tab=${key}`, href: `/settings?tab=${key}` }, label),
              ),
            ),
          ),
        ),
        h(
          Col,
          { id: "settings-container", sm: { offset: 3 }, md: { offset: 3 }, xl: { offset: 2 } },
          h(
            Tab.Content,
            { className: "mx-auto" },
            h(Tab.Pane, { eventKey: "tasks", unmountOnExit: true }, h(TasksPanel)),
            h(Tab.Pane, { eventKey: "plugins", unmountOnExit: true }, h(PluginsPanel)),
          ),
        ),
      ),
    ),
  );
}
