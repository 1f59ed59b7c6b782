// The page itself: loads what the plugins bring, then draws the navigation and the routes.
import { Bootstrap, FontAwesomeSolid, React, ReactDOM, ReactRouterDOM, h } from "./libraries.js";
import { Icon, LoadingIndicator, ToastProvider } from "./parts.js";
import { patchable, patchableComponent } from "./patch.js";
import { Event } from "./plugin_api.js";
import { base, pluginSettings, plugins as allPlugins } from "./server.js";

const { Button, Nav, Navbar } = Bootstrap;
const { BrowserRouter, Link, NavLink, Route, Switch, useLocation } = ReactRouterDOM;

const Scenes = React.lazy(() => import("./scenes.js"));
const Settings = React.lazy(() => import("./settings.js"));

const MENU = [
  ["/scenes", "Scenes", FontAwesomeSolid.faPlayCircle],
  ["/performers", "Performers", FontAwesomeSolid.faUser],
];

// --- the navigation

const MenuItems = patchableComponent("MainNavBar.MenuItems", ({ children }) => h(Nav, null, children));
const UtilityItems = patchableComponent("MainNavBar.UtilityItems", ({ children }) => children);

function MainNavBar() {
  const [expanded, setExpanded] = React.useState(false);
  const utilities = () =>
    h(
      NavLink,
      { className: "nav-utility", exact: true, to: "/settings", onClick: () => setExpanded(false) },
      h(
        Button,
        { className: "minimal d-flex align-items-center h-100", title: "Settings" },
        h(Icon, { icon: FontAwesomeSolid.faCog }),
      ),
    );
  return h(
    Navbar,
    {
      collapseOnSelect: true,
      fixed: "top",
      variant: "dark",
      bg: "dark",
      className: "top-nav",
      expand: "xl",
      expanded,
      onToggle: setExpanded,
    },
    h(
      Navbar.Collapse,
      { className: "bg-dark order-sm-1" },
      h(
        MenuItems,
        null,
        MENU.map(([to, label, icon]) =>
          h(
            Nav.Link,
            { key: to, eventKey: to, as: "div", className: "col-4 col-sm-3 col-md-2 col-lg-auto" },
            h(
              NavLink,
              { exact: true, to, className: "btn minimal p-4 p-xl-2" },
              h(Icon, { icon, className: "nav-menu-icon" }),
              h("span", null, label),
            ),
          ),
        ),
      ),
      h(Nav, null, h(UtilityItems, null, utilities())),
    ),
    h(
      Navbar.Brand,
      { as: "div", onClick: () => setExpanded(false) },
      h(Link, { to: "/", className: "btn minimal brand-link" }, "Stash"),
    ),
    h(
      Nav,
      { className: "navbar-buttons flex-row ml-auto order-xl-2" },
      h(UtilityItems, null, utilities()),
      h(
        Navbar.Toggle,
        { className: "nav-menu-toggle ml-sm-2" },
        h(Icon, { icon: expanded ? FontAwesomeSolid.faTimes : FontAwesomeSolid.faBars }),
      ),
    ),
  );
}

// --- the routes

// Plugins' routes stand in the switch as one entry that always fits, so that nothing after it is ever shown.
const PluginRoutes = patchable("PluginRoutes", ({ children }) => children ?? null);

class ErrorBoundary extends React.Component {
  state = { error: null };

  static getDerivedStateFromError(error) {
    return { error };
  }

  render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return h("div", { role: "alert", className: "ErrorMessage-container" }, h("h1", null, "Something went wrong."), h("pre", null, error.stack));
  }
}

function App() {
  const location = useLocation();
  React.useEffect(() => {
    Event.dispatch("location", "", { location });
  }, [location]);
  return h(
    React.Fragment,
    null,
    h(MainNavBar),
    h(
      "div",
      { className: "main container-fluid" },
      h(
        ErrorBoundary,
        null,
        h(
          React.Suspense,
          { fallback: h(LoadingIndicator) },
          h(
            Switch,
            null,
            h(Route, { exact: true, path: "/", render: () => h("h2", { className: "front-page" }, "Stash") }),
            h(Route, { path: "/scenes", component: Scenes }),
            h(Route, { path: "/settings", component: Settings }),
            h(PluginRoutes),
            h(Route, { render: () => h("h1", null, "Page not found.") }),
          ),
        ),
      ),
    ),
  );
}

// --- what plugins bring

/** Plugins that others need come before those. */
function sorted(plugins) {
  const done = [];
  function take(plugin, way = []) {
    if (!plugin || done.includes(plugin) || way.includes(plugin)) return;
    for (const id of plugin.requires ?? []) take(plugins.find((one) => one.id === id), [...way, plugin]);
    done.push(plugin);
  }
  plugins.forEach((plugin) => take(plugin));
  return done;
}

/** A classic script at the end of the head; the browser keeps their order. One that fails to load stops nobody. */
function loadScript(src) {
  return new Promise((done) => {
    const script = Object.assign(document.createElement("script"), { src, async: false, onload: done, onerror: done });
    document.head.append(script);
  });
}

async function loadPlugins() {
  const enabled = sorted(await allPlugins()).filter((plugin) => plugin.enabled);
  for (const href of new Set(enabled.flatMap((plugin) => plugin.paths.css ?? [])))
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href }));
  await Promise.all([...new Set(enabled.flatMap((plugin) => plugin.paths.javascript ?? []))].map(loadScript));
}

async function start() {
  pluginSettings(); // what the settings page takes for true, from now on
  await loadPlugins();
  ReactDOM.render(
    h(
      ErrorBoundary,
      null,
      h(ToastProvider, null, h(BrowserRouter, { basename: base.replace(/\/$/, "") }, h(App))),
    ),
    document.getElementById("root"),
  );
}

start();
