// Sentences below a photo box that the browser writes itself.
const notices = (() => {
  const of = (box) => (box?.nextElementSibling?.matches(".browser-notice") ? box.nextElementSibling : null);
  return {
    show(box, key) {
      const shown = of(box) ?? document.createElement("p");
      shown.className = "notice problem browser-notice";
      shown.setAttribute("role", "alert");
      box.after(shown);
      shown.textContent = choice.say(key);
    },
    hide(box) {
      of(box)?.remove();
    },
  };
})();
