// Gives HEIC files a type. Gradio's photo fields take only files whose type begins with "image/", but
// Windows, and Linux for names such as IMG_1234.HEIC, leave the type of HEIC files empty.
(() => {
  const isUntyped = (file) => !file.type && /\.hei[cf]$/i.test(file.name);
  const withTypes = (files) => {
    const typed = new DataTransfer();
    for (const file of files) {
      typed.items.add(isUntyped(file) ? new File([file], file.name, { type: "image/heic" }) : file);
    }
    return typed;
  };

  document.addEventListener("change", (event) => {
    const input = event.target;
    if (input.type === "file" && [...input.files].some(isUntyped)) {
      input.files = withTypes(input.files).files;
    }
  }, true);
  document.addEventListener("drop", (event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    if (!files.some(isUntyped)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    const dataTransfer = withTypes(files);
    event.target.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
  }, true);
  // File dialogs of these systems hide HEIC files from a field that does not name their extensions.
  // An iPhone converts to JPEG by itself, unless the field names them.
  if (/iPhone|iPad/.test(navigator.userAgent)) return;
  new MutationObserver(() => {
    document.querySelectorAll("input[type=file][accept='image/*']").forEach((input) => {
      input.accept = "image/*, .heic, .heif";
    });
  }).observe(document, { childList: true, subtree: true });
})();
