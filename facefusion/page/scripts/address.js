// Gradio would open its Settings over the page, with a choice of languages that the page does not have.
(() => {
  const address = new URL(location.href);
  if (address.searchParams.get("view") !== "settings") return;
  address.searchParams.delete("view");
  history.replaceState(history.state, "", address);
})();
