// Shows one answer: a finding, its chart and the orders behind it. The old drawing stays until the new one is ready.
const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

const NARROW = 328;

function painter(place) {
  let wanted = null, busy = false, old = null, width = 0;

  const fit = ({ wide, narrow }) => {
    const room = Math.max(NARROW, Math.min(wide[0], place.clientWidth || wide[0]));
    return { width: room, height: room < (wide[0] + narrow[0]) / 2 ? narrow[1] : wide[1] };
  };
  const paint = async (spec) => {
    const fresh = spec ? await drawn(spec, fit(spec.usermeta.sizes)) : null;
    place.replaceChildren(...(fresh ? [fresh.sheet] : []));
    old?.end();
    old = fresh;
    width = place.clientWidth;
    place.dataset.drawn = String(Number(place.dataset.drawn ?? 0) + 1);
  };
  const work = async () => {
    if (busy) return;
    busy = true;
    while (wanted) {
      const { spec } = wanted;
      wanted = null;
      try {
        await paint(spec);
      } catch (error) {
        place.replaceChildren(make("p", { class: "undrawn" }, `The chart is not drawn: ${error.message}`));
      }
    }
    busy = false;
  };
  return {
    // Whatever was asked for while a drawing was under way is passed over, but for the last.
    show: (spec) => { wanted = { spec }; return work(); },
    refit: (spec) => { if (width && Math.abs(place.clientWidth - width) > 8) { wanted = { spec }; work(); } },
    end: () => old?.end(),
  };
}

// JupyterLab takes arrow keys and letters from what it does not know as an input, and slider handles have no name.
function helpKeyboard(panel) {
  for (const select of panel?.querySelectorAll("select") ?? []) select.dataset.lmSuppressShortcuts = "true";
  for (const handle of panel?.querySelectorAll(".noUi-handle") ?? []) {
    handle.dataset.lmSuppressShortcuts = "true";
    const label = handle.closest(".jupyter-widgets")?.querySelector("label")?.textContent;
    if (label) handle.setAttribute("aria-label", label);
  }
}

const words = (parts) => parts.map(([text, strong]) => (strong ? make("b", {}, text) : text));

const badge = ({ symbol, word, colour }) =>
  make("span", { class: `st ${colour}` }, make("span", { class: "sy", "aria-hidden": "true" }, symbol), word);

function table({ heads, rows }) {
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map(([leaves, id, ...rest]) => make("tr", {},
    make("td", { class: "o-leaves" }, make("b", {}, leaves)), make("th", { scope: "row", class: "o-id" }, id),
    ...rest.map((text) => make("td", {}, text))));
  return make("table", { class: "od" }, make("thead", {}, head), make("tbody", {}, ...body));
}

function render({ model, el }) {
  const now = make("div", { class: "now", role: "status", "aria-live": "polite" });
  const title = make("h3"), place = make("div", { class: "chart" }), caption = make("figcaption");
  const figure = make("figure", {}, title, place, caption);
  const ordersTitle = make("h3"), scroll = make("div", { class: "scroll" });
  const orders = make("div", { class: "orders" }, ordersTitle, scroll);
  el.append(make("div", { class: "hk hk-answer" }, now, figure, orders));
  const paint = painter(place);

  const show = () => {
    const { status, finding, lead, figure: drawing, notes, orders: listed } = model.get("shown");
    const first = make("p", { class: "finding" }, ...(status ? [badge(status), " "] : []), ...words(finding));
    now.replaceChildren(first, ...(lead ? [make("p", { class: "lead" }, lead)] : []));
    title.textContent = drawing?.title ?? "";
    caption.replaceChildren(...notes.map((note) => make("p", {}, ...words(note))));
    ordersTitle.textContent = listed?.title ?? "";
    scroll.replaceChildren(...(listed?.rows.length ? [table(listed)] : []));
    // A box that scrolls must be reachable by keyboard, and has to say what it is.
    const long = (listed?.rows.length ?? 0) > 8;
    long ? scroll.setAttribute("tabindex", "0") : scroll.removeAttribute("tabindex");
    long ? scroll.setAttribute("role", "region") : scroll.removeAttribute("role");
    scroll.setAttribute("aria-label", listed?.title ?? "");
    orders.hidden = !listed;
    return paint.show(drawing?.spec ?? null);
  };
  const sized = new ResizeObserver(() => {
    helpKeyboard(el.closest(".hk-panel"));
    paint.refit(model.get("shown").figure?.spec ?? null);
  });
  sized.observe(el);
  model.on("change:shown", show);
  show();
  return () => { sized.disconnect(); paint.end(); };
}

export default { initialize: ({ model }) => askForVega(model), render };
