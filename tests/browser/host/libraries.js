// The libraries as modules. Stash bundles them: a plugin that reads `window.React` fails there, so it has to fail here.

function take(name) {
  const library = window[name];
  if (!library) throw new Error(`The library ${name} was not loaded`);
  delete window[name];
  return library;
}

export const React = take("React");
export const ReactDOM = take("ReactDOM");
export const ReactRouterDOM = take("ReactRouterDOM");
export const Bootstrap = take("ReactBootstrap");
export const FontAwesomeSolid = take("free-solid-svg-icons");
export const h = React.createElement;
