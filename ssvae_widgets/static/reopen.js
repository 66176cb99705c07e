/**
 * The output beside a live map in a saved notebook. Where the notebook is opened again, trusted but without the kernel it was made in, JupyterLab says only
 * that the widget is not there; then this puts the picture in its place. Beside a live map it does nothing. ID, PICTURE and WORDS are filled in by Python.
 */
(() => {
  let looks = 0;
  const look = () => {
    const out = document
      .getElementById(ID)
      ?.closest(".jp-OutputArea-child")
      ?.nextElementSibling?.querySelector(".jp-OutputArea-output");
    if (out?.querySelector("canvas.ssvae-points, img")) return;
    if (!out || !out.textContent.startsWith("Error displaying widget")) {
      if (++looks < 400) setTimeout(look, 300);
      return;
    }
    const picture = new Image(),
      note = document.createElement("p");
    picture.src = `data:image/png;base64,${PICTURE}`;
    picture.alt = note.textContent = WORDS;
    picture.style.maxWidth = "100%";
    out.replaceChildren(picture, note);
  };
  look();
})();
