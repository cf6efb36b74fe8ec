// Draws the charts whose specs are embedded in the HTML outputs of this page; the widget itself need not be visible.
const WAITING = 'script[type="application/json"][data-chart]:not([data-drawn])';

async function draw(node) {
  node.dataset.drawn = "yes";
  const place = node.parentElement?.querySelector(`#${CSS.escape(node.dataset.chart)}`);
  if (!place) return;
  const spec = JSON.parse(node.textContent);
  const sizes = spec.usermeta?.sizes ?? { any: [] };
  for (const [name, [width, height]] of Object.entries(sizes)) {
    const { sheet, view } = await drawChart(spec, width ? { width, height } : {});
    sheet.className = name;
    place.querySelector(".undrawn")?.remove();
    place.append(sheet);
    if (name !== "narrow") {
      offerPictures(place, () => view, () => place.id, `the chart: ${spec.description ?? ""}`);
    }
  }
}

function drawAll() {
  for (const node of document.querySelectorAll(WAITING)) {
    draw(node).catch((error) => console.error(`Chart ${node.dataset.chart} is not drawn: ${error.message}`));
  }
}

function watch() {
  if (!shared.watching) {
    shared.watching = new MutationObserver(drawAll);
    shared.watching.observe(document.body, { childList: true, subtree: true });
  }
  drawAll();
}

export default {
  // Not awaited: the page gives up on a widget that takes seconds to initialize.
  initialize({ model }) {
    askForVega(model);
    shared.vega.then(watch);
  },
};
