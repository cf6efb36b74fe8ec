// Pointer and keyboard control over a chart: read a day, pick a range of days, or pick a bar.
const DAY = 86_400_000;
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -7, PageUp: 7, Home: -1e9, End: 1e9 };

// Moving over the plot reads a day, a click or Enter picks it, a drag or Shift with an arrow key picks a range.
function dayPicker(live, { read, pick }) {
  const cursor = make("div", { class: "cursor", hidden: "" }), band = make("div", { class: "band", hidden: "" });
  const tip = make("div", { class: "tip", hidden: "", "aria-hidden": "true" });
  const handle = make("div", {
    class: "reader", role: "slider", tabindex: "0", "aria-label": "Day of the chart", "data-lm-suppress-shortcuts": "true",
    title: "",
  });
  handle.removeAttribute("title");
  const layer = make("div", { class: "overlay", hidden: "" }, band, cursor, handle, tip);
  live.place.append(layer);
  let plot = null, at = null, from = null, picked = null, dragging = false, asked = null, waiting = false;

  const x = (day) => ((day - plot.days[0]) / Math.max(1, plot.days[1] - plot.days[0])) * plot.width;
  const dayAt = (pixel) => {
    const share = Math.min(1, Math.max(0, pixel / plot.width));
    return plot.days[0] + Math.round((share * (plot.days[1] - plot.days[0])) / DAY) * DAY;
  };
  const span = (one, two) => [Math.min(one, two), Math.max(one, two)];
  const put = (node, left, width) => {
    node.hidden = false;
    node.style.left = `${left}px`;
    if (width !== undefined) node.style.width = `${width}px`;
  };
  const draw = () => {
    const range = from !== null && at !== null ? span(from, at) : picked;
    band.hidden = !range;
    if (range) put(band, x(range[0]) - 1, x(range[1]) - x(range[0]) + 2);
    if (at === null) { cursor.hidden = true; tip.hidden = true; } else put(cursor, x(at));
  };
  const ask = () => {
    if (waiting || asked === at || at === null) return;
    asked = at;
    waiting = true;
    read(at);
  };
  const move = (day) => {
    at = Math.min(plot.days[1], Math.max(plot.days[0], day));
    handle.setAttribute("aria-valuenow", String(Math.round((at - plot.days[0]) / DAY)));
    draw();
    ask();
  };
  const leave = () => { if (!dragging && document.activeElement !== handle) { at = null; draw(); } };
  const done = () => {
    if (at === null) return;
    picked = span(from ?? at, at);
    from = null;
    draw();
    pick(picked);
  };

  handle.addEventListener("pointermove", (event) => { if (plot) move(dayAt(event.offsetX)); });
  handle.addEventListener("pointerdown", (event) => {
    if (!plot || event.button) return;
    handle.setPointerCapture(event.pointerId);
    dragging = true;
    move(dayAt(event.offsetX));
    from = at;
  });
  handle.addEventListener("pointerup", () => { if (dragging) { dragging = false; done(); } });
  handle.addEventListener("pointercancel", () => { dragging = false; from = null; leave(); });
  handle.addEventListener("pointerleave", leave);
  handle.addEventListener("focus", () => { if (plot && at === null) move(picked?.[1] ?? plot.days[1]); });
  handle.addEventListener("blur", () => { from = null; at = null; draw(); });
  handle.addEventListener("keydown", (event) => {
    if (!plot) return;
    if (event.key in STEPS) {
      if (event.shiftKey) from ??= at;
      else from = null;
      move((at ?? plot.days[1]) + STEPS[event.key] * DAY);
    } else if (event.key === "Enter" || event.key === " ") done();
    else if (event.key === "Escape" && (picked || from)) { from = picked = null; draw(); pick(null); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  });

  return {
    // Called after each drawing: the position and the days of the plot may have changed.
    settle: (wanted) => {
      plot = wanted ? live.plot() : null;
      layer.hidden = !plot?.days;
      if (layer.hidden) { plot = null; return; }
      Object.assign(layer.style, {
        left: `${plot.left}px`, top: `${plot.top}px`, width: `${plot.width}px`, height: `${plot.height}px`,
      });
      handle.setAttribute("aria-valuemin", "0");
      handle.setAttribute("aria-valuemax", String(Math.round((plot.days[1] - plot.days[0]) / DAY)));
      handle.setAttribute("aria-valuenow", String(Math.round(((at ?? plot.days[1]) - plot.days[0]) / DAY)));
      if (!handle.hasAttribute("aria-valuetext")) handle.setAttribute("aria-valuetext", "the last day");
      asked = null;
      draw();
      if (at !== null) ask();
    },
    showText: (day, text) => {
      waiting = false;
      if (day === at) {
        tip.textContent = text;
        handle.setAttribute("aria-valuetext", text);
        const left = x(at);
        tip.hidden = false;
        tip.classList.toggle("before", left > plot.width / 2);
        tip.style.left = `${left}px`;
      }
      ask();
    },
    forget: () => { from = picked = null; if (plot) draw(); },
  };
}

// One clickable area over each bar of a bridge that has orders of its own. The buttons above the list do the same.
function barPicker(live, pick) {
  const layer = make("div", { class: "overlay bars", hidden: "" });
  live.place.append(layer);
  return {
    settle: (bars) => {
      const plot = bars?.length ? live.plot() : null;
      layer.hidden = !plot;
      if (!plot) return;
      Object.assign(layer.style, { left: "0px", top: `${plot.top}px`, width: "100%", height: `${plot.height}px` });
      const high = plot.height / bars.length;
      layer.replaceChildren(...bars.flatMap(([group, words], place) => {
        if (!group) return [];
        const bar = make("div", { class: "bar", title: words });
        Object.assign(bar.style, { top: `${place * high}px`, height: `${high}px` });
        bar.addEventListener("click", () => pick(group));
        return [bar];
      }));
    },
  };
}
