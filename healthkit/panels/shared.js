// Helpers of all panels: elements, text parts, status badges and keyboard accessibility.
const make = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
};

// JupyterLab intercepts arrow keys and letters on elements it does not recognize as inputs; slider handles lack a name.
function helpKeyboard(panel) {
  for (const select of panel?.querySelectorAll("select") ?? []) select.dataset.lmSuppressShortcuts = "true";
  for (const handle of panel?.querySelectorAll(".noUi-handle") ?? []) {
    handle.dataset.lmSuppressShortcuts = "true";
    const label = handle.closest(".jupyter-widgets")?.querySelector("label")?.textContent;
    if (label) handle.setAttribute("aria-label", label);
  }
}

// Apply helpKeyboard again whenever controls are added.
function helpAlways(el) {
  let isScheduled = false;
  const observer = new MutationObserver(() => {
    if (isScheduled) return;
    isScheduled = true;
    requestAnimationFrame(() => { isScheduled = false; helpKeyboard(el.closest(".hk-panel")); });
  });
  const begin = () => {
    const panel = el.closest(".hk-panel");
    helpKeyboard(panel);
    for (const row of panel?.children ?? []) if (!row.contains(el)) observer.observe(row, { childList: true, subtree: true });
  };
  setTimeout(begin);
  return () => observer.disconnect();
}

// A text as the name of a file, without what file systems refuse.
const fileName = (text) => text.replace(/[^\p{L}\p{N}%.,]+/gu, "-").replace(/^-+|[-.]+$/g, "").slice(0, 80) || "chart";

const words = (parts) => parts.map(([text, strong]) => (strong ? make("b", {}, text) : text));

const badge = ({ symbol, word, colour }) =>
  make("span", { class: `st ${colour}` }, make("span", { class: "sy", "aria-hidden": "true" }, symbol), word);
