/**
 * A notebook imports the module of every widget it makes as a new one, and a page never forgets a module. So what it imports is only these lines: the code itself
 * is imported once for each version (`KEY` is its hash) and kept for all widgets of the page.
 */
const modules = (globalThis[Symbol.for("ssvae_widgets")] ??= new Map());
const load = (model) => {
  if (!modules.has(KEY)) {
    const url = URL.createObjectURL(new Blob([model.get("code")], { type: "text/javascript" }));
    modules.set(
      KEY,
      import(url).finally(() => URL.revokeObjectURL(url)),
    );
  }
  return modules.get(KEY);
};
export default {
  initialize: (context) => load(context.model).then((m) => m.openWidget(m.default, context)),
  render: (context) => load(context.model).then((m) => m.showWidget(m.default, context)),
};
