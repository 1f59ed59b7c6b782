// The pages /scenes and /scenes/:id.
import { Bootstrap, React, ReactRouterDOM, h } from "./libraries.js";
import { patchableComponent, patchableContainer } from "./patch.js";
import { LoadingIndicator, usePromise } from "./parts.js";
import { ask } from "./server.js";

const { Card, Nav, Tab } = Bootstrap;
const { Link, Route, Switch } = ReactRouterDOM;

const FIELDS = `fragment SceneData on Scene {
  id title code details director date rating100 organized o_counter created_at updated_at
  paths { screenshot }
  files { id path basename size duration width height video_codec }
  studio { id name image_path }
  performers { id name disambiguation image_path }
  tags { id name }
  groups { group { id name } scene_index }
  stash_ids { endpoint stash_id }
}`;

const titleOf = (scene) => scene.title || scene.files[0]?.basename || `Scene ${scene.id}`;

const SceneCardOverlays = patchableComponent("SceneCard.Overlays", ({ scene }) =>
  scene.studio ? h("div", { className: "studio-overlay" }, scene.studio.name) : null,
);

/** A scene in a list. */
export const SceneCard = patchableComponent("SceneCard", (props) => {
  const { scene } = props;
  const picture = { className: "scene-card-preview-image", src: scene.paths.screenshot, alt: "", loading: "lazy" };
  return h(
    Card,
    { className: "scene-card grid-card", "data-scene": scene.id },
    h(
      "div",
      { className: "thumbnail-section video-section" },
      h(Link, { to: `/scenes/${scene.id}`, className: "scene-card-link" }, h("img", picture)),
      h(SceneCardOverlays, props),
    ),
    h(
      "div",
      { className: "card-section" },
      h(Link, { to: `/scenes/${scene.id}` }, h("h5", { className: "card-section-title" }, titleOf(scene))),
      h("div", { className: "scene-card__date" }, scene.date),
    ),
  );
});

function SceneList() {
  const [found, error] = usePromise(
    () =>
      ask(
        `query FindScenes($filter: FindFilterType) { findScenes(filter: $filter) { scenes { ...SceneData } } } ${FIELDS}`,
        { filter: { per_page: 40, sort: "id", direction: "ASC" } },
      ),
    [],
  );
  if (error) return h("p", { role: "alert" }, error.message);
  if (!found) return h(LoadingIndicator);
  return h(
    "div",
    { className: "row justify-content-center scene-list" },
    found.findScenes.scenes.map((scene, index) => h(SceneCard, { key: scene.id, scene, index })),
  );
}

const facts = (entries) =>
  h(
    "dl",
    { className: "details-list" },
    entries
      .filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([label, value]) => h(React.Fragment, { key: label }, h("dt", null, label), h("dd", null, value))),
  );

const SceneDetailPanel = patchableComponent("SceneDetailPanel", ({ scene }) =>
  facts([
    ["Details", scene.details],
    ["Director", scene.director],
    ["Studio code", scene.code],
    ["Performers", scene.performers.map((one) => one.name).join(", ")],
    ["Tags", scene.tags.map((one) => one.name).join(", ")],
  ]),
);

const SceneFileInfoPanel = patchableComponent("SceneFileInfoPanel", ({ scene }) =>
  h(
    React.Fragment,
    null,
    scene.files.map((file) =>
      h(React.Fragment, { key: file.id }, facts([["Path", file.path], ["File size", `${file.size} bytes`]])),
    ),
  ),
);

const ScenePageTabs = patchableContainer("ScenePage.Tabs");
const ScenePageTabContent = patchableContainer("ScenePage.TabContent");

const ScenePage = patchableComponent("ScenePage", (props) => {
  const { scene } = props;
  const [tab, setTab] = React.useState("scene-details-panel");
  const link = (eventKey, label) => h(Nav.Item, null, h(Nav.Link, { eventKey }, label));
  return h(
    "div",
    { className: "row scene-page" },
    h(
      "div",
      { className: "scene-tabs col-xl-4" },
      h("h3", { className: "scene-header" }, titleOf(scene)),
      h("div", { className: "scene-subheader" }, scene.studio?.name, " ", scene.date),
      h(
        Tab.Container,
        { id: "scene-tabs", activeKey: tab, onSelect: (key) => key && setTab(key) },
        h(
          "div",
          null,
          h(
            Nav,
            { variant: "tabs", className: "mr-auto" },
            h(ScenePageTabs, props, link("scene-details-panel", "Details"), link("scene-file-info-panel", "File info")),
          ),
        ),
        h(
          Tab.Content,
          null,
          h(
            ScenePageTabContent,
            props,
            h(Tab.Pane, { eventKey: "scene-details-panel" }, h(SceneDetailPanel, { scene })),
            h(Tab.Pane, { eventKey: "scene-file-info-panel" }, h(SceneFileInfoPanel, { scene })),
          ),
        ),
      ),
    ),
    h("div", { className: "scene-player-container col-xl-8" }, h("img", { src: scene.paths.screenshot, alt: "" })),
  );
});

function SceneLoader({ match }) {
  const { id } = match.params;
  const [found, error] = usePromise(
    () => ask(`query FindScene($id: ID!) { findScene(id: $id) { ...SceneData } } ${FIELDS}`, { id }),
    [id],
  );
  if (error) return h("p", { role: "alert" }, error.message);
  if (!found) return h(LoadingIndicator);
  if (!found.findScene) return h("p", { role: "alert" }, `No scene found with id ${id}.`);
  return h(ScenePage, { key: id, scene: found.findScene, queueScenes: [] });
}

export default function Scenes() {
  return h(
    Switch,
    null,
    h(Route, { exact: true, path: "/scenes", component: SceneList }),
    h(Route, { path: "/scenes/:id", component: SceneLoader }),
  );
}
