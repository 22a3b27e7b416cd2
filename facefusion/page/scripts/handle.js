// The handle between before and after: dragging moves it, a press puts it there, and holding shows the
// photo before.
(() => {
  const { frame, setSplit } = view;
  let hold = null;
  const end = () => {
    if (!hold) return;
    clearTimeout(hold.timer);
    frame()?.classList.remove("held");
    hold = null;
  };
  const at = (event) => {
    const box = frame().getBoundingClientRect();
    return (100 * (event.clientX - box.left)) / box.width;
  };
  document.addEventListener("pointerdown", (event) => {
    if (event.button || !event.target.closest?.("#view .frame")) return;
    hold = { x: event.clientX, y: event.clientY, moved: false, held: false };
    hold.timer = setTimeout(() => {
      hold.held = true;
      frame().classList.add("held");
    }, 300);
  });
  document.addEventListener("pointermove", (event) => {
    if (!hold) return;
    if (!hold.moved && Math.hypot(event.clientX - hold.x, event.clientY - hold.y) < 6) return;
    clearTimeout(hold.timer);
    frame().classList.remove("held");
    hold.moved = true;
    setSplit(at(event));
  });
  document.addEventListener("pointerup", (event) => {
    if (hold && !hold.moved && !hold.held) setSplit(at(event));
    end();
  });
  document.addEventListener("pointercancel", end);
  document.addEventListener("contextmenu", (event) => {
    if (hold?.held) event.preventDefault();
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches?.("#view .frame input")) setSplit(Number(event.target.value));
  });
})();
