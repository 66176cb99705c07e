/**
 * The point layer: one canvas under the SVG of a bqplot figure that paints all N points, and the pointer and keys of the map.
 * Python holds the truth; this file shows it, and tells Python what the person meant. The view, geometry, painting, keys and state are in the
 * .mjs files beside it, which Python inlines (see nbs/widgets/01_assets), because a notebook loads one module for a widget.
 */
import { MapView } from "./map-view.mjs";
import { forgetShow } from "./on-show.mjs";
import { Shared } from "./shared-map.mjs";

/** Made once for each model. */
const shared = new Map();

function initialize({ model }) {
  const key = model.get("key");
  shared.set(key, new Shared(model));
  return () => {
    shared.get(key)?.unwatch();
    shared.delete(key);
    forgetShow(key);
  };
}

function render({ model, el }) {
  const key = model.get("key");
  if (!shared.has(key)) shared.set(key, new Shared(model));
  const view = new MapView(model, el, shared.get(key));
  // Not awaited: a box attaches its children only when all of them have rendered, so waiting for the figure here would never end.
  view.attach().catch((e) => {
    view.status.textContent = "The map could not be drawn: " + e.message;
    console.error(e);
  });
  return () => view.close();
}

export default { initialize, render };
