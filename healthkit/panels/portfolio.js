// Shows all accounts: a sentence, small charts of those that are drawn, and the table of every measure.
function render({ model, el }) {
  const ask = (question) => model.send(question);
  const now = make("div", { class: "now", role: "status", "aria-live": "polite" });
  const title = make("h3"), place = make("div", { class: "chart" }), caption = make("figcaption");
  const figure = make("figure", {}, title, place, caption);
  const scroll = make("div", { class: "scroll accounts", tabindex: "0", role: "region", "aria-label": "Accounts and measures" });
  const key = make("p", { class: "key" }), more = make("button", { type: "button" });
  el.append(make("div", { class: "hk hk-answer wide" }, now, figure, scroll, more, key));
  const live = new Live(place);
  more.addEventListener("click", () => ask({ ask: "more" }));

  const button = (words, question, attributes = {}) => {
    const made = make("button", { type: "button", ...attributes }, ...words);
    made.addEventListener("click", () => ask({ ask: "open", ...question }));
    return made;
  };
  const cell = (row, held, head) => {
    if (!held) return make("td", { class: "none" }, make("span", { "aria-label": "no data" }, "–"));
    const { measure, rate, symbol, word, colour } = held;
    const said = `${row.account}, ${head}: ${rate}, ${word}. Open it`;
    const parts = [make("span", { class: "sy", "aria-hidden": "true" }, symbol), make("b", {}, rate), make("small", {}, word)];
    const question = { account: row.account, marketplace: row.marketplace, measure };
    return make("td", { class: `heat h-${colour}` }, button(parts, question, { "aria-label": said, class: colour }));
  };
  const line = (row, heads, ahead) => {
    const tick = make("input", { type: "checkbox", "aria-label": `Draw ${row.account} ${row.marketplace}` });
    tick.checked = row.drawn;
    tick.addEventListener("change", () => ask({ ask: "draw", account: row.account, marketplace: row.marketplace, on: tick.checked }));
    const name = make("th", { scope: "row" }, button([row.account], { account: row.account, marketplace: row.marketplace }), make("small", {}, row.marketplace));
    const strip = make("td", { class: "x-strip" });
    // The kit's own drawing, made of its own numbers; the name of the measure in it is escaped there.
    strip.innerHTML = row.strip;
    const harm = ahead ? [make("td", { class: "num" }, make("b", {}, row.harm), make("small", {}, row.chance && `${row.chance} chance`))] : [];
    return make("tr", {}, make("td", {}, tick), name, ...harm, make("td", {}, row.worst), strip,
      ...row.cells.map((held, n) => cell(row, held, heads[n])));
  };
  const fill = ({ heads, rows, looked_ahead: ahead, key: words, more: left, none }) => {
    const names = ["Draw", "Account", ...(ahead ? ["Expected harm"] : []), "Worst measure", "26 weeks", ...heads];
    const cells = names.map((text) => make("th", { scope: "col" }, text));
    const held = document.activeElement?.getAttribute("aria-label");
    const body = make("tbody", {}, ...rows.map((row) => line(row, heads, ahead)));
    scroll.replaceChildren(none ? make("p", {}, "No account is like that.") : make("table", { class: "ix" }, make("thead", {}, make("tr", {}, ...cells)), body));
    if (held) [...scroll.querySelectorAll("[aria-label]")].find((one) => one.getAttribute("aria-label") === held)?.focus();
    more.hidden = !left;
    more.textContent = `List more: ${left} are left`;
    key.textContent = words;
  };
  const draw = (drawing) => {
    figure.hidden = !drawing?.title;
    if (!drawing?.title) return live.show(null);
    title.textContent = drawing.title;
    caption.replaceChildren(...drawing.notes.map((note) => make("p", {}, note)));
    return live.show(drawing.spec);
  };
  const show = () => {
    const { finding, figure: drawing, table } = JSON.parse(model.get("shown"));
    now.replaceChildren(make("p", { class: "finding" }, ...words(finding)));
    fill(table);
    return draw(drawing);
  };
  const redraw = () => draw(JSON.parse(model.get("redrawn")));
  const hear = (content) => {
    if (!content.opened) return;
    const said = make("p", { class: "lead" }, content.opened);
    now.querySelector(".lead")?.remove();
    now.append(said);
    setTimeout(() => el.closest(".hk-panel")?.querySelector(".hk-opened")?.scrollIntoView({ block: "nearest" }), 300);
  };
  model.on("change:shown", show);
  model.on("change:redrawn", redraw);
  model.on("msg:custom", hear);
  const watched = new ResizeObserver(() => live.refit());
  watched.observe(el);
  const unhelped = helpAlways(el);
  show();
  return () => {
    watched.disconnect();
    unhelped();
    model.off("change:shown", show);
    model.off("change:redrawn", redraw);
    model.off("msg:custom", hear);
    live.clear();
  };
}

export default { initialize: ({ model }) => askForVega(model), render };
