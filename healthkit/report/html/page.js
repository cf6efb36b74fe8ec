// Draws every chart of the page twice, for a wide column and for a phone; the style sheet shows one of them.
// The shown ones come first. No kernel, no server, no request; expressions are interpreted, never compiled.
(async () => {
  const root = document.documentElement;
  const nodes = [...document.querySelectorAll('script[data-chart]')];
  const phone = matchMedia('(max-width: 700px)').matches;
  const looks = JSON.parse(document.getElementById('looks')?.textContent ?? 'null');
  let drawn = 0, failed = 0;

  // Long rows come by column; a column that is even or everywhere the same comes as its rule.
  const unpacked = (name, value) => {
    if (name !== 'values' || !value?.by) return value;
    const at = Object.entries(value.by).map(([key, held]) => {
      if (Array.isArray(held)) return [key, (n) => held[n]];
      if ('of' in held) return [key, (n) => held.of[held.at[n]]];
      return [key, 'same' in held ? () => held.same : (n) => held.from + n * held.step];
    });
    return Array.from({ length: value.rows }, (_, n) => Object.fromEntries(at.map(([key, of]) => [key, of(n)])));
  };

  const draw = async (node, size) => {
    const place = document.getElementById(node.dataset.chart);
    const { shared, ...packed } = JSON.parse(node.textContent, unpacked);
    for (const { encoding = {} } of packed.layer ?? []) {
      for (const name of Object.keys(encoding)) encoding[name] = shared?.[encoding[name].as] ?? encoding[name];
    }
    const spec = { ...looks, ...packed };
    const [width, height] = spec.usermeta.sizes[size];
    const sheet = document.createElement('div');
    sheet.className = size;
    const { view } = await window.vegaEmbed(sheet, { ...spec, width, height }, { ast: true, renderer: 'svg', actions: false });
    place.querySelector('.undrawn')?.remove();
    place.append(sheet);
    if (size !== 'wide') return;
    const page = decodeURIComponent(location.pathname).split('/').pop().replace(/\.html$/, '');
    offerPictures(place, () => view, () => `${page}_${place.id}`, `the chart: ${spec.description}`);
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

// The answers of each what-if: looked up for the positions of its sliders; nothing is worked out here.
for (const node of document.querySelectorAll('script[data-what-if]')) {
  const held = JSON.parse(node.textContent);
  const box = document.getElementById(node.dataset.whatIf);
  const sliders = [...box.querySelectorAll('input[type="range"]')];
  const cell = (name) => box.querySelector(`[data-answer="${name}"]`);
  const steps = 100 / held.grain + 1;

  const show = () => {
    const place = sliders.reduce((sum, slider) => sum * steps + Math.round(Number(slider.value) / held.grain), 0);
    const [rate, colour, symbol, word] = held.answers[held.counts[place]];
    cell('rate').textContent = rate;
    cell('status').className = `st ${colour}`;
    cell('status').querySelector('.sy').textContent = symbol;
    cell('status').querySelector('.word').textContent = word;
    cell('back').textContent = held.days[held.backs[place]];
    for (const slider of sliders) {
      box.querySelector(`output[for="${slider.id}"]`).textContent = `${slider.value}%`;
      slider.setAttribute('aria-valuetext', `${slider.value}%`);
    }
  };
  for (const slider of sliders) slider.addEventListener('input', show);
  show();
}
