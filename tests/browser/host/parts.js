// Small components and hooks that Stash gives to plugins.
import { Bootstrap, React, h } from "./libraries.js";
import { patchableComponent } from "./patch.js";

const { Spinner, Toast } = Bootstrap;

/** An icon of Font Awesome, as an inline picture. */
export const Icon = patchableComponent("Icon", ({ icon, className = "", title, color }) => {
  const [width, height, , , path] = icon.icon;
  const shapes = Array.isArray(path) ? path : [path];
  return h(
    "svg",
    {
      "aria-hidden": title ? undefined : true,
      className: `svg-inline--fa fa-${icon.iconName} fa-icon ${className}`,
      color,
      role: "img",
      viewBox: `0 0 ${width} ${height}`,
      xmlns: "http://www.w3.org/2000/svg",
    },
    title ? h("title", null, title) : null,
    shapes.map((shape, number) => h("path", { key: number, fill: "currentColor", d: shape })),
  );
});

/** What stands where something is still being loaded. An empty message shows none. */
export const LoadingIndicator = patchableComponent(
  "LoadingIndicator",
  ({ message, inline = false, small = false, card = false }) =>
    h(
      "div",
      {
        className: ["LoadingIndicator", inline && "inline", small && "small", card && "card-based"]
          .filter(Boolean)
          .join(" "),
      },
      h(
        Spinner,
        { animation: "border", role: "status", size: small ? "sm" : undefined },
        h("span", { className: "sr-only" }, "Loading..."),
      ),
      message === "" ? null : h("h4", { className: "LoadingIndicator-message" }, message ?? "Loading..."),
    ),
);

const ToastContext = React.createContext(null);
let toasts = 0;

/** Shows one toast at a time. Unlike Stash's it stays until the next one: a test may look for it late. */
export function ToastProvider({ children }) {
  const [toast, setToast] = React.useState(null);
  const show = React.useCallback((item) => setToast({ ...item, id: (toasts += 1) }), []);
  return h(
    ToastContext.Provider,
    { value: show },
    children,
    h(
      "div",
      { className: "toast-container row" },
      toast &&
        h(
          Toast,
          { key: toast.id, className: toast.variant ?? "success", onClose: () => setToast(null) },
          h(Toast.Header, null, h("span", { className: "mr-auto" }, toast.content)),
        ),
    ),
  );
}

/** `success(text)` and `error(what was thrown)`. An error is in the browser's console too, as in Stash. */
export function useToast() {
  const show = React.useContext(ToastContext);
  if (!show) throw new Error("useToast must be used within a ToastProvider");
  return React.useMemo(
    () => ({
      toast: show,
      success: (content) => show({ content }),
      error(error) {
        console.error(error);
        show({ variant: "danger", content: error instanceof Error ? error.message : String(error) });
      },
    }),
    [show],
  );
}

/** Load what Stash loads only when it is needed; true while that goes on. */
export function useLoadComponents(loaders) {
  const [loading, setLoading] = React.useState(true);
  const [wanted] = React.useState(loaders);
  React.useEffect(() => {
    Promise.all(wanted.map((load) => load())).then(() => setLoading(false));
  }, [wanted]);
  return loading;
}

/** Work on something that a promise gives: `[value, error]`. */
export function usePromise(make, dependencies) {
  const [state, setState] = React.useState([undefined, null]);
  React.useEffect(() => {
    let isWanted = true;
    setState([undefined, null]);
    make().then(
      (value) => isWanted && setState([value, null]),
      (error) => isWanted && setState([undefined, error]),
    );
    return () => {
      isWanted = false;
    };
  }, dependencies);
  return state;
}
