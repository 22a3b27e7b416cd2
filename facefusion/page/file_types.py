"""Gives HEIC files a type in the browser, where the system does not know one.

Gradio's photo fields take only files whose type begins with `image/`. Windows, and Linux for names
such as `IMG_1234.HEIC`, leave the type of HEIC files empty. File dialogs there hide them too, unless
the field names their extensions; iPhones convert to JPEG by themselves, unless it does.
"""

from __future__ import annotations

from typing import Final

SCRIPT: Final = """<script>
const isUntypedHeic = (file) => !file.type && /\\.hei[cf]$/i.test(file.name);
const withHeicTypes = (files) => {
  const typed = new DataTransfer();
  for (const file of files) {
    typed.items.add(isUntypedHeic(file) ? new File([file], file.name, { type: "image/heic" }) : file);
  }
  return typed;
};
document.addEventListener("change", (event) => {
  const input = event.target;
  if (input.type === "file" && [...input.files].some(isUntypedHeic)) {
    input.files = withHeicTypes(input.files).files;
  }
}, true);
document.addEventListener("drop", (event) => {
  const files = [...(event.dataTransfer?.files ?? [])];
  if (!files.some(isUntypedHeic)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const dataTransfer = withHeicTypes(files);
  event.target.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer }));
}, true);
if (!/iPhone|iPad/.test(navigator.userAgent)) {
  new MutationObserver(() => {
    document.querySelectorAll("input[type=file][accept='image/*']").forEach((input) => {
      input.accept = "image/*, .heic, .heif";
    });
  }).observe(document, { childList: true, subtree: true });
}
</script>"""
