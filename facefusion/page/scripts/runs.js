// Runs that start by themselves, as soon as nothing is missing and after every change; and the list of
// what is missing.
const runs = (() => {
  const { all, find, isSeen } = dom;
  let ran = []; // the choices of the last run
  let follow = false; // whether the result is brought into view
  let reused = null; // who goes to each face of the result that the next photo is; it is done already
  let dragging = false;
  let wasRunning = false;
  let superseded = false; // the running fusion is being stopped for a newer one
  let timer = null;
  let isForgetting = false; // no run begins any more: its result would stay
  let acted = 0; // when the visitor last did something
  let asked = 0; // when they did what the running fusion follows

  const photoOf = (place) => find(`#${place}-photo .image-frame img`)?.src ?? "";
  const told = (place) => find(`#${place}-notice .notice`);
  const isRunning = () => isSeen(find("#cancel"));
  const PHOTOS = ["source", "target", "second", "third", "person-2", "person-3", "person-4"];
  const CHOICES = ["tier"];
  const SHARES = ["likeness", "blend"];
  // Gradio removes what is in a closed section: what is not there has not been changed.
  const known = {};
  const remember = (id, value) => (known[id] = value ?? known[id]);
  const ticks = (id) => all(`#${id} .wrap input`).map((each) => (each.checked ? "1" : "0")).join("") || undefined;
  const choices = () => [
    ...PHOTOS.map(photoOf),
    faces.assignment(),
    ...CHOICES.map((id) => remember(id, ticks(id))),
    ...SHARES.map((id) => remember(id, find(`#${id} input[type=range]`)?.value)),
  ];
  // What has just appeared has not been changed yet.
  const filled = (last) => {
    const now = choices().slice(-last.length);
    return last.map((each, i) => each ?? now[i]);
  };
  const isRun = () => ran.length > 0 && choices().every((each, i) => each === ran[i]);
  // Photos that the server has looked at, each in its place. The notices do not say so: one may be of an
  // earlier photo, or hidden by a run before it is seen.
  const looked = new Set();
  const looking = {}; // the photo that the server is looking at, by place
  const isLookedAt = (place) => looked.has(`${place} ${photoOf(place)}`);
  const needed = () => ["source", "target", ...faces.others().map((number) => `person-${number}`)];
  const addresses = () => all("#examples-index data").flatMap((each) => each.dataset.files.split(" "));
  const isExample = (src) => addresses().some((each) => src.endsWith(each));
  // A result that was made beforehand needs no run, as long as its photos are there; nor does a result
  // that has become the photo. What the visitor changes after asking for it does, even before it arrives
  // and the server has looked at the photos.
  let settled = "";
  let facesAreNew = false; // the server has not yet told who is on the photo of `ran`
  let pressed = []; // the settings when such a result was asked for
  const notePress = () => (pressed = choices().slice(PHOTOS.length + 1));
  const isReady = () => {
    const made = find("#made data")?.dataset;
    if (!made?.face || made.after === settled) return false;
    if (!photoOf("source").endsWith(made.face) || !photoOf("target").endsWith(made.before)) return false;
    settled = made.after;
    return true;
  };
  const isReused = () => reused !== null && photoOf("target") && photoOf("target") !== ran[1];
  const settle = () => {
    if (isRunning() || !(isReused() || isReady())) return;
    if (reused !== null) faces.keep(reused);
    reused = null;
    ran = [...choices().slice(0, PHOTOS.length + 1), ...pressed];
    facesAreNew = true;
  };
  const missing = () => {
    const found = [];
    const need = (key, number) => found.push(choice.say(`need.${key}`).replace("%(number)d", number));
    const needPhoto = (place, key, number) => {
      if (!photoOf(place)) need(key, number);
      else if (told(place)?.matches(".problem:not(.refused)")) need(`other.${key}`, number);
    };
    for (const place of ["source", "target"]) needPhoto(place, place);
    if (faces.count() && !faces.people().length) need("faces");
    for (const number of faces.others()) needPhoto(`person-${number}`, "person", number);
    const agreed = all("#consent .wrap input").every((each) => each.checked);
    const given = PHOTOS.map(photoOf).filter(Boolean);
    if (!agreed && !(given.length && given.every(isExample))) need("consent");
    return found;
  };
  const tellMissing = (found) => {
    const list = find("#state .needs");
    if (!list) return;
    if (list.dataset.shown === found.join("|") + choice.language) return;
    list.dataset.shown = found.join("|") + choice.language;
    list.replaceChildren();
    if (found.length) {
      const head = Object.assign(document.createElement("strong"), { textContent: choice.say("need") });
      const rows = document.createElement("ul");
      rows.append(...found.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
      list.append(head, rows);
    } else list.append(choice.say("need.none"));
  };
  const consider = () => {
    timer = null;
    const fuse = find("#fuse");
    if (!fuse) return;
    const found = missing();
    const isEntered = faces.enter();
    tellMissing(found);
    if (isRunning()) {
      wasRunning = true;
      if (found.length || dragging || superseded || isRun()) return;
      superseded = true; // a newer change takes the place of the running fusion
      find("#supersede")?.click();
      return;
    }
    if (superseded) ran = []; // the run was stopped, even if its change has been taken back
    superseded = false;
    if (wasRunning) ended();
    if (fuse.disabled !== found.length > 0) fuse.disabled = found.length > 0;
    settle();
    if (isForgetting || found.length || dragging || !needed().every(isLookedAt)) return;
    if (!isEntered) return void later();
    if (facesAreNew) ran[PHOTOS.length] = faces.assignment();
    facesAreNew = false;
    if (!isRun()) fuse.click();
  };
  const later = () => {
    timer ??= setTimeout(consider, 120);
  };
  const ended = () => {
    wasRunning = false;
    setTimeout(view.restore, 300);
  };
  const reveal = () => {
    const problem = all(".notice.problem").find(isSeen);
    if (problem && !dom.isInside(problem)) dom.scroll(problem, "center");
  };
  document.addEventListener(
    "click",
    (event) => {
      if (event.target.closest?.(".example")) {
        follow = true;
        notePress();
      }
      if (!event.target.closest?.("#fuse")) return;
      follow = event.isTrusted || PHOTOS.some((place, i) => photoOf(place) !== ran[i]);
      ran = choices();
      asked = acted;
    },
    true,
  );
  for (const name of ["click", "change", "drop", "paste", "pointerup", "keyup"]) {
    window.addEventListener(name, (event) => (acted = event.isTrusted ? performance.now() : acted), true);
  }
  document.addEventListener("pointerdown", (event) => {
    dragging = Boolean(event.target.closest?.("#likeness, #blend"));
  });
  for (const name of ["pointerup", "pointercancel", "keyup"]) {
    document.addEventListener(name, () => {
      dragging = false;
      later();
    });
  }
  document.addEventListener("change", () => later());

  // Deletes everything of this visit from the server, and begins with an empty page. What the visitor
  // sees is kept nowhere else: not in the address, and not in the browser's storage.
  const files = new Set();
  const MOST_PATHS = 200; // of one request
  const noteFiles = () => {
    const made = find("#made data")?.dataset ?? {};
    const seen = [...PHOTOS.map(photoOf), made.before, made.after, made.png].filter(Boolean);
    for (const each of seen) files.add(decodeURIComponent(each.split("file=")[1] ?? ""));
  };
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const remove = async () => {
    find("#supersede").click();
    for (let i = 0; i < 50 && isRunning(); i++) await pause(100);
    const gone = new Set([""]);
    const left = () => [...files].filter((each) => !gone.has(each)).slice(0, MOST_PATHS);
    let paths = left();
    do {
      const body = JSON.stringify({ paths, session: streams.session() });
      const headers = { "Content-Type": "application/json" };
      const answer = await fetch("gradio_api/forget", { method: "POST", body, headers });
      if (!answer.ok) throw new Error(String(answer.status));
      for (const each of paths) gone.add(each);
      paths = left(); // of a long visit, or of an upload that ended meanwhile
    } while (paths.length);
    location.hash = "deleted";
    location.reload();
  };
  const forget = () => {
    isForgetting = true;
    return remove().catch((error) => {
      isForgetting = false;
      ran = []; // the run that was stopped begins anew
      later();
      throw error;
    });
  };
  const tellDeleted = () => {
    const lead = find("#lead");
    if (location.hash !== "#deleted" || !lead) return;
    history.replaceState(history.state, "", location.pathname + location.search);
    const told = Object.assign(document.createElement("p"), { className: "notice fine", textContent: choice.say("forgotten") });
    told.setAttribute("role", "status");
    lead.append(told);
  };
  document.addEventListener("languagechange", later);
  new MutationObserver(() => {
    if (ran.includes(undefined)) ran = filled(ran); // at once
    if (pressed.includes(undefined)) pressed = filled(pressed);
    settle();
    noteFiles();
    tellDeleted();
    later();
  }).observe(document, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["src", "disabled"],
  });
  return {
    // Seconds since the visitor did what this result follows, the upload of a photo included.
    waited: () => (performance.now() - asked) / 1000,
    reveal: () => setTimeout(reveal, 200),
    // Brings a picture that the visitor waits for into view, once a run.
    follow() {
      if (follow && ![view.frame(), find("#jpeg")].every(dom.isInside)) dom.scroll(view.section(), "start");
      follow = false;
    },
    forget,
    // The server begins to look at the photo of a place, and has looked at it.
    look(place, photo) {
      looking[place] = photo && new URL(photo.url, document.baseURI).href;
    },
    lookedAt(place) {
      looked.add(`${place} ${looking[place]}`);
      later();
    },
    // The face of an example, unless the visitor has given their own meanwhile.
    faceOf: (own, face) => (own && !isExample(new URL(own.url, document.baseURI).href) ? own : face),
    // Who goes to each face of a group photo in the last run.
    assignment: () => ran[PHOTOS.length],
    skipNext(assignment) {
      reused = assignment;
      notePress();
    },
  };
})();
