// Gradio's own error messages, as sentences in the page's language.
(() => {
  const detail = (text) => /"detail":\s*("(?:[^"\\]|\\.)*")/.exec(text)?.[1];
  const rules = [
    [/^Invalid file type/, () => choice.say("error.no_picture_file")],
    [/^File\(s\) exceed/, () => choice.say("error.file_too_large")],
    [/"detail":/, (text) => JSON.parse(detail(text) ?? '""')], // the guard's sentence
    [/^(?:HTTP|Error uploading|Connection errored|Failed to fetch)/, () => choice.say("error.slow")],
  ];
  const translate = () => {
    document.querySelectorAll(".toast-message-text").forEach((toast) => {
      const sentence = rules.find(([pattern]) => pattern.test(toast.textContent))?.[1](toast.textContent);
      if (sentence && sentence !== toast.textContent) toast.textContent = sentence;
    });
  };
  new MutationObserver(translate).observe(document, { childList: true, subtree: true });
})();
