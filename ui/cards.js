// By choice (mark_scenes): a small mark on each scene's card. All cards of a page are asked for together.
(function () {
  "use strict";
  const P = window.PlexSync;
  const api = window.PluginApi;
  if (!api) return;
  const { React } = api;
  const { useEffect, useState } = React;
  const { h } = P;
  const GATHER = 150; // milliseconds in which the cards of a page come together
  const MOST = 500;
  let waiting = new Map();
  let timer = 0;

  async function look() {
    const asked = waiting;
    waiting = new Map();
    timer = 0;
    const ids = Array.from(asked.keys());
    for (let start = 0; start < ids.length; start += MOST) {
      const some = ids.slice(start, start + MOST);
      try {
        const { marks } = await P.ask("marks", { scenes: some });
        some.forEach((id) => asked.get(id)(marks[id] || ""));
      } catch (error) {
        return; // a card without a mark is as good as before
      }
    }
  }

  function CardMark({ id }) {
    const [mark, setMark] = useState("");
    useEffect(() => {
      waiting.set(id, setMark);
      if (!timer) timer = window.setTimeout(look, GATHER);
      return () => { if (waiting.get(id) === setMark) waiting.delete(id); };
    }, [id]);
    const said = P.texts.scene.mark[mark];
    return said ? h("span", { className: `plexsync-card-mark plexsync-card-${mark}`, title: said, role: "img", "aria-label": said }, "▶") : null;
  }

  function Overlay({ id }) {
    return P.useShared(P.marksScenes) ? h(CardMark, { id }) : null;
  }

  api.patch.after("SceneCard.Overlays", function (props) {
    const result = arguments[arguments.length - 1];
    return h(React.Fragment, null, result, h(Overlay, { id: Number(props.scene.id) }));
  });
})();
