// Lets a drawn chart be saved as PNG or SVG: in the colours of the light page on white, whatever the theme is.
// The SVG of a view names colours as CSS variables; outside of the page only their fallbacks are known.
const asPicture = async (view) => {
  const svg = (await view.toSVG()).replace(/var\(--[\w-]+, (#[0-9a-f]{6})\)/g, '$1');
  const halo = 'text{paint-order:stroke;stroke:#ffffff;stroke-width:3px;stroke-linejoin:round}';
  return svg.replace(/<svg[^>]*>/, (open) => `${open}<style>${halo}</style><rect width="100%" height="100%" fill="#ffffff"/>`);
};

const asPng = async (svg) => {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [2 * image.naturalWidth, 2 * image.naturalHeight];
  canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, 'image/png'));
};

// Puts the buttons behind the place of a chart. `viewOf` returns its Vega view, `name` the file name without suffix;
// `label` distinguishes this chart from the others for screen readers.
const offerPictures = (place, viewOf, name, label) => {
  const line = document.createElement('p');
  line.className = 'pictures';
  line.append('Save chart');
  for (const kind of ['PNG', 'SVG']) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = kind;
    button.setAttribute('aria-label', `${kind} of ${label}`);
    button.addEventListener('click', async () => {
      const svg = await asPicture(viewOf());
      const blob = kind === 'PNG' ? await asPng(svg) : new Blob([svg], { type: 'image/svg+xml' });
      const link = document.createElement('a');
      [link.href, link.download] = [URL.createObjectURL(blob), `${name()}.${kind.toLowerCase()}`];
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    line.append(' ', button);
  }
  place.after(line);
  return line;
};
