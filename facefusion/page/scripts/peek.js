// On a phone the result stands above the settings. While it is out of sight, a small copy of it shows
// what a change does, and a press goes back to the result.
(() => {
  const { find, set } = dom;
  const LEAST = 0.3; // share of the picture in sight from which on the copy is not needed
  let isOut = false;
  const show = () => {
    const peek = find("#peek");
    if (!peek) return;
    const after = view.shown && view.frame().querySelector(".after").src;
    if (after) set(peek.querySelector("img"), "src", after);
    if (peek.hidden !== !(after && isOut)) peek.hidden = !peek.hidden;
  };
  const watched = new IntersectionObserver((entries) => {
    isOut = entries.at(-1).intersectionRatio < LEAST;
    show();
  }, { threshold: [0, LEAST] });
  document.addEventListener("viewchange", () => {
    watched.observe(view.frame());
    show();
  });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("#peek")) return;
    dom.scroll(view.section(), "start");
    view.section().focus({ preventScroll: true });
  });
})();
