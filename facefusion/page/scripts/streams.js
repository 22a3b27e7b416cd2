// Gradio's answers come by one stream, which the server closes as soon as no call waits for one. A call
// that joins while this message is on its way would never be answered: Gradio still takes the stream for
// open. Then the message is left out here, and the next stream goes on in the same answer.
const streams = (() => {
  const send = window.fetch;
  let session = null; // the name that Gradio gave this visit
  const waiting = new Set(); // calls that joined and have not ended
  const ended = new Set(); // calls whose end came before they were known to have joined
  const note = ({ msg, event_id: call }) => {
    if (msg === "process_completed" && !waiting.delete(call)) ended.add(call);
  };
  const join = async (request) => {
    const answer = await send(request);
    const { event_id: call } = await answer.clone().json().catch(() => ({}));
    if (call && !ended.delete(call)) waiting.add(call);
    await new Promise((done) => setTimeout(done)); // Gradio sees a message that has arrived before
    return answer;
  };
  const parsed = (text) => {
    try {
      return JSON.parse(text.slice(text.indexOf("{")));
    } catch {
      return {};
    }
  };
  // Messages of one answer after the other, each with the empty line after it.
  async function* messages(first, request) {
    for (let answer = first; answer.ok; answer = await send(request.clone())) {
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      let isLost = false;
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        const lines = (text + part.value).split("\n\n");
        text = lines.pop();
        for (const line of lines.map((each) => `${each}\n\n`)) {
          const message = parsed(line);
          note(message);
          if (message.msg === "close_stream" && waiting.size) isLost = true;
          else yield line;
        }
      }
      if (!isLost) return;
    }
    yield 'data: {"msg":"close_stream"}\n\n'; // there is no next stream
  }
  const follow = async (request) => {
    const first = await send(request.clone());
    if (!first.ok) return first;
    const encoder = new TextEncoder();
    const found = messages(first, request);
    const body = new ReadableStream({
      async pull(controller) {
        const { value, done } = await found.next();
        if (done) controller.close();
        else controller.enqueue(encoder.encode(value));
      },
      cancel: () => found.return(),
    }, { highWaterMark: 0 });
    return new Response(body, { status: first.status, headers: first.headers });
  };
  window.fetch = (input, options = {}) => {
    const request = new Request(input, options);
    const { origin, pathname, searchParams } = new URL(request.url);
    session = searchParams.get("session_hash") ?? session;
    if (origin === location.origin && pathname.endsWith("/queue/join")) return join(request);
    if (origin === location.origin && pathname.endsWith("/queue/data")) return follow(request);
    return send(request);
  };
  return { session: () => session };
})();
