// Shows one answer: a finding, its chart and the orders behind it; the chart stays and takes the new figures.
function render({ model, el }) {
  const now = make("div", { class: "now", role: "status", "aria-live": "polite" });
  const copy = make("button", { type: "button", class: "copy" }, "Copy as a sentence");
  const title = make("h3"), place = make("div", { class: "chart" }), caption = make("figcaption");
  const figure = make("figure", {}, title, place, caption);
  const get = (name) => JSON.parse(model.get(name));
  const ask = (question) => model.send(question);
  const orders = orderList(ask);
  el.append(make("div", { class: "hk hk-answer" }, make("div", { class: "top-line" }, now, copy), figure, orders.root));
  const live = new Live(place);
  const days = dayPicker(live, {
    read: (day) => ask({ ask: "read", day }),
    pick: (range) => ask({ ask: "pick", days: range }),
  });
  const bars = barPicker(live, (group) => ask({ ask: "group", group }));
  const settle = () => {
    const picks = get("shown").figure?.picks;
    days.settle(picks === "days");
    bars.settle(Array.isArray(picks) ? picks : null);
  };
  live.after = settle;

  copy.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(now.textContent.replace(/\s+/g, " ").trim());
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy as a sentence"; }, 1500);
  });

  // While a slider moves, what stands below must not: a part that was high once stays so, until another picture is made.
  let picture = "";
  const steady = () => {
    const anew = place.dataset.made !== picture;
    picture = place.dataset.made;
    for (const node of [now, caption, orders.root]) {
      if (anew) node.style.minHeight = "";
      node.style.minHeight = `${node.offsetHeight}px`;
    }
  };

  const show = () => {
    const { status, finding, lead, figure: drawing, notes, orders: listed } = get("shown");
    const first = make("p", { class: "finding" }, ...(status ? [badge(status), " "] : []), ...words(finding));
    now.replaceChildren(first, ...(lead ? [" ", make("p", { class: "lead" }, lead)] : []));
    title.textContent = drawing?.title ?? "";
    figure.hidden = !drawing && !notes.length;
    caption.replaceChildren(...notes.map((note) => make("p", {}, ...words(note))));
    days.forget();
    // The drawing first; the list, which is longer to make, in the frame after it.
    live.show(drawing?.spec ?? null);
    next = listed;
    requestAnimationFrame(() => setTimeout(() => {
      if (next === listed) orders.show(listed);
      steady();
    }));
  };
  let next = null;
  const list = () => { const listed = get("listed"); if (listed.heads) { next = null; orders.show(listed); } };
  model.on("change:shown", show);
  model.on("change:listed", list);
  const hear = (content) => {
    if (content.told) days.told(content.day, content.told);
    if (content.csv) saveAs(content.name, content.csv);
  };
  model.on("msg:custom", hear);
  const watched = new ResizeObserver(() => {
    live.refit();
    settle();
  });
  watched.observe(el);
  const unhelped = helpAlways(el);
  show();
  list();
  return () => {
    watched.disconnect();
    unhelped();
    model.off("change:shown", show);
    model.off("change:listed", list);
    model.off("msg:custom", hear);
    live.clear();
  };
}

export default { initialize: ({ model }) => askForVega(model), render };
