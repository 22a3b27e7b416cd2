// What Gradio leaves out for the keyboard.
(() => {
  // Gradio gives each option a name of its own, and a new one whenever it changes: then the arrow
  // keys do not move between them.
  const nameRadios = () => {
    document.querySelectorAll("input[type=radio]").forEach((radio) => {
      const name = radio.closest("[id]:not(input)")?.id;
      if (name && radio.name !== name) radio.name = name;
    });
  };
  // A button that is disabled while it works loses the focus to the whole page. It waits on the
  // row of the button, and goes back.
  let lost = null;
  let focused = null;
  document.addEventListener("focusin", ({ target }) => {
    focused = target;
  });
  const keepFocus = () => {
    const nowhere = document.activeElement === document.body || document.activeElement === null;
    if (lost && !lost.disabled && lost.isConnected) {
      if (nowhere || document.activeElement === lost.parentElement) lost.focus({ preventScroll: true });
      lost = null;
    } else if (focused?.matches?.("button:disabled") && (nowhere || document.activeElement === focused)) {
      lost = focused;
      focused = null;
      lost.parentElement.tabIndex = -1;
      lost.parentElement.focus({ preventScroll: true });
    }
  };
  new MutationObserver(() => {
    nameRadios();
    keepFocus();
  }).observe(document, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["disabled", "name"],
  });
})();
