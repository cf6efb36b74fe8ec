// The list of orders. The kernel holds all orders, and sorts, searches, filters and saves them.
function orderList(ask) {
  const title = make("h3"), groups = make("div", { class: "groups", role: "group", "aria-label": "Which orders" });
  const find = make("input", { type: "search", class: "find", "aria-label": "Find in these orders", placeholder: "Find an order, a cause, a day" });
  const saves = ["CSV", "XLSX"].map((kind) => {
    const button = make("button", { type: "button" }, `Save as ${kind}`);
    button.addEventListener("click", () => ask({ ask: kind.toLowerCase() }));
    return button;
  });
  const back = make("button", { type: "button", hidden: "" }, "Back to the whole window");
  const tools = make("div", { class: "tools" }, find, ...saves, back, groups);
  const scroll = make("div", { class: "scroll" });
  const root = make("div", { class: "orders" }, title, tools, scroll);
  let heads = "", body = null;

  // JupyterLab must not treat keys typed here as commands.
  find.dataset.lmSuppressShortcuts = "true";
  find.addEventListener("input", () => ask({ ask: "find", text: find.value }));
  for (const kind of ["keydown", "keypress"]) find.addEventListener(kind, (event) => event.stopPropagation());
  back.addEventListener("click", () => ask({ ask: "pick", days: null }));

  const header = (listed) => {
    const cells = listed.heads.map((text, place) => {
      const button = make("button", { type: "button" }, text, make("span", { class: "way", "aria-hidden": "true" }));
      button.addEventListener("click", () => ask({ ask: "sort", column: place }));
      return make("th", { scope: "col" }, button);
    });
    body = make("tbody");
    scroll.replaceChildren(make("table", { class: "od" }, make("thead", {}, make("tr", {}, ...cells)), body));
    heads = listed.heads.join();
  };
  const fill = (listed) => {
    if (heads !== listed.heads.join() || !body?.isConnected) header(listed);
    scroll.querySelectorAll("thead th").forEach((cell, place) => {
      const isSorted = listed.sorted === place;
      isSorted ? cell.setAttribute("aria-sort", listed.descending ? "descending" : "ascending") : cell.removeAttribute("aria-sort");
      cell.querySelector(".way").textContent = isSorted ? (listed.descending ? " ▾" : " ▴") : "";
    });
    const place = listed.heads.indexOf("Order");
    body.replaceChildren(...listed.rows.map((row) => make("tr", {}, ...row.map((text, n) => {
      if (n === place) return make("th", { scope: "row", class: "o-id" }, text);
      return n ? make("td", {}, text) : make("td", { class: "o-leaves" }, make("b", {}, text));
    }))));
  };

  return {
    root,
    show: (listed) => {
      root.hidden = !listed;
      if (!listed) return;
      title.textContent = listed.title;
      if (document.activeElement !== find) find.value = listed.find;
      back.hidden = !listed.picked;
      const empty = !listed.many;
      for (const tool of [find, ...saves]) tool.hidden = empty;
      const focused = document.activeElement?.dataset.group;
      groups.hidden = listed.groups.length < 2;
      groups.replaceChildren(...listed.groups.map(([name, words, on]) => {
        const button = make("button", { type: "button", "data-group": name, "aria-pressed": String(on) }, words);
        button.addEventListener("click", () => ask({ ask: "group", group: on ? "" : name }));
        return button;
      }));
      if (focused) groups.querySelector(`[data-group="${CSS.escape(focused)}"]`)?.focus();
      scroll.hidden = empty;
      if (!empty) fill(listed);
      // A scrollable region must be reachable by keyboard and have a name.
      scroll.setAttribute("tabindex", "0");
      scroll.setAttribute("role", "region");
      scroll.setAttribute("aria-label", listed.title);
    },
  };
}

function saveAs(name, content, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
