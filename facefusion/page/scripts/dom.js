// Helpers of the scripts that follow: they write only what differs, since each write is observed.
const dom = {
  find: (selector) => document.querySelector(selector),
  all: (selector) => [...document.querySelectorAll(selector)],
  isSeen: (element) => Boolean(element?.checkVisibility()),
  set(element, name, value) {
    if (element && element.getAttribute(name) !== value) element.setAttribute(name, value);
  },
  write(element, text) {
    if (element && element.textContent !== text) element.textContent = text;
  },
  // Puts a picture into a photo field, as if the visitor had chosen it.
  give(field, file) {
    const input = dom.find(`#${field} input[type=file]`);
    if (!input) return;
    const files = new DataTransfer();
    files.items.add(file);
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  },
  scroll(element, block) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    element.scrollIntoView({ block, behavior: calm ? "auto" : "smooth" });
  },
  isInside(element) {
    const box = element.getBoundingClientRect();
    return box.top >= 0 && box.bottom <= innerHeight;
  },
};
