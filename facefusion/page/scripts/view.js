// The view of before and after: shows a draft, a result or an example, and until when it is kept.
const view = (() => {
  const { find, set, write } = dom;
  const section = () => find("#view .view");
  const frame = () => find("#view .frame");
  let shown = null; // what the view shows
  let last = null; // the last result that it showed
  let read = ""; // the last data of the server that was read
  let turn = 0;
  let addresses = []; // of the pictures in the view, in the browser's memory
  let hero = null; // the picture before, and the ratio, of the example at the top

  const setSplit = (percent) => {
    const split = Math.min(Math.max(percent, 0), 100);
    frame().style.setProperty("--split", `${split}%`);
    frame().querySelector("input").value = split;
  };
  const tell = (key) => write(section().querySelector(".told"), key ? choice.say(key) : "");
  const fetched = async (address) => {
    const answer = await fetch(address);
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.blob();
  };
  const paint = (entry, [before, after]) => {
    section().style.setProperty("--ratio", entry.ratio);
    set(frame().querySelector(".before"), "src", before);
    set(frame().querySelector(".after"), "src", after);
    if (entry.photo !== shown?.photo) setSplit(entry.split);
    shown = entry;
    if (entry.kind === "result") last = entry;
    set(section(), "data-state", entry.kind);
    set(section(), "data-file", entry.address);
    set(find("#body"), "data-shown", entry.kind);
    set(section().querySelector(".hint"), "data-say", entry.kind === "draft" ? "draft.hint" : "handle.hint");
    tell("");
    section().querySelector(".flaws").replaceChildren(...entry.flaws.map(advice));
    set(find("#jpeg"), "href", after);
    find("#png").disabled = !entry.png && !entry.base && !entry.isReady;
    find("#share").hidden = !navigator.canShare?.({ files: [asFile(entry)] });
    tellTime();
    document.dispatchEvent(new Event("viewchange"));
  };
  // What can be seen to be wrong, and what to try: `names.js` writes the text.
  const advice = (flaw) => {
    const line = Object.assign(document.createElement("p"), { className: "notice doubt" });
    line.dataset.say = `flaw.${flaw}`;
    return line;
  };
  const asFile = (entry) => new File([entry.after], "facefusion.jpg", { type: "image/jpeg" });

  // Shows an entry as soon as its pictures are decoded, unless a newer one came meanwhile.
  const open = async (entry) => {
    const mine = ++turn;
    await repair.keep();
    const made = [entry.before, entry.after].map((blob) => URL.createObjectURL(blob));
    await Promise.all(made.map((src) => Object.assign(new Image(), { src }).decode()));
    const isNewest = mine === turn;
    if (isNewest) paint(entry, made);
    (isNewest ? addresses : made).forEach((each) => URL.revokeObjectURL(each));
    if (isNewest) addresses = made;
    return isNewest;
  };
  // Reads what the server has made. The bytes stay here, so that nothing is lost with the files.
  const show = async () => {
    const data = { ...find("#made data")?.dataset }; // a copy: Gradio writes the next into the same element
    if (!data.after) return;
    if (read === data.after) {
      if (data.png) addPng(data);
      return;
    }
    read = data.after;
    const mine = ++turn;
    try {
      const [before, after] = await Promise.all([data.before, data.after].map(fetched));
      const entry = {
        ...{ kind: data.kind, photo: data.photo, address: data.after, png: "", before, after },
        ...{ ratio: data.ratio, split: Number(data.split), expires: Date.now() + 1000 * data.seconds },
        flaws: data.flaws.split(" ").filter(Boolean),
        isReady: Boolean(data.face), // made beforehand, as a JPEG
        ...{ original: data.original, mark: data.mark.split(" ").map(Number), parts: JSON.parse(data.parts) },
      };
      if (entry.kind === "result" && !data.face) {
        Object.assign(entry, { waited: runs.waited(), assignment: runs.assignment() });
      }
      await repair.keep(); // an unfinished repair is the earlier step
      if (entry.kind === "result") visit.add(entry);
      addPng(find("#made data")?.dataset);
      if (mine === turn && (await open(entry))) runs.follow();
    } catch {
      tell("error.slow"); // the last result stays
    }
  };
  const addPng = (data) => {
    const entry = visit.of(data?.after);
    if (!entry || entry.isReady) return;
    entry.png = data.png;
    if (entry === shown) find("#png").disabled = !entry.png;
  };
  const restore = async () => {
    if (shown?.kind !== "draft" || find("#made data")?.dataset.kind !== "draft") return;
    if (last) return void open(last);
    shown = null;
    showHero();
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
    const waited = shown.waited?.toFixed(1);
    write(section().querySelector(".waited"), waited ? choice.say("waited").replace("%(seconds)s", waited) : "");
    const minutes = Math.ceil((shown.expires - Date.now()) / 60000);
    write(line, minutes > 0 ? choice.say("left").replace("%(minutes)d", minutes) : choice.say("left.none"));
  };
  setInterval(tellTime, 5000);
  document.addEventListener("languagechange", () => {
    tellTime();
    showHero();
  });
  new MutationObserver(() => {
    showHero();
    show();
  }).observe(document, { childList: true, subtree: true });
  return { asFile, fetched, frame, open, restore, section, setSplit, tell, get shown() { return shown; } };
})();
