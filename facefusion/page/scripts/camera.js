// A camera that cannot be used: one sentence beside the box, and no error in the console.
const camera = (() => {
  const reasons = {
    NotAllowedError: "camera.refused",
    SecurityError: "camera.refused",
    NotFoundError: "camera.missing",
    OverconstrainedError: "camera.missing",
    NotReadableError: "camera.busy",
    AbortError: "camera.busy",
  };
  let box = null; // whose camera button was pressed last
  const say = (key) => notices.show(box ?? document.getElementById("source-photo"), key);

  const devices = navigator.mediaDevices;
  const open = devices?.getUserMedia?.bind(devices);
  const getUserMedia = async (wanted) => {
    notices.hide(box);
    try {
      if (!open) throw new DOMException("no secure connection", "Insecure");
      return await open(wanted);
    } catch (error) {
      say(open ? reasons[error.name] ?? "camera.busy" : "camera.insecure");
      return new Promise(() => {}); // Gradio has no branch for a refusal: it stays at its button
    }
  };
  if (devices) devices.getUserMedia = getUserMedia;
  else {
    const stub = { getUserMedia, enumerateDevices: async () => [] };
    Object.defineProperty(navigator, "mediaDevices", { value: stub, configurable: true });
  }
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("[id$=-photo]");
    if (!pressed) return;
    box = pressed;
    if (event.target.closest(".source-selection")) notices.hide(box);
  }, true);
})();
