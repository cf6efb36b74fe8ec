// Draws every chart of the page twice, for a wide column and for a phone; the style sheet shows one of them.
// The shown ones come first. No kernel, no server, no request; expressions are interpreted, never compiled.
(async () => {
  const root = document.documentElement;
  const nodes = [...document.querySelectorAll('script[data-chart]')];
  const phone = matchMedia('(max-width: 700px)').matches;
  let drawn = 0, failed = 0;

  const draw = async (node, size) => {
    const place = document.getElementById(node.dataset.chart);
    const spec = JSON.parse(node.textContent);
    const [width, height] = spec.usermeta.sizes[size];
    const sheet = document.createElement('div');
    sheet.className = size;
    await window.vegaEmbed(sheet, { ...spec, width, height }, { ast: true, renderer: 'svg', actions: false });
    place.querySelector('.undrawn')?.remove();
    place.append(sheet);
  };

  const drawAll = async (size) => {
    for (const node of nodes) {
      try {
        await draw(node, size);
        drawn += 1;
      } catch (error) {
        failed += 1;
        console.error(`Chart ${node.dataset.chart} is not drawn: ${error.message}`);
      }
    }
  };

  await drawAll(phone ? 'narrow' : 'wide');
  root.dataset.charts = failed ? 'failed' : 'shown';
  await drawAll(phone ? 'wide' : 'narrow');
  root.dataset.drawn = String(drawn / 2);
  root.dataset.charts = failed ? 'failed' : 'drawn';
})();
