// The language of the page: chosen by the server from the address or the browser, or by the switch.
// Runs before Gradio's own code, which takes the language from `navigator.language` when it starts.
const choice = (() => {
  let language = page.language;
  const announced = { get: () => page.tags[language], configurable: true };
  Object.defineProperty(navigator, "language", announced);
  Object.defineProperty(navigator, "languages", { get: () => [page.tags[language]], configurable: true });

  // The server's messages follow the language too. Every request of Gradio goes through `fetch`.
  const send = window.fetch;
  window.fetch = (input, options = {}) => {
    const request = new Request(input, options);
    if (new URL(request.url).origin !== location.origin) return send(request);
    request.headers.set("Accept-Language", page.tags[language]);
    return send(request);
  };

  const texts = (of) => window.gradio_config?.i18n_translations?.[page.tags[of]] ?? {};
  const say = (key) => texts(language)[key] ?? key;

  // Gradio's fixed English texts, and ours that the server had written before a switch.
  let phrases = [];
  const collect = (from, to) => {
    const pairs = Object.entries(page.literals).map(([en, zh]) => (to === "zh" ? [en, zh] : [zh, en]));
    return new Map(pairs.filter(([text]) => text !== undefined));
  };
  let literals = collect("en", language);
  const attributes = ["aria-label", "title", "alt"];
  const translateLiterals = (root) => {
    const walk = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
    for (let node = walk.currentNode; node; node = walk.nextNode()) {
      if (node.nodeType === Node.TEXT_NODE) {
        const found = literals.get(node.data.trim());
        if (found) node.data = node.data.replace(node.data.trim(), found);
      } else {
        attributes.forEach((name) => {
          const found = literals.get(node.getAttribute(name)?.trim());
          if (found) node.setAttribute(name, found);
        });
      }
    }
  };
  const showChoice = () => {
    document.querySelectorAll("[data-language]").forEach((button) => {
      const pressed = String(button.dataset.language === language);
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    });
  };
  new MutationObserver((changes) => {
    const shown = [Node.TEXT_NODE, Node.ELEMENT_NODE];
    changes.flatMap(({ target, type, addedNodes }) => (type === "characterData" ? [target] : [...addedNodes]))
      .filter((node) => node.isConnected && shown.includes(node.nodeType)).forEach(translateLiterals);
    showChoice();
  }).observe(document, { childList: true, characterData: true, subtree: true });

  // Sentences of the server that are on the page already, the longest first.
  const translateSentences = (from) => {
    const [old, now] = [texts(from), texts(language)];
    phrases = Object.keys(old).filter((key) => old[key].length > 1 && now[key] && !old[key].includes("\n"))
      .sort((a, b) => old[b].length - old[a].length).map((key) => [old[key], now[key]]);
    const isLetter = (character) => /[A-Za-z]/.test(character ?? "");
    const replaced = (text) => phrases.reduce((whole, [before, after]) => {
      const parts = whole.split(before);
      return parts.slice(1).reduce((done, part) => {
        const inside = isLetter(before[0]) && (isLetter(done.at(-1)) || isLetter(part[0]));
        if (inside) return done + before + part;
        const gap = language === "en" && /[\w.,:)]$/.test(done) ? " " : "";
        return done + gap + after + (language === "en" && /^[\w]/.test(part) ? " " : "") + part;
      }, parts[0]);
    }, text);
    const punctuated = (text) => (language === "zh"
      ? text.replace(/(?<=[\u3000-\u9fff])\. ?/g, "。").replace(/(?<=[\u3000-\u9fff]): ?/g, "：").replace(/(?<=[\u3000-\u9fff]) (?=[\u3000-\u9fff])/g, "")
        .replace(/(\d) s\b/g, "$1 秒")
      : text.replace(/。/g, ". ").replace(/： ?/g, ": ").replace(/(\d) 秒/g, "$1 s"));
    document.querySelectorAll(".notice, .report, .tiles, .wrap label, [data-sentences]").forEach((root) => {
      const walk = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
      while (walk.nextNode()) {
        const text = punctuated(replaced(walk.currentNode.data));
        if (text !== walk.currentNode.data) walk.currentNode.data = text;
      }
    });
  };

  const choose = async (wanted) => {
    if (wanted === language) return;
    const from = language;
    language = wanted;
    literals = collect(from, language);
    // In the address, so that it survives a reload and nothing is stored. A cookie would not reach
    // a server whose page is in another site's frame, as on Spaces.
    const address = new URL(location.href);
    address.searchParams.set(page.parameter, language);
    history.replaceState(history.state, "", address);
    // Spaces shows the address of its own page, and hands it down at a reload.
    const outer = location.ancestorOrigins?.[0] ?? "https://huggingface.co"; // Firefox does not say
    if (window.parent !== window && outer === "https://huggingface.co") {
      window.parent.postMessage({ queryString: address.searchParams.toString() }, outer);
    }
    try {
      (await import(new URL(page.core, document.baseURI))).changeLocale(page.tags[language]);
    } catch {
      location.reload(); // loses the photos, but not the choice
      return;
    }
    document.documentElement.lang = page.tags[language];
    setTimeout(() => {
      translateSentences(from);
      translateLiterals(document.body);
      showChoice();
      document.dispatchEvent(new Event("languagechange"));
    }, 50);
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-language]");
    if (button) choose(button.dataset.language);
  });
  return { say, get language() { return language; } };
})();
