// What plugins may change: components by name, with what each plugin wants to be called before, instead or after.
// The rules are Stash's, its odd ones too.

export const components = {};
const patches = { before: {}, instead: {}, after: {} };

function registrar(kind) {
  return (name, patch) => {
    (patches[kind][name] ||= []).push(patch);
  };
}

/** A patch gets the arguments, and returns the array of those that the component gets instead. */
export const before = registrar("before");
/** A patch gets the arguments, and as the LAST one what would be called without it. React itself passes two. */
export const instead = registrar("instead");
/** A patch gets the arguments, and as the LAST one the result so far; it returns the result. */
export const after = registrar("after");

/** Make a component known to plugins. A name that is taken is an error. */
export function registerComponent(name, component) {
  if (components[name]) throw new Error(`Component ${name} has already been registered`);
  components[name] = component;
  return component;
}

/** A function that plugins can patch under a name. */
export function patchable(name, original) {
  const patched = (...given) => {
    const args = (patches.before[name] || []).reduce((soFar, patch) => patch(...soFar), given);
    // The patch that was registered first is the outermost one.
    const call = (patches.instead[name] || []).reduceRight((next, patch) => (...own) => patch(...own, next), original);
    return (patches.after[name] || []).reduce((result, patch) => patch(...args, result), call(...args));
  };
  patched.displayName = name;
  return patched;
}

/** A component that plugins can patch and use. */
export const patchableComponent = (name, component) => registerComponent(name, patchable(name, component));

/** A component that shows its children, for plugins to add some. */
export const patchableContainer = (name) => patchableComponent(name, ({ children }) => children ?? null);
