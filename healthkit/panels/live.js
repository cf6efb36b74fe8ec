// A chart that is updated in place: if only data and scales change, the existing Vega view receives the new values.
const NARROW = 328;

// Split a Vega-Lite spec into what can change in place (rows, scale domains, ticks, named values) and the fixed frame.
function splitSpec(spec) {
  const rows = {}, values = {};
  const numbers = (node) => Array.isArray(node) && node.length && node.every((one) => typeof one === "number");
  const slot = (name, value) => {
    values[name] = value;
    return { expr: name };
  };
  // Layers of one view share their scales, so they share the signals too; `view` and `channel` identify the scale.
  const walk = (node, key, view, channel) => {
    if (Array.isArray(node)) return node.map((one, n) => walk(one, "", key === "concat" ? `${view}_${n}` : view, channel));
    if (!node || typeof node !== "object") return node;
    if (key === "data" && node.values) {
      const name = `rows_${Object.keys(rows).length}`;
      rows[name] = node.values;
      return { name };
    }
    const made = {};
    for (const [name, value] of Object.entries(node)) {
      const whose = key === "encoding" ? name : channel;
      if (name === "usermeta") continue;
      if (key === "scale" && name === "domain" && numbers(value)) {
        made[name] = value.map((one, n) => slot(`end${view}_${channel}_${n}`, one));
      } else if (key === "axis" && name === "values" && numbers(value)) {
        made[name] = slot(`ticks${view}_${channel}`, value);
      } else if (name === "datum" && typeof value === "number") {
        made[name] = slot(`at_${Object.keys(values).length}`, value);
      } else {
        made[name] = walk(value, name, view, whose);
      }
    }
    return made;
  };
  const { description, params = [], ...rest } = spec;
  const frame = walk(rest, "", "", "");
  for (const { name, value } of params.filter((one) => !one.bind)) values[name] = value;
  return { frame, rows, values, description, bound: params.filter((one) => one.bind), make: JSON.stringify(frame) };
}

function chartSize(spec, available) {
  const { sizes, cell } = spec.usermeta ?? {};
  if (cell) return { columns: Math.max(1, Math.floor((available + cell[1]) / (cell[0] + cell[1]))) };
  if (!sizes) return {};
  const width = Math.max(NARROW, Math.min(sizes.wide[0], available || sizes.wide[0]));
  return { width, height: width < (sizes.wide[0] + sizes.narrow[0]) / 2 ? sizes.narrow[1] : sizes.wide[1] };
}

class Live {
  constructor(place) {
    this.place = place;
    this.sheet = make("div", { class: "sheet" });
    place.append(this.sheet);
    this.wanted = undefined;
    this.now = null;
    this.after = () => {};
  }

  // Requests that arrive while a drawing is under way are skipped, except the last.
  async show(spec) {
    this.wanted = { spec };
    if (this.busy) return;
    this.busy = true;
    while (this.wanted) {
      const { spec: next } = this.wanted;
      this.wanted = undefined;
      try {
        await this.draw(next);
      } catch (error) {
        this.clear();
        this.sheet.replaceChildren(make("p", { class: "undrawn" }, `The chart is not drawn: ${error.message}`));
      }
      this.place.dataset.drawn = String(Number(this.place.dataset.drawn ?? 0) + 1);
      this.after();
    }
    this.busy = false;
  }

  async draw(spec) {
    if (!spec) return this.clear();
    const size = chartSize(spec, this.place.clientWidth), parts = splitSpec(spec);
    const make_of = JSON.stringify([size.columns, parts.make]);
    if (this.now?.make !== make_of) await this.anew(spec, parts, size, make_of);
    else await this.follow(parts, size);
    this.spec = spec;
    this.now.size = size;
    const figure = this.sheet.querySelector('[aria-roledescription="visualization"]');
    if (figure && parts.description) figure.setAttribute("aria-label", parts.description);
  }

  async anew(spec, { frame, rows, values, description, bound }, size, make_of) {
    const params = [...Object.entries(values).map(([name, value]) => ({ name, value })), ...bound];
    const whole = { ...frame, ...size, description, params, datasets: rows };
    const { usermeta } = spec;
    const { sheet, view, end } = await drawChart({ ...whole, usermeta }, {});
    this.clear();
    this.sheet.replaceChildren(sheet);
    this.now = { make: make_of, view, end, size, rows: {} };
    this.made = (this.made ?? 0) + 1;
    this.place.dataset.made = String(this.made);
  }

  async follow({ rows, values }, size) {
    const { view } = this.now;
    // Rows that stay as they are, such as the lines of the rule's own windows, need no new marks.
    for (const [name, tuples] of Object.entries(rows)) {
      const text = JSON.stringify(tuples);
      if (text !== this.now.rows[name]) view.data(name, tuples);
      this.now.rows[name] = text;
    }
    for (const [name, value] of Object.entries(values)) view.signal(name, value);
    if (size.width) view.width(size.width).height(size.height);
    await view.runAsync();
  }

  refit() {
    if (!this.spec || this.busy) return;
    const size = chartSize(this.spec, this.place.clientWidth);
    if (Math.abs((size.width ?? 0) - (this.now?.size.width ?? 0)) > 8 || size.columns !== this.now?.size.columns) {
      this.show(this.spec);
    }
  }

  // The position and size of the plot in its element [pixels], and the days at its ends [milliseconds].
  plot() {
    const svg = this.sheet.querySelector("svg");
    if (!svg || !this.now) return null;
    const { view } = this.now, [left, top] = view.origin(), pad = view.padding();
    const at = svg.getBoundingClientRect(), home = this.place.getBoundingClientRect();
    return {
      left: at.left - home.left + left + pad.left, top: at.top - home.top + top + pad.top,
      width: view.signal("width"), height: view.signal("height"), days: this.domain(),
    };
  }

  domain() {
    try { return this.now.view.scale("x").domain(); } catch { return null; }
  }

  clear() {
    this.now?.end();
    this.now = null;
    this.spec = null;
    this.sheet.replaceChildren();
  }
}
