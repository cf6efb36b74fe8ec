// Vega for the charts of a notebook: asked of the kernel once a page, kept in no notebook.
const shared = (globalThis.healthkit ??= {});
shared.vega ??= new Promise((resolve) => { shared.arrived = resolve; });
const PATIENCE = 10_000;

function askForVega(model) {
  model.on("msg:custom", (content, buffers) => {
    if (content.vega !== "here" || shared.embed) return;
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(buffers[0]);
    document.head.append(script);
    script.remove();
    shared.embed = window.vegaEmbed;
    shared.arrived(shared.embed);
  });
  // Another widget of this page may have asked already; its kernel may be gone, so nobody waits for ever.
  if (shared.embed || Date.now() - (shared.asked ?? -PATIENCE) < PATIENCE) return;
  shared.asked = Date.now();
  model.send({ vega: "please" });
}

async function drawn(spec, size) {
  const embed = await shared.vega;
  const sheet = document.createElement("div");
  const result = await embed(sheet, { ...spec, ...size }, { ast: true, renderer: "svg", actions: false });
  return { sheet, end: () => result.finalize() };
}
