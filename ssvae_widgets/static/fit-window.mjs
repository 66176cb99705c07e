/** How high an app may be so that all of it is in view: the height of the window, or of the panel that scrolls it. */

/** What scrolls the outputs of a notebook: JupyterLab and Notebook 7, an output in a view of its own, the classic page. */
const PANELS = ".jp-WindowedPanel-outer, .jp-LinkedOutputView, .lm-DockPanel-widget, #site";

/** Pixels of the panel that an app leaves free: the paddings of a cell; and what is seen of it below the app. */
const [MARGIN, EDGE] = [24, 6];

/** Width up to which the parts stand below each other (labeler.css), and the height that they need then. */
const [NARROW, STACKED] = [780, 780];

/** Height below which they would not be in view together, the width that two columns need, and the height of training below them. */
const [LOW, COLUMNS, BELOW] = [600, 560, 150];

/**
 * The height that is in view around an element, in CSS pixels. Where an output lives in a frame of its own, as in Colab, the frame
 * follows its content, and its height says nothing: a share of the screen is taken.
 * @param {Element} el
 */
export function roomAround(el) {
  const panel = el.closest(PANELS);
  if (panel) return panel.clientHeight;
  return window.top === window ? window.innerHeight : Math.min(760, 0.7 * (window.screen?.availHeight || 1000));
}

/** The apps that have been on a page: their models. */
const shown = new WeakSet();

/** Whether somebody has pressed a key or a button since this page was loaded; true where a browser cannot say. */
function touched() {
  const counts = performance.eventCounts;
  return !counts || ["keydown", "pointerdown"].some((type) => counts.get(type) > 0);
}

/** How far a panel is scrolled so that all of an app is in view that begins in it: pixels, 0 where that is so, or it is farther down. */
export function scrollToShow(panel, app) {
  const below = app.bottom + EDGE - panel.bottom;
  return below > 0 && app.top >= panel.top && app.top < panel.bottom - 100 ? Math.min(below, app.top - panel.top) : 0;
}

/**
 * Keep `--ssvae-fit` of the app around `el` at the height that is in view; an app that is new on the page, below the cell that was run,
 * is scrolled into view. @param {Element} el @param {any} model @returns {() => void} the end of it
 */
export function fitWindow(el, model) {
  /** @type {Element | null} */
  let panel = null;
  const begin = () => {
    const app = el.closest(".ssvae-labeler");
    if (!app?.isConnected || !panel || shown.has(model)) return;
    shown.add(model);
    if (!touched()) return; // the page was loaded again: nobody has run a cell on it
    panel.scrollTop += scrollToShow(panel.getBoundingClientRect(), app.getBoundingClientRect());
  };
  const measure = () => {
    const app = /** @type {HTMLElement | null} */ (el.closest(".ssvae-labeler"));
    if (!app?.isConnected) return;
    const now = app.closest(PANELS);
    if (now !== panel) {
      if (panel) watch.unobserve(panel);
      panel = now;
      if (panel) watch.observe(panel);
    }
    const room = roomAround(app) - MARGIN,
      narrow = app.clientWidth <= NARROW,
      low = narrow && room < LOW && app.clientWidth > COLUMNS && !app.classList.contains("ssvae-fixed"),
      fit = `${Math.round(low ? room + BELOW : narrow ? Math.max(room, STACKED) : room)}px`;
    app.classList.toggle("ssvae-low", low);
    if (app.style.getPropertyValue("--ssvae-fit") !== fit) app.style.setProperty("--ssvae-fit", fit);
    if (!shown.has(model)) requestAnimationFrame(begin);
  };
  const watch = new ResizeObserver(() => requestAnimationFrame(measure));
  watch.observe(el);
  window.addEventListener("resize", measure);
  return () => {
    watch.disconnect();
    window.removeEventListener("resize", measure);
  };
}

/** What listens for the focus leaving an app that fills the window. */
const outside = new WeakMap();

/**
 * The app over everything else in the window, or back in its place: the layer on top of a page belongs to no panel, so that nothing
 * cuts it off. @param {HTMLElement} app @returns {boolean} whether it fills the window now
 */
export function fillWindow(app) {
  const fill = !app.classList.contains("ssvae-full");
  app.classList.toggle("ssvae-full", fill);
  if (fill) {
    app.setAttribute("popover", "manual");
    app.showPopover?.();
    outside.set(app, (event) => {
      if (!app.contains(event.target)) fillWindow(app); // a dialog of the notebook, which would lie unseen behind it
    });
    document.addEventListener("focusin", outside.get(app));
  } else {
    document.removeEventListener("focusin", outside.get(app));
    outside.delete(app);
    app.hidePopover?.();
    app.removeAttribute("popover");
  }
  for (const box of /** @type {NodeListOf<HTMLElement>} */ (app.querySelectorAll(".ssvae-dock"))) {
    box.style.display = "none"; // Chromium lays a container out as empty when what it is in comes into the top layer
    void box.offsetHeight;
    box.style.display = "";
  }
  window.dispatchEvent(new Event("resize"));
  if (fill) app.focus({ preventScroll: true });
  return fill;
}
