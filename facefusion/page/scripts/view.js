// The view of before and after: two pictures over each other, and a handle between them.
const view = (() => {
  const { find, set, write } = dom;
  const section = () => find("#view .view");
  const frame = () => find("#view .frame");
  let shown = null; // what the view shows
  let last = null; // the last result, with its bytes
  let read = ""; // the last data of the server that was read
  let turn = 0;
  let hero = null; // the picture before, and the ratio, of the example at the top

  const setSplit = (percent) => {
    const split = Math.min(Math.max(percent, 0), 100);
    frame().style.setProperty("--split", `${split}%`);
    frame().querySelector("input").value = split;
  };
  const fetched = async (address) => {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.blob();
  };
  const paint = (entry) => {
    const { before, after } = entry.pictures;
    section().style.setProperty("--ratio", entry.ratio);
    set(frame().querySelector(".before"), "src", before);
    set(frame().querySelector(".after"), "src", after);
    if (entry.photo !== shown?.photo) setSplit(entry.split);
    shown = entry;
    set(section(), "data-state", entry.kind);
    set(section(), "data-file", entry.address);
    set(find("#body"), "data-shown", entry.kind);
    set(section().querySelector(".hint"), "data-say", entry.kind === "draft" ? "draft.hint" : "handle.hint");
    write(section().querySelector(".told"), "");
    set(find("#jpeg"), "href", after);
    find("#png").disabled = !entry.png;
    find("#share").hidden = !navigator.canShare?.({ files: [asFile(entry)] });
    tellTime();
  };
  const asFile = (entry) => new File([entry.blob], "facefusion.jpg", { type: "image/jpeg" });
  const forget = (entry) => {
    if (entry) Object.values(entry.pictures).forEach((each) => URL.revokeObjectURL(each));
  };

  // Reads what the server has made. The bytes stay here, so that nothing is lost with the files.
  const show = async () => {
    const data = find("#made data")?.dataset;
    if (!data || read === data.after) {
      if (data?.png && shown?.address === data.after && !shown.png) paint(Object.assign(shown, { png: data.png }));
      return;
    }
    read = data.after;
    const mine = ++turn;
    try {
      const [before, after] = await Promise.all([data.before, data.after].map(fetched));
      const pictures = { before: URL.createObjectURL(before), after: URL.createObjectURL(after) };
      const now = find("#made data")?.dataset;
      const entry = {
        ...{ kind: data.kind, photo: data.photo, address: data.after },
        png: now?.after === data.after ? now.png : "",
        ...{ ratio: data.ratio, split: Number(data.split), pictures, blob: after },
        expires: Date.now() + 1000 * data.seconds,
      };
      await Promise.all(Object.values(pictures).map((src) => Object.assign(new Image(), { src }).decode()));
      if (mine !== turn) return forget(entry);
      const old = shown;
      paint(entry);
      if (old !== last) forget(old);
      if (entry.kind === "result") {
        forget(last);
        last = entry;
      }
      runs.follow();
    } catch {
      write(section().querySelector(".told"), choice.say("error.slow")); // the last result stays
    }
  };
  const restore = () => {
    if (shown?.kind !== "draft" || find("#made data")?.dataset.kind !== "draft") return;
    const draft = shown;
    if (last) paint(last);
    else {
      shown = null;
      showHero();
    }
    forget(draft);
  };
  // Before there is a result: an example, or nothing.
  const showHero = () => {
    const after = section()?.querySelector(".after").dataset[choice.language];
    if (!section() || shown) return;
    if (!after) return set(section(), "data-state", "empty");
    const before = section().querySelector(".before");
    hero ??= [before.src, section().style.getPropertyValue("--ratio")];
    set(before, "src", hero[0]);
    section().style.setProperty("--ratio", hero[1]);
    set(section().querySelector(".after"), "src", after);
    set(section().querySelector(".hint"), "data-say", "handle.hint");
    set(section(), "data-state", "example");
    set(find("#body"), "data-shown", "");
  };
  const tellTime = () => {
    const line = section()?.querySelector(".left");
    if (!line || shown?.kind !== "result") return;
    const minutes = Math.ceil((shown.expires - Date.now()) / 60000);
    write(line, minutes > 0 ? choice.say("left").replace("%(minutes)d", minutes) : choice.say("left.none"));
  };
  setInterval(tellTime, 5000);

  // Dragging moves the handle, a press puts it there, and holding shows the photo before.
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

  // The buttons below.
  const save = (blob, name) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  };
  const enlarge = async () => {
    const large = section().classList.toggle("large");
    set(find("#enlarge"), "data-say", large ? "shrink" : "enlarge");
    if (large) await document.documentElement.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement) await document.exitFullscreen();
  };
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement && section()?.classList.contains("large")) enlarge();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && section()?.classList.contains("large")) enlarge();
  });
  const PRESSES = {
    png: async () => {
      try {
        save(await fetched(shown.png), "facefusion.png");
      } catch {
        write(section().querySelector(".told"), choice.say("gone"));
      }
    },
    share: () => navigator.share({ files: [asFile(shown)] }).catch(() => {}),
    enlarge,
    forget: () => runs.forget().catch(() => write(section().querySelector(".told"), choice.say("error.slow"))),
    reuse: () => {
      runs.skipNext();
      dom.give("target-photo", new File([shown.blob], "result.jpg", { type: shown.blob.type }));
    },
  };
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("#view .press");
    if (pressed && pressed.id in PRESSES) PRESSES[pressed.id]();
    // A thumbnail becomes large again when it is pressed.
    const photo = event.target.closest?.("#source-photo .image-frame, #target-photo .image-frame");
    if (photo) photo.closest(".block").classList.toggle("opened");
  });
  document.addEventListener("languagechange", () => {
    tellTime();
    showHero();
  });
  new MutationObserver(() => {
    showHero();
    show();
  }).observe(document, { childList: true, subtree: true });
  return { frame, restore, section };
})();
