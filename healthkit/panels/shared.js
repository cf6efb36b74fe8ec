// What every panel's page needs: elements, words and marks, and help for the keyboard.
const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

// JupyterLab takes arrow keys and letters from what it does not know as an input, and slider handles have no name.
function helpKeyboard(panel) {
  for (const select of panel?.querySelectorAll("select") ?? []) select.dataset.lmSuppressShortcuts = "true";
  for (const handle of panel?.querySelectorAll(".noUi-handle") ?? []) {
    handle.dataset.lmSuppressShortcuts = "true";
    const label = handle.closest(".jupyter-widgets")?.querySelector("label")?.textContent;
    if (label) handle.setAttribute("aria-label", label);
  }
}

// Controls come and go with what is asked; those that come are helped as well.
function helpAlways(el) {
  let asked = false;
  const seen = new MutationObserver(() => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; helpKeyboard(el.closest(".hk-panel")); });
  });
  const begin = () => {
    const panel = el.closest(".hk-panel");
    helpKeyboard(panel);
    for (const row of panel?.children ?? []) if (!row.contains(el)) seen.observe(row, { childList: true, subtree: true });
  };
  setTimeout(begin);
  return () => seen.disconnect();
}

const words = (parts) => parts.map(([text, strong]) => (strong ? make("b", {}, text) : text));

const badge = ({ symbol, word, colour }) =>
  make("span", { class: `st ${colour}` }, make("span", { class: "sy", "aria-hidden": "true" }, symbol), word);
