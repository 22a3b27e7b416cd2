// What the brush brings back: the photo before, as a layer over the result that is opaque where it was
// painted. A stroke has points, a radius in pixels of the layer, and a softness from 0 to 1.
const brush = (() => {
  const MOST = 2048; // the layer's longer side in pixels: a soft edge needs no more
  const AROUND = 2; // pixels around the mark that stay too: a larger picture is interpolated
  const canvasOf = (width, height) => Object.assign(document.createElement("canvas"), { width, height });
  const penOf = (canvas, options) => {
    const pen = canvas.getContext("2d", options);
    if (!pen) throw new Error("no canvas of this size");
    pen.imageSmoothingQuality = "high";
    pen.fillStyle = "#fff"; // below a transparent photo, as on the server
    return pen;
  };
  // Pixels of the layer that strokes reach: left, top, width, height.
  const reached = (canvas, strokes) => {
    const [xs, ys] = [0, 1].map((axis) => strokes.flatMap(({ points, radius }) => (
      points.flatMap((point) => [point[axis] - radius - AROUND, point[axis] + radius + AROUND]))));
    const least = (values) => Math.floor(values.reduce((a, b) => Math.min(a, b)));
    const most = (values) => Math.ceil(values.reduce((a, b) => Math.max(a, b)));
    const [left, top] = [least(xs), least(ys)].map((each) => Math.max(0, each));
    return [left, top, Math.min(canvas.width, most(xs)) - left, Math.min(canvas.height, most(ys)) - top];
  };

  // A transparent layer of `before`, for a picture of `width` and `height` whose `mark` stays.
  const layer = (before, width, height, mark) => {
    const scale = Math.min(1, MOST / Math.max(width, height));
    const canvas = canvasOf(Math.round(width * scale), Math.round(height * scale));
    const pen = penOf(canvas, { willReadFrequently: true });
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(before, 0, 0, canvas.width, canvas.height);
    const pixels = pen.getImageData(0, 0, canvas.width, canvas.height);
    const [left, top, right, bottom] = mark.map((each, i) => each * scale + (i < 2 ? -AROUND : AROUND));
    const clear = () => {
      for (let i = 3; i < pixels.data.length; i += 4) pixels.data[i] = 0;
      pen.putImageData(pixels, 0, 0);
    };
    // Paints one of the lines of a stroke: to its point `i` from the one before.
    const line = ({ points, radius, softness }, i) => {
      const [[ax, ay], [bx, by]] = [points[Math.max(i - 1, 0)], points[i]];
      const [dx, dy] = [bx - ax, by - ay];
      const length = dx * dx + dy * dy || 1;
      const edge = Math.max(1, radius * softness);
      const [x0, y0, w, h] = reached(canvas, [{ points: [[ax, ay], [bx, by]], radius }]);
      for (let y = y0; y < y0 + h; y++) {
        for (let x = x0; x < x0 + w; x++) {
          if (x >= left && x < right && y >= top && y < bottom) continue;
          const [px, py] = [x + 0.5 - ax, y + 0.5 - ay];
          const along = Math.min(Math.max((px * dx + py * dy) / length, 0), 1);
          const depth = radius - Math.hypot(px - along * dx, py - along * dy);
          if (depth <= 0) continue;
          const share = Math.min(depth / edge, 1);
          const at = 4 * (y * canvas.width + x) + 3;
          pixels.data[at] = Math.max(pixels.data[at], Math.round(255 * share * share * (3 - 2 * share)));
        }
      }
      if (w > 0 && h > 0) pen.putImageData(pixels, 0, 0, x0, y0, w, h);
    };
    const draw = (stroke) => stroke.points.forEach((_, i) => line(stroke, i));
    clear();
    return {
      ...{ canvas, scale, draw, line },
      redraw(strokes) {
        clear();
        strokes.forEach(draw);
      },
    };
  };

  // A canvas with a picture; some browsers leave one that is too large empty.
  const whole = (picture) => {
    const canvas = canvasOf(picture.naturalWidth, picture.naturalHeight);
    const pen = penOf(canvas);
    pen.drawImage(picture, 0, 0);
    if (pen.getImageData(0, 0, 1, 1).data[3] !== 255) throw new Error("no canvas of this size");
    return canvas;
  };
  // The result with the strokes, of its own size.
  const compose = (after, before, { canvas }, strokes) => {
    const made = whole(after);
    const { width, height } = made;
    const [x, y, w, h] = reached(canvas, strokes);
    if (w <= 0 || h <= 0) return made;
    const [across, down] = [width / canvas.width, height / canvas.height];
    const [left, top] = [Math.floor(x * across), Math.floor(y * down)];
    const patch = canvasOf(Math.ceil((x + w) * across) - left, Math.ceil((y + h) * down) - top);
    const over = penOf(patch);
    const add = (picture, pictureWidth, pictureHeight) => {
      const [a, b] = [pictureWidth / width, pictureHeight / height];
      over.drawImage(picture, left * a, top * b, patch.width * a, patch.height * b, 0, 0, patch.width, patch.height);
    };
    over.fillRect(0, 0, patch.width, patch.height);
    add(before, before.naturalWidth, before.naturalHeight);
    over.globalCompositeOperation = "destination-in";
    add(canvas, canvas.width, canvas.height);
    made.getContext("2d").drawImage(patch, left, top);
    return made;
  };
  // Gives a canvas, which is over white, the transparency of a photo; its `mark` stays opaque.
  const thinned = (canvas, photo, mark) => {
    const { width, height } = canvas;
    const pen = penOf(canvasOf(width, height));
    pen.drawImage(photo, 0, 0, width, height);
    const [left, top, right, bottom] = mark;
    pen.fillRect(left, top, right - left, bottom - top);
    const alphas = pen.getImageData(0, 0, width, height).data;
    const pixels = canvas.getContext("2d").getImageData(0, 0, width, height);
    const { data } = pixels;
    for (let i = 0; i < data.length; i += 4) {
      const alpha = (data[i + 3] = alphas[i + 3]);
      for (let j = i; alpha < 255 && j < i + 3; j++) data[j] = alpha ? 255 + ((data[j] - 255) * 255) / alpha : 0;
    }
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return canvas;
  };
  return { compose, layer, thinned, whole };
})();
