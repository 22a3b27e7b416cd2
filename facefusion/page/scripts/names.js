// Names for screen readers. Gradio gives all upload areas the same one, and rebuilds the area whenever
// a photo is added or removed; and it translates one text in a piece of HTML, not several.
(() => {
  const { all, set, write } = dom;
  const AREAS = {
    "source-photo": "source",
    "second-photo": "source2",
    "third-photo": "source3",
    "target-photo": "target",
    "person-2-photo": "person2",
    "person-3-photo": "person3",
    "person-4-photo": "person4",
    tier: "quality",
    consent: "consent",
  };
  const setNames = () => {
    all("[data-say]").forEach((each) => write(each, choice.say(each.dataset.say)));
    all("[data-name]").forEach((each) => {
      set(each, each.tagName === "IMG" ? "alt" : "aria-label", choice.say(each.dataset.name));
    });
    all("#examples-index data").forEach(({ dataset }) => {
      const button = document.getElementById(dataset.button);
      write(button, dataset[choice.language]);
      set(button, "title", dataset[choice.language]);
    });
    for (const [id, key] of Object.entries(AREAS)) {
      const block = document.getElementById(id);
      const name = choice.say(key);
      if (!block) continue;
      set(block, "role", block.querySelector("input[type=radio]") ? "radiogroup" : "group");
      set(block, "aria-label", name);
      block.querySelectorAll("button[aria-dropeffect]").forEach((each) => {
        set(each, "aria-label", `${name}: ${each.innerText.replace(/\s+/g, " ").trim()}`);
      });
      block.querySelectorAll("input[type=file]").forEach((each) => set(each, "aria-label", name));
    }
    all(".select-all-checkbox").forEach((each) => {
      set(each, "title", choice.say("consent.all"));
      set(each, "aria-label", choice.say("consent.all"));
    });
  };
  document.addEventListener("languagechange", setNames);
  new MutationObserver(setNames).observe(document, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["data-say"],
  });
})();
