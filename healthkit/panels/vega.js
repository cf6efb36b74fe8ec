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
  // Another widget of this page may have asked already. Its kernel may be gone or busy, so each asks again in time.
  const ask = (times) => {
    if (shared.embed || !times) return;
    if (Date.now() - (shared.asked ?? -PATIENCE) >= PATIENCE) {
      shared.asked = Date.now();
      model.send({ vega: "please" });
    }
    setTimeout(ask, PATIENCE + 100, times - 1);
  };
  ask(60);
}

// Where a page allows no code made of text, Vega reads its expressions one by one, which takes longer.
function careful() {
  try { return new Function("return false")(); } catch { return true; }
}

async function drawn(spec, size) {
  const embed = await shared.vega;
  const sheet = document.createElement("div");
  const result = await embed(sheet, { ...spec, ...size }, { ast: careful(), renderer: "svg", actions: false });
  return { sheet, view: result.view, end: () => result.finalize() };
}
