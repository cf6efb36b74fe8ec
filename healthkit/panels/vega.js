// Loads Vega from the kernel once per page; the notebook file does not store it.
const shared = (globalThis.healthkit ??= {});
shared.vega ??= new Promise((resolve) => { shared.arrived = resolve; });
const RETRY_MS = 10_000;

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
  // Another widget of this page may have requested it, but its kernel may be gone or busy: each widget tries again.
  const ask = (tries) => {
    if (shared.embed || !tries) return;
    if (Date.now() - (shared.requestedAt ?? -RETRY_MS) >= RETRY_MS) {
      shared.requestedAt = Date.now();
      model.send({ vega: "please" });
    }
    setTimeout(ask, RETRY_MS + 100, tries - 1);
  };
  ask(60);
}

// A page whose security policy forbids eval needs the slower expression interpreter of Vega.
function needsInterpreter() {
  try { return new Function("return false")(); } catch { return true; }
}

async function drawChart(spec, size) {
  const embed = await shared.vega;
  const sheet = document.createElement("div");
  const result = await embed(sheet, { ...spec, ...size }, { ast: needsInterpreter(), renderer: "svg", actions: false });
  return { sheet, view: result.view, end: () => result.finalize() };
}
