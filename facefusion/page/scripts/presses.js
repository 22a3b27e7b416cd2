// The buttons below the view, and the photos that become large when they are pressed.
(() => {
  const { find, set } = dom;
  const save = (blob, name) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
  const isLarge = () => view.section()?.classList.contains("large");
  const enlarge = async () => {
    const large = view.section().classList.toggle("large");
    set(find("#enlarge"), "data-say", large ? "shrink" : "enlarge");
    if (large) await document.documentElement.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement) await document.exitFullscreen();
  };
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement && isLarge()) enlarge();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && isLarge()) enlarge();
  });
  const PRESSES = {
    png: async () => {
      const { shown } = view;
      try {
        save(await (shown.png ? view.fetched(shown.png) : repair.png(shown)), "facefusion.png");
      } catch {
        view.tell("gone");
      }
    },
    share: () => navigator.share({ files: [view.asFile(view.shown)] }).catch(() => {}),
    enlarge,
    forget: () => runs.forget().catch(() => view.tell("error.slow")),
    // The result becomes the photo, so that the next fusion goes on from it.
    reuse: () => {
      const { after, assignment = "" } = view.shown;
      runs.skipNext(assignment);
      dom.give("target-photo", new File([after], "result.jpg", { type: after.type }));
      view.tell("reused");
    },
  };
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("#view .press");
    if (pressed && pressed.id in PRESSES) PRESSES[pressed.id]();
    const photo = event.target.closest?.("#source-photo .image-frame, #target-photo .image-frame");
    if (photo) photo.closest(".block").classList.toggle("opened");
  });
})();
