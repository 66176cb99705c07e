/** Whether the kernel of a page is still there. A page stays when its kernel is restarted, dies or is shut down; nothing that is asked of it is heard any more. */
export const GONE = "The kernel is gone. Labels that were saved are on disk: run the cell again to go on.";

/**
 * Call `lost` once, when the comm of a model is closed by the end of its kernel. Front ends that do not tell are taken at their word: nothing happens.
 * @param {any} model as a view gets it @param {string} id of the widget @param {() => void} lost
 * @returns {() => void} stops watching
 */
export function watchKernel(model, id, lost) {
  let over = false,
    stop = () => {};
  const end = () => {
    if (over) return;
    over = true;
    stop();
    lost();
  };
  (async () => {
    const own = await model.widget_manager.get_model(id),
      kernel = own.comm?.jsServicesComm?._kernel ?? own.comm?._kernel;
    const live = () => own.comm_live === false && end();
    const status = (_, said) => ["dead", "restarting", "autorestarting", "terminating"].includes(said) && end();
    own.on?.("comm_live_update", live);
    kernel?.statusChanged?.connect(status);
    kernel?.disposed?.connect(end);
    stop = () => {
      own.off?.("comm_live_update", live);
      kernel?.statusChanged?.disconnect(status);
      kernel?.disposed?.disconnect(end);
    };
    if (over) stop();
    else live();
  })().catch(() => {}); // another front end
  return () => {
    over = true;
    stop();
  };
}
