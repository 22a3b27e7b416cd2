// Repairing a result: the photo comes back where it is painted, and the repaired picture is a result of
// this visit. All of it happens in the browser.
const repair = (() => {
  const { find } = dom;
  const MOST_BYTES = 28e6; // a result that is continued from is uploaded, and files may have 30 MB
  let work = null; // the result being repaired: `base` without repair, `first` as it was, and its pictures
  let count = 0;
  let kept = Promise.resolve(); // the last repair that was left for another picture

  const picture = async (blob) => {
    const image = Object.assign(new Image(), { src: URL.createObjectURL(blob) });
    try {
      await image.decode();
    } finally {
      URL.revokeObjectURL(image.src);
    }
    return image;
  };
  const encoded = async (canvas, kind, quality) => {
    const blob = await new Promise((done) => canvas.toBlob(done, kind, quality));
    if (!blob) throw new Error("no picture");
    return blob;
  };
  // The photo itself: the view has a smaller one if it is large. It stays here for the next repair.
  const original = async (entry, size) => {
    try {
      const blob = entry.photoFile ?? (await view.fetched(entry.original));
      const image = await picture(blob);
      if (image.naturalWidth !== size.naturalWidth || image.naturalHeight !== size.naturalHeight) throw new Error("size");
      entry.photoFile = blob;
      return image;
    } catch {
      const image = await picture(entry.before); // deleted, or of a format that browsers do not know
      if (image.naturalWidth < size.naturalWidth) view.tell("repair.soft");
      return image;
    }
  };
  const open = async () => {
    const first = view.shown;
    const base = first.base ?? first;
    const button = find("#repair");
    button.disabled = true;
    view.tell("");
    try {
      const after = await picture(base.after);
      const before = await original(base, after);
      if (view.shown !== first) return; // another picture came meanwhile
      const layer = brush.layer(before, after.naturalWidth, after.naturalHeight, base.mark);
      work = { base, first, after, before, layer };
      painting.start(layer, [...(first.strokes ?? [])], base.parts);
    } catch {
      view.tell("repair.large");
    } finally {
      button.disabled = false;
    }
  };
  const leave = () => {
    const done = { ...work, strokes: painting.strokes };
    work = null;
    return done;
  };
  const close = () => {
    painting.stop();
    find("#repair").focus({ preventScroll: true });
  };
  // The repaired picture; the result itself if nothing is left of a repair.
  const made = async ({ base, first, after, before, layer, strokes }) => {
    const old = first.strokes ?? [];
    if (strokes.length === old.length && strokes.every((each, i) => each === old[i])) return first;
    if (!strokes.length) return base;
    const canvas = brush.compose(after, before, layer, strokes);
    let jpeg = await encoded(canvas, "image/jpeg", 1); // below 1 its colours have half the resolution
    if (jpeg.size > MOST_BYTES) jpeg = await encoded(canvas, "image/jpeg", 0.92);
    const whole = await metadata.jpeg(jpeg, base.after);
    const entry = { ...base, base, strokes, after: whole, png: "", flaws: [], address: `repaired-${++count}` };
    visit.add(entry);
    return entry;
  };
  const finish = async () => {
    const done = leave();
    painting.freeze(); // it stays on the screen until the picture is there
    view.tell("saving");
    const making = made(done);
    kept = making.catch(() => {});
    try {
      const entry = await making;
      view.tell("");
      if (entry !== done.first && view.shown === done.first) await view.open(entry);
    } catch {
      view.tell("repair.large");
    }
    close();
  };
  document.addEventListener("click", (event) => {
    const { id } = event.target.closest?.("#view .press") ?? {};
    if (id === "repair" && !work) open();
    if (!work) return;
    if (id === "repair-done") finish();
    if (id === "repair-leave") {
      leave();
      close();
    }
  });
  return {
    // The server has no PNG of a repaired picture, nor of one that was made beforehand.
    async png(entry) {
      const canvas = brush.whole(await picture(entry.after));
      const { photoFile } = entry;
      if (photoFile && photoFile.type !== "image/jpeg") brush.thinned(canvas, await picture(photoFile), entry.mark);
      return metadata.png(await encoded(canvas, "image/png"), entry.after);
    },
    // Leaves the brush for another picture; what was painted is a result of this visit.
    keep() {
      if (work) {
        kept = made(leave()).catch(() => view.tell("repair.large"));
        painting.stop();
      }
      return kept;
    },
  };
})();
