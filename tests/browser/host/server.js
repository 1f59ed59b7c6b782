// Stash's API, below the base path.

export const base = document.querySelector("base").getAttribute("href");

/** Ask by GraphQL; gives `data`, throws what Stash's errors say. */
export async function ask(query, variables = {}) {
  const response = await fetch(new URL("graphql", document.baseURI), {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ query, variables }),
  });
  const answer = await response.json();
  if (answer.errors?.length) throw new Error(answer.errors.map((error) => error.message).join("; "));
  return answer.data;
}

let configured = null;

/** The settings of all plugins. They are asked for once a page load and after each save, as Stash's cache does. */
export function pluginSettings() {
  configured ||= ask("query Configuration { configuration { plugins } }").then((data) => data.configuration.plugins);
  return configured;
}

/** Replace the whole map of one plugin. */
export async function configurePlugin(id, input) {
  await ask("mutation ConfigurePlugin($id: ID!, $input: Map!) { configurePlugin(plugin_id: $id, input: $input) }", {
    id,
    input,
  });
  configured = null;
}

let listed = null;

/** All plugins. */
export function plugins() {
  listed ||= ask(`query Plugins { plugins {
    id name description version enabled requires paths { javascript css }
    settings { name display_name description type } tasks { name description }
  } }`).then((data) => data.plugins ?? []);
  return listed;
}
