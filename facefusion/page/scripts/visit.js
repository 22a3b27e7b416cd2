// The results since the page was opened, to be opened again. They are in this page's memory alone, and
// gone with it.
const visit = (() => {
  const { find, set } = dom;
  const MOST = 12; // results
  const MOST_BYTES = 150e6; // of a phone's memory
  const SIDE = 144; // of a small picture, in pixels: twice what it takes on the screen
  const kept = []; // the oldest first
  let count = 0;

  const draw = async (canvas, blob) => {
    const image = Object.assign(new Image(), { src: URL.createObjectURL(blob) });
    await image.decode();
    URL.revokeObjectURL(image.src);
    const side = Math.min(image.naturalWidth, image.naturalHeight);
    const [left, top] = [(image.naturalWidth - side) / 2, (image.naturalHeight - side) / 3];
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.drawImage(image, left, top, side, side, 0, 0, SIDE, SIDE);
  };
  const bytes = () => kept.flatMap(({ entry: { before, after, photoFile } }) => [before, after, photoFile])
    .reduce((sum, blob) => sum + (blob?.size ?? 0), 0);
  const show = () => {
    const strip = find("#visit .strip");
    if (!strip) return;
    strip.closest(".visit").hidden = kept.length < 2; // one result is in the view
    for (const { entry, number, button } of kept) {
      set(button, "aria-label", choice.say("visit.open").replace("%(number)d", number));
      set(button, "aria-current", String(entry === view.shown));
    }
  };
  const add = (entry) => {
    const button = Object.assign(document.createElement("button"), { type: "button" });
    const canvas = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    const number = ++count;
    button.append(canvas, String(number));
    kept.push({ entry, number, button });
    while (kept.length > MOST || (kept.length > 1 && bytes() > MOST_BYTES)) kept.shift().button.remove();
    const strip = find("#visit .strip");
    strip.append(button);
    show();
    strip.scrollLeft = strip.scrollWidth;
    draw(canvas, entry.after);
  };
  document.addEventListener("click", async (event) => {
    const pressed = kept.find(({ button }) => button.contains(event.target));
    if (!pressed) return;
    await view.open(pressed.entry);
    if (!dom.isInside(view.frame())) dom.scroll(view.section(), "start");
  });
  for (const name of ["viewchange", "languagechange"]) document.addEventListener(name, show);
  return { add, of: (address) => kept.map(({ entry }) => entry).find((each) => each.address === address) };
})();
