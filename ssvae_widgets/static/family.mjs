/**
 * What others keep of a widget that is gone, tried with JupyterLab 4.6 and ipywidgets 8.1, and let go of here for the models named in `family`:
 * a kernel connection keeps every comm, which leads to its model; a model keeps the views of its layout and scales and whatever listened for a view, which lead to the view.
 * `on_some_change` forgets which view listens; here it is told.
 */
function listenProperly(m) {
  const before = m.on_some_change;
  if (before && !Object.hasOwn(m, "on_some_change"))
    m.on_some_change = (names, f, who) => {
      if (who?.listenTo && who.model === m)
        who.listenTo(m, "change", (...a) => {
          if (names.some(m.hasChanged, m)) f.apply(who, a);
        });
      else before.call(m, names, f, who);
    };
}

class Family {
  constructor(model) {
    this.models = new Map();
    const hold = () => {
      for (const id of model.get("family"))
        Promise.resolve()
          .then(() => model.widget_manager.get_model(id))
          .then(
            (m) => {
              listenProperly(m);
              this.models.set(m, m.comm?.jsServicesComm);
            },
            () => 0,
          );
    };
    setTimeout(hold, 0);
    model.on("change:family", hold);
  }

  /** A view was removed: remove the views that were part of it, and what listens for views that are gone. */
  async prune() {
    const open = async (m) =>
      (await Promise.allSettled(Object.values(m.views || {})))
        .map((r) => (r.status === "fulfilled" ? r.value : null))
        .filter(Boolean);
    for (const m of this.models.keys()) {
      for (const view of await open(m)) {
        const whole = view.parent || view.options?.parent;
        if (whole && !(await open(whole.model)).includes(whole)) view.remove();
      }
      if ((await open(m)).length) continue;
      for (const [name, heard] of Object.entries(m._events || {}))
        m._events[name] = heard.filter((l) =>
          l.context ? l.context.model !== m : name !== "msg:custom" && name !== "change:display_toolbar",
        );
    }
  }

  /** The models were closed: let their comms lead nowhere. */
  release(tries = 10) {
    for (const [m, comm] of this.models)
      if (!comm || comm.isDisposed) {
        if (comm) comm.onClose = comm.onMsg = undefined;
        this.models.delete(m);
      }
    if (this.models.size && tries) setTimeout(() => this.release(tries - 1), 1000);
  }
}

const families = new Map();

/** Begin a widget (`widget` is what its module exports) together with the family of models it belongs to. @returns {Promise<Function>} the end of it */
export async function openWidget(widget, context) {
  const key = context.model.get("key"),
    family = new Family(context.model);
  families.set(key, family);
  const end = await widget.initialize?.(context);
  return () => {
    end?.();
    families.delete(key);
    setTimeout(() => family.release(), 200);
  };
}

/** One view of it. */
export function showWidget(widget, context) {
  const key = context.model.get("key"),
    end = widget.render(context);
  return () => {
    end?.();
    setTimeout(() => families.get(key)?.prune(), 300);
  };
}
