// Painting over the picture in the view: by pointer, touch or keyboard, or a part of the faces by name.
const painting = (() => {
  const { find, set } = dom;
  let work = null; // the layer, its strokes, the faces' parts, the brush's place, the stroke being painted
  let steps = 0;

  // The brush: its radius in pixels of the layer.
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
    const { width, height } = work.layer.canvas;
    const percent = (value, whole) => `${(100 * value) / whole}%`;
    const [left, top] = [percent(work.place[0], width), percent(work.place[1], height)];
    Object.assign(find("#view .ring").style, { left, top, width: percent(2 * radius(), width) });
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
    const [soft, { scale }] = [softness(), work.layer];
    add(...work.parts[name].map(([wide, ...line]) => ({
      points: line.flatMap((x, i) => (i % 2 ? [] : [[x * scale, line[i + 1] * scale]])),
      radius: wide * (1 + soft) * scale,
      softness: soft / (1 + soft),
    })));
  };

  // Pointer and touch.
  const at = ({ clientX, clientY }) => {
    const { canvas } = work.layer;
    const box = canvas.getBoundingClientRect();
    return [((clientX - box.left) * canvas.width) / box.width, ((clientY - box.top) * canvas.height) / box.height];
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
    if (!work.stroke) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      work.stroke.points.push(at(each));
      work.layer.line(work.stroke, work.stroke.points.length - 1);
    }
  };
  const end = (event) => {
    if (event.isPrimary) work.stroke = null;
  };
  // Keyboard: a step is half of the brush's radius.
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

  // Puts a layer over the picture, with strokes that it has already, and gives it the keyboard.
  const start = (layer, strokes, parts) => {
    const { canvas } = layer;
    work = { layer, parts, strokes: [], place: [canvas.width / 2, canvas.height / 2], stroke: null };
    Object.assign(canvas, { className: "layer", tabIndex: 0 });
    set(canvas, "role", "application");
    set(canvas, "data-name", "repair.brush");
    set(canvas, "aria-describedby", "repair-keys");
    const on = { pointerdown: begin, pointermove: move, pointerup: end, pointercancel: end, keydown: key };
    for (const [name, listener] of Object.entries(on)) canvas.addEventListener(name, listener);
    const ring = Object.assign(document.createElement("span"), { className: "ring" });
    view.frame().append(canvas, ring);
    set(view.section(), "data-mode", "repair");
    set(view.section().querySelector(".hint"), "data-say", "repair.hint");
    find("#view .parts").hidden = !Object.keys(parts).length;
    restore(strokes);
    moveRing();
    canvas.focus({ preventScroll: true });
  };
  const freeze = () => {
    for (const each of [work.layer.canvas, find("#view .repair")]) each.inert = true;
  };
  const stop = () => {
    if (!work) return;
    work = null;
    find("#view .repair").inert = false;
    view.frame().querySelectorAll(".layer, .ring").forEach((each) => each.remove());
    view.section().removeAttribute("data-mode");
    set(view.section().querySelector(".hint"), "data-say", "handle.hint");
  };
  document.addEventListener("click", (event) => {
    const pressed = work && event.target.closest?.("#view .repair .press");
    if (!pressed) return;
    if (pressed.id === "repair-undo") undo();
    if (pressed.id === "repair-clear") restore([]);
    if (pressed.dataset.part) paintPart(pressed.dataset.part);
  });
  document.addEventListener("input", (event) => {
    if (work && event.target.id === "repair-size") moveRing();
  });
  document.addEventListener("viewchange", stop);
  return { freeze, start, stop, get strokes() { return work.strokes; } };
})();
