// Faces of a group photo: numbered frames over the photo, and who goes to the face that is chosen.
const faces = (() => {
  const { all, find, set, write } = dom;
  const LEAST = 44; // least side of what is pressed, in pixels
  let read = null; // the server's list that was read
  let assignment = ""; // who goes to each face, one digit a face; 0 is nobody
  let kept = {}; // a result that has become the photo, and who goes to each of its faces
  let chosen = 0; // number of the face whose choice is shown
  let watched = null; // the picture whose size is watched

  const photo = () => find("#target-photo .image-frame img:not(.hide)");
  // The list belongs to one photo; while another is looked at, there are no faces.
  const group = () => {
    const found = find("#faces .group");
    const path = photo()?.src.split("file=")[1];
    return found && path && decodeURIComponent(path) === found.dataset.photo ? found : null;
  };
  const problemOf = (number) => find(`#faces [data-face="${number}"] .notice`);
  const buttons = () => all("#faces .faces button");
  const frames = () => all("#target-photo .frames button");

  const nameOf = (number) => choice.say(problemOf(number) ? "face.unusable" : "face.as")
    .replace("%(number)d", number).replace("%(who)s", choice.say(`who.${assignment[number - 1]}`).toLowerCase());
  const label = (button, number) => {
    const person = assignment[number - 1];
    set(button, "data-goes", problemOf(number) ? "" : person);
    set(button, "aria-current", String(number === chosen));
  };
  const paint = (of) => {
    buttons().forEach((button, i) => {
      label(button, i + 1);
      write(button, assignment[i] === "0" || problemOf(i + 1) ? `${i + 1}`
        : `${i + 1} · ${choice.say(`who.${assignment[i]}`)}`);
    });
    frames().forEach((button, i) => {
      label(button, i + 1);
      set(button, "aria-label", nameOf(i + 1));
      set(button, "title", nameOf(i + 1));
    });
    const who = of.querySelector(".who");
    who.hidden = Boolean(problemOf(chosen));
    write(who.querySelector("strong"), `${choice.say("face")} ${chosen}`);
    set(who, "aria-label", `${choice.say("face")} ${chosen}`);
    who.querySelectorAll("button").forEach((button) => {
      set(button, "aria-pressed", String(button.dataset.person === assignment[chosen - 1]));
    });
    of.querySelectorAll("div[data-face]").forEach((each) => {
      each.hidden = Number(each.dataset.face) !== chosen;
    });
  };

  // The picture fills its box on one side; the frames follow its size.
  const place = () => {
    const [of, picture, over] = [group(), photo(), find("#target-photo .frames")];
    if (!of || !picture || !over) return;
    const [box, block, ratio] = [picture.getBoundingClientRect(), over.getBoundingClientRect(), of.dataset.ratio];
    const width = Math.min(box.width, box.height * ratio);
    const left = box.left - block.left + (box.width - width) / 2;
    const top = box.top - block.top + (box.height - width / ratio) / 2;
    const scale = [width, width / ratio].map((side) => side / 100);
    const boxes = buttons().map(({ dataset }) => dataset.box.split(" ").map((each, i) => each * scale[i % 2]));
    over.classList.toggle("small", Math.min(...boxes.map((each) => each[3])) < 36);
    frames().forEach((button, i) => {
      const [x, y, w, h] = boxes[i];
      const sides = [Math.max(w, LEAST), Math.max(h, LEAST)];
      const style = {
        left: left + x + (w - sides[0]) / 2, top: top + y + (h - sides[1]) / 2, width: sides[0], height: sides[1],
      };
      Object.entries(style).forEach(([name, value]) => (button.style[name] = `${value.toFixed(1)}px`));
      button.style.setProperty("--width", `${w.toFixed(1)}px`);
      button.style.setProperty("--height", `${h.toFixed(1)}px`);
      button.style.setProperty("--lack", `${Math.max(28 - y, 0).toFixed(1)}px`); // of room for the number above
    });
  };
  const sizes = new ResizeObserver(place);
  const watch = (picture) => {
    if (watched === picture) return;
    sizes.disconnect();
    watched = picture;
    if (picture) sizes.observe(picture);
  };

  const draw = (count) => {
    const over = find("#target-photo .frames") ?? document.createElement("div");
    over.className = "frames";
    over.replaceChildren(...Array.from({ length: count }, (_, i) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.dataset.face = i + 1;
      button.append(Object.assign(document.createElement("span"), { textContent: i + 1 }));
      return button;
    }));
    find("#target-photo").append(over);
  };
  // A result that is continued from has the faces of its photo, and keeps who goes to each.
  const begin = (given) => {
    const fits = kept.photo === photo().src && kept.assignment.length === given.length
      && [...kept.assignment].every((person, i) => person === "0" || !problemOf(i + 1));
    return fits ? kept.assignment : given;
  };
  // Writes who goes to each face into the form, and returns whether it stood there already.
  const enter = () => {
    const field = find("#assignment :is(textarea, input)");
    if (!group() || !field || field.value === assignment) return true;
    field.value = assignment;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    return false;
  };
  const show = () => {
    const of = group();
    set(find("#photos"), "data-group", of ? "yes" : "no");
    if (find("#faces")) find("#faces").hidden = !of;
    watch(of && photo());
    if (!of) find("#target-photo .frames")?.remove();
    else if (of !== read) {
      read = of;
      assignment = begin(of.dataset.assignment);
      chosen = assignment.search(/[1-4]/) + 1;
      find("#photos").style.setProperty("--group", of.dataset.ratio);
      draw(assignment.length);
    }
    set(find("#people"), "data-people", others().join(" "));
    if (!of) return;
    if (!find("#target-photo .frames")) draw(assignment.length);
    paint(of);
    place();
  };

  const choose = (number) => {
    chosen = number;
    show();
  };
  const assign = (person) => {
    assignment = assignment.slice(0, chosen - 1) + person + assignment.slice(chosen);
    enter();
    show();
    document.dispatchEvent(new Event("change")); // `runs` considers it
  };
  // Of small faces side by side the nearest one is meant.
  const nearest = (event) => {
    const distance = (button) => {
      const box = button.getBoundingClientRect();
      return Math.hypot(event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2) / box.width;
    };
    return frames().toSorted((one, other) => distance(one) - distance(other))[0];
  };
  document.addEventListener("click", (event) => {
    const face = event.target.closest?.("#target-photo .frames button, #faces .faces button");
    if (face) {
      const isPointed = event.detail && face.closest(".frames");
      choose(Number((isPointed ? nearest(event) : face).dataset.face));
      if (!event.detail) find("#faces .who:not([hidden]) [aria-pressed=true]")?.focus();
    }
    const person = event.target.closest?.("#faces .who button");
    if (person) assign(person.dataset.person);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target.closest?.("#faces .who")) frames()[chosen - 1]?.focus();
  });
  document.addEventListener("languagechange", show);
  // The table is about the last result, not about an earlier one that is opened again.
  document.addEventListener("viewchange", () => {
    find("#done").hidden = view.shown?.address !== find("#made data")?.dataset.after;
  });
  new MutationObserver(show).observe(document, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["src"],
  });

  const people = () => (group() ? [...new Set(assignment)].filter((each) => each !== "0").sort() : []);
  const others = () => people().filter((each) => each !== "1");
  return {
    assignment: () => (group() ? assignment : ""),
    count: () => (group() ? assignment.length : 0),
    enter,
    // The photo is a result from now on.
    keep(earlier) {
      kept = { photo: photo().src, assignment: earlier };
      read = null;
      show();
    },
    people,
    others,
  };
})();
