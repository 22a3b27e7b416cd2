// A picture that is pasted or dropped anywhere on the page goes into the first empty box.
(() => {
  const BOXES = ["source-photo", "target-photo"];
  const box = (id) => document.getElementById(id);
  const isEmpty = (id) => box(id) && !box(id).querySelector("img:not(.hide)");
  const give = (files, wanted = null) => {
    const places = wanted ? [wanted] : BOXES.filter(isEmpty);
    files.slice(0, places.length).forEach((file, i) => {
      notices.hide(box(places[i]));
      dom.give(places[i], file);
    });
    if (!places.length) notices.show(box(BOXES[1]), "paste.full");
    else if (places.length) box(places[0]).scrollIntoView({ block: "nearest" });
  };
  const pictures = (data) => [...(data?.files ?? [])]
    .filter(({ type, name }) => type.startsWith("image/") || /\.(heic|heif|avif)$/i.test(name));
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

  document.addEventListener("paste", (event) => {
    const found = pictures(event.clipboardData);
    if (!found.length || event.defaultPrevented) return;
    event.preventDefault();
    give(found);
  });
  // Without this the browser would leave the page and show the picture.
  document.addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event) || event.defaultPrevented) return;
    event.preventDefault();
    const found = pictures(event.dataTransfer);
    const under = event.target.closest?.("[id$=-photo]");
    if (found.length) give(found, under?.querySelector("input[type=file]") ? under.id : null);
  });
})();
