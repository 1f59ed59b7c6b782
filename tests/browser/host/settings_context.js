// What Stash's settings page knows and how it saves. Plugins reach it by `useSettings`.
import { Bootstrap, React, h } from "./libraries.js";
import { useToast } from "./parts.js";
import { configurePlugin, pluginSettings } from "./server.js";

const PAUSE = 500; // milliseconds without a further change before a save

const SettingsContext = React.createContext(null);

export function useSettings() {
  const context = React.useContext(SettingsContext);
  if (context === null) throw new Error("useSettings must be used within a SettingsContext");
  return context;
}

/** Reads the plugins' settings once, and never looks again: what a task writes meanwhile is not seen. */
export function SettingsProvider({ children }) {
  const Toast = useToast();
  const [plugins, setPlugins] = React.useState({});
  const [loading, setLoading] = React.useState(true);
  const [pending, setPending] = React.useState(undefined);
  const [saved, setSaved] = React.useState(undefined);

  React.useEffect(() => {
    let isWanted = true;
    pluginSettings().then((found) => {
      if (!isWanted) return;
      setPlugins(found);
      setLoading(false);
    }, Toast.error);
    return () => {
      isWanted = false;
    };
  }, [Toast]);

  const timer = React.useRef(0);
  React.useEffect(() => {
    if (!pending) return;
    // Nobody stops this clock when the page is left: the save comes all the same.
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(async () => {
      try {
        setSaved(undefined);
        for (const [id, input] of Object.entries(pending)) await configurePlugin(id, input);
        setPending(undefined);
        setSaved(true);
      } catch (error) {
        Toast.error(error);
        setSaved(false);
      }
    }, PAUSE);
  }, [pending, Toast]);

  /** Replace one plugin's map. The maps of ALL plugins are saved with it, as they were when the page was loaded. */
  function savePluginSettings(id, input) {
    setPlugins({ ...plugins, [id]: input });
    setPending((current) => ({ ...(current ?? plugins), [id]: input }));
  }

  let sign = null;
  if (saved === false) sign = h("div", { className: "loading-indicator failed" }, "✗");
  else if (pending) {
    const hidden = h("span", { className: "sr-only" }, "Loading...");
    sign = h(
      "div",
      { className: "loading-indicator" },
      h(Bootstrap.Spinner, { animation: "border", role: "status" }, hidden),
    );
  } else if (saved) sign = h("div", { className: "loading-indicator success" }, "✓");

  return h(SettingsContext.Provider, { value: { loading, plugins, savePluginSettings } }, sign, children);
}
