// `window.PluginApi`, as far as this page has it. Stash's has more: Apollo, GQL, Intl, Mousetrap, ReactSelect, ...
import * as libraries from "./libraries.js";
import { after, before, components, instead, registerComponent } from "./patch.js";
import { useLoadComponents, useToast } from "./parts.js";
import { useSettings } from "./settings_context.js";

const { React, ReactDOM, h } = libraries;

class StashEvent extends EventTarget {
  dispatch(name, id, data) {
    const event = id ? `stash:${name}:${id}` : `stash:${name}`;
    this.dispatchEvent(new CustomEvent(event, { detail: { event, ...(id && { id }), ...(data && { data }) } }));
  }
}

export const Event = new StashEvent();

const loadableComponents = {
  Scenes: () => import("./scenes.js"),
  SceneCard: () => import("./scenes.js"),
  Scene: () => import("./scenes.js"),
  Settings: () => import("./settings.js"),
};

function route(path, component) {
  const { Route } = libraries.ReactRouterDOM;
  before("PluginRoutes", ({ children }) => [
    { children: h(React.Fragment, null, children, h(Route, { path, component })) },
  ]);
}

window.PluginApi = {
  React,
  ReactDOM,
  libraries: {
    ReactRouterDOM: libraries.ReactRouterDOM,
    Bootstrap: libraries.Bootstrap,
    FontAwesomeSolid: libraries.FontAwesomeSolid,
  },
  register: { route, component: registerComponent },
  loadableComponents,
  components,
  utils: { loadComponents: (loaders) => Promise.all(loaders.map((load) => load())) },
  hooks: { useLoadComponents, useSettings, useToast },
  patch: { before, instead, after },
  Event,
};
