// Shows one answer: a finding, its chart, what to do and the orders behind it. The chart is updated in place where possible.
function actionItem({ action, about, brings }) {
  return make("li", {}, make("b", {}, action), about ? `: ${about}.` : ".", ...(brings ? [make("small", {}, `${brings}.`)] : []));
}

function render({ model, el }) {
  const now = make("div", { class: "now", role: "status", "aria-live": "polite" });
  const copy = make("button", { type: "button", class: "copy" }, "Copy as a sentence");
  const title = make("h3"), place = make("div", { class: "chart" }), caption = make("figcaption");
  const figure = make("figure", {}, title, place, caption);
  const get = (name) => JSON.parse(model.get(name));
  const ask = (question) => model.send(question);
  let content = {};
  const orders = orderList(ask);
  const todo = make("div", { class: "actions" });
  const topLine = make("div", { class: "top-line" }, now, copy);
  el.append(make("div", { class: "hk hk-answer" }, topLine, figure, todo, orders.root));
  const live = new Live(place);
  const pictures = offerPictures(place, () => live.now.view, () => fileName(title.textContent), "this chart");
  const days = dayPicker(live, {
    read: (day) => ask({ ask: "read", day }),
    pick: (range) => ask({ ask: "pick", days: range }),
  });
  const bars = barPicker(live, (group) => ask({ ask: "group", group }));
  const settle = () => {
    const picks = content.figure?.picks;
    days.settle(picks === "days");
    bars.settle(Array.isArray(picks) ? picks : null);
  };
  live.after = settle;

  copy.addEventListener("click", async () => {
    await navigator.clipboard?.writeText(now.textContent.replace(/\s+/g, " ").trim());
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy as a sentence"; }, 1500);
  });

  // Elements must not jump while a slider moves: each keeps its largest height until a new chart is created.
  let chartId = "";
  const keepHeights = () => {
    const isNewChart = place.dataset.made !== chartId;
    chartId = place.dataset.made;
    const nodes = [now, caption, orders.root];
    if (isNewChart) for (const node of nodes) node.style.minHeight = "";
    // All heights are read before one is set: a height that is set would make the next one a new layout of the page.
    const heights = nodes.map((node) => node.offsetHeight);
    nodes.forEach((node, n) => {
      const height = `${heights[n]}px`;
      if (node.style.minHeight !== height) node.style.minHeight = height;
    });
  };

  const show = () => {
    content = get("content");
    const { status, finding, lead, figure: drawing, notes, todo: actions, orders: listing } = content;
    const first = make("p", { class: "finding" }, ...(status ? [badge(status), " "] : []), ...words(finding));
    now.replaceChildren(first, ...(lead ? [" ", make("p", { class: "lead" }, lead)] : []));
    title.textContent = drawing?.title ?? "";
    figure.hidden = !drawing && !notes.length;
    pictures.hidden = !drawing;
    caption.replaceChildren(...notes.map((note) => make("p", {}, ...words(note))));
    todo.replaceChildren(...(actions ? [make("h3", {}, actions.title), make("ol", {}, ...actions.rows.map(actionItem))] : []));
    days.forget();
    // Draw the chart first; the list takes longer and follows in the next frame.
    live.show(drawing?.spec ?? null);
    pendingListing = listing;
    requestAnimationFrame(() => setTimeout(() => {
      if (pendingListing === listing) orders.show(listing);
      keepHeights();
    }));
  };
  let pendingListing = null;
  const showOrders = () => {
    const listing = get("orders");
    if (!listing.heads) return;
    pendingListing = null;
    orders.show(listing);
  };
  model.on("change:content", show);
  model.on("change:orders", showOrders);
  const onMessage = (content, buffers) => {
    if (content.text) days.showText(content.day, content.text);
    if (content.csv) saveAs(content.name, content.csv, "text/csv");
    else if (content.name) saveAs(content.name, buffers[0], "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
  };
  model.on("msg:custom", onMessage);
  const observer = new ResizeObserver(() => {
    live.refit();
    settle();
  });
  observer.observe(el);
  const stopHelping = helpAlways(el);
  show();
  showOrders();
  return () => {
    observer.disconnect();
    stopHelping();
    model.off("change:content", show);
    model.off("change:orders", showOrders);
    model.off("msg:custom", onMessage);
    live.clear();
  };
}

export default { initialize: ({ model }) => askForVega(model), render };
