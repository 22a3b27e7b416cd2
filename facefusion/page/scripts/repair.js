// Repairing: a brush that brings the photo before back, by pointer, touch or keyboard.
const repair = (() => {
  const { find, set } = dom;
  const MOST_BYTES = 28e6; // a result that is continued from is uploaded, and files may have 30 MB
  let work = null; // the result that is repaired, its layer and strokes
  let count = 0;
  let steps = 0;
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
    const base = view.shown.base ?? view.shown;
    const strokes = [...(view.shown.strokes ?? [])];
    const button = find("#repair");
    button.disabled = true;
    view.tell("");
    try {
      const after = await picture(base.after);
      const before = await original(base, after);
      const layer = brush.layer(before, after.naturalWidth, after.naturalHeight, base.mark);
      layer.redraw(strokes);
      const { canvas } = layer;
      work = { base, after, before, layer, strokes, first: view.shown, place: [canvas.width / 2, canvas.height / 2], stroke: null };
    } catch {
      return view.tell("repair.large");
    } finally {
      button.disabled = false;
    }
    show();
    work.layer.canvas.focus({ preventScroll: true });
  };

  // The brush on the screen.
  const radius = () => {
    const { width, height } = work.layer.canvas;
    return Math.max(2, (Number(find("#repair-size").value) / 200) * Math.min(width, height));
  };
  const softness = () => Number(find("#repair-edge").value) / 100;
  const stroke = (points) => ({ points, radius: radius(), softness: softness() });
  const tell = () => {
    for (const id of ["#repair-undo", "#repair-clear"]) find(id).disabled = !work.strokes.length;
  };
  const moveRing = () => {
    const { canvas } = work.layer;
    const ring = find("#view .ring");
    const part = (value, whole) => `${(100 * value) / whole}%`;
    Object.assign(ring.style, {
      left: part(work.place[0], canvas.width),
      top: part(work.place[1], canvas.height),
      width: part(2 * radius(), canvas.width),
    });
  };
  const show = () => {
    const { canvas } = work.layer;
    canvas.className = "layer";
    canvas.tabIndex = 0;
    set(canvas, "role", "application");
    set(canvas, "data-name", "repair.brush");
    set(canvas, "aria-describedby", "repair-keys");
    const ring = Object.assign(document.createElement("span"), { className: "ring" });
    canvas.addEventListener("pointerdown", begin);
    canvas.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
    canvas.addEventListener("keydown", key);
    view.frame().append(canvas, ring);
    set(view.section(), "data-mode", "repair");
    set(view.section().querySelector(".hint"), "data-say", "repair.hint");
    find("#view .parts").hidden = !Object.keys(work.base.parts).length;
    moveRing();
    tell();
  };
  const close = () => {
    work = null;
    view.frame().querySelectorAll(".layer, .ring").forEach((each) => each.remove());
    view.section().removeAttribute("data-mode");
    set(view.section().querySelector(".hint"), "data-say", "handle.hint");
  };

  // Painting.
  const at = (event) => {
    const { canvas } = work.layer;
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
  };
  // Strokes that are added together are undone together.
  const add = (...strokes) => {
    steps += 1;
    for (const each of strokes) {
      work.strokes.push(Object.assign(each, { step: steps }));
      work.layer.draw(each);
    }
    tell();
  };
  const to = (point) => {
    work.stroke.points.push(point);
    work.layer.line(work.stroke, work.stroke.points.length - 1);
  };
  const begin = (event) => {
    event.stopPropagation(); // the handle of before and after rests
    if (!event.isPrimary || event.button) return;
    event.target.setPointerCapture(event.pointerId);
    work.place = at(event);
    work.stroke = stroke([work.place]);
    add(work.stroke);
    moveRing();
  };
  const move = (event) => {
    if (!event.isPrimary) return;
    work.place = at(event);
    moveRing();
    if (work.stroke) for (const each of event.getCoalescedEvents?.() ?? [event]) to(at(each));
  };
  const end = (event) => {
    if (event.isPrimary) work.stroke = null;
  };
  const restore = (strokes) => {
    work.stroke = null;
    work.strokes = strokes;
    work.layer.redraw(strokes);
    tell();
  };
  const undo = () => {
    const last = work.strokes.at(-1)?.step;
    restore(work.strokes.filter(({ step }) => step !== last));
  };
  // Parts of the faces are lines of the server, whose soft edge lies around them.
  const paintPart = (name) => {
    const soft = softness();
    add(...work.base.parts[name].map(([wide, ...line]) => ({
      points: line.flatMap((x, i) => (i % 2 ? [] : [[x * work.layer.scale, line[i + 1] * work.layer.scale]])),
      radius: wide * (1 + soft) * work.layer.scale,
      softness: soft / (1 + soft),
    })));
  };
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const key = (event) => {
    if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo();
    else if (event.key === " " || event.key === "Enter") add(stroke([work.place]));
    else if (event.key in ARROWS) {
      const { width, height } = work.layer.canvas;
      const from = work.place;
      work.place = ARROWS[event.key].map((sign, i) => (
        Math.min(Math.max(from[i] + (sign * radius()) / 2, 0), i ? height : width)));
      if (event.shiftKey) add(stroke([from, work.place]));
      moveRing();
    } else return;
    event.preventDefault();
  };

  // The repaired picture, as a result of its own; or the result itself, if nothing is left to repair.
  const encoded = async (canvas, kind, quality) => {
    const blob = await new Promise((done) => canvas.toBlob(done, kind, quality));
    if (!blob) throw new Error("no picture");
    return blob;
  };
  const made = async ({ base, after, before, layer, strokes, first }) => {
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
    const done = work;
    find("#repair-done").disabled = true;
    try {
      const entry = await made(done);
      if (work !== done) return;
      close();
      await view.open(entry);
    } catch {
      view.tell("repair.large");
    } finally {
      find("#repair-done").disabled = false;
    }
    find("#repair").focus({ preventScroll: true });
  };
  const leave = () => {
    close();
    find("#repair").focus({ preventScroll: true });
  };
  const PRESSES = {
    repair: open,
    "repair-undo": undo,
    "repair-clear": () => restore([]),
    "repair-done": finish,
    "repair-leave": leave,
  };
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("#view .press");
    if (!pressed) return;
    if (pressed.id in PRESSES) PRESSES[pressed.id]();
    if (work && pressed.dataset.part) paintPart(pressed.dataset.part);
  });
  document.addEventListener("input", (event) => {
    if (work && event.target.id === "repair-size") moveRing();
  });
  return {
    // The server has no PNG of a repaired picture.
    async png(entry) {
      const image = await picture(entry.after);
      return metadata.png(await encoded(brush.whole(image), "image/png"), entry.after);
    },
    // Leaves the brush for another picture; what was painted is a result of this visit.
    keep() {
      const done = work;
      if (done) {
        close();
        kept = made(done).catch(() => view.tell("repair.large"));
      }
      return kept;
    },
  };
})();
