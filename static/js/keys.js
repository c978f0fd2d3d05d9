// Keys. One letter acts on the selection, or on the focused row; letters are off while a field has focus.
(() => {
  "use strict";
  const farm = window.farm;
  const work = new Map();
  let went = -Infinity; // when g was pressed

  farm.keys = { on: (key, duty) => work.set(key, duty) };

  const inField = (target) => target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { escape(event); return; }
    if (event.defaultPrevented || inField(event.target) || document.querySelector("dialog[open]")) return;
    if (event.altKey || event.metaKey || (event.ctrlKey && event.key.toLowerCase() !== "a")) return;
    const name = event.ctrlKey ? "Ctrl a" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (document.querySelector("#popover > *")) return;
    if (performance.now() - went < 1200 && goTo(name)) { event.preventDefault(); went = -Infinity; return; }
    if (name === "g") { went = performance.now(); return; }
    const duty = work.get(name);
    if (duty && duty(event) !== false) { event.preventDefault(); return; }
    const button = actionFor(event.key.length === 1 ? name : event.key);
    if (button) { event.preventDefault(); farm.preview.open(button); }
  });

  function goTo(letter) {
    const room = { j: "jobs", w: "workers", a: "actions" }[letter];
    const link = room && document.querySelector(`.rail a[href="/${room}"]`);
    if (link) link.click();
    return Boolean(link);
  }

  // The button whose key it is: of selected frames first, then of the selection or the job.
  function actionFor(key) {
    const bars = [...document.querySelectorAll(".selbar:not([hidden]), [data-bulkbar], [data-jobacts]")];
    for (const bar of bars) {
      const button = bar.querySelector(`[data-act][data-key="${CSS.escape(key)}"]`);
      if (button) return button;
    }
    return null;
  }

  // Closes one layer: menu, popover, then the selection, then what has focus.
  function escape(event) {
    if (document.querySelector("dialog[open]")) return;
    if (farm.closeMenus() || farm.preview.dismiss()) { event.preventDefault(); return; }
    if (inField(event.target)) { event.target.blur(); return; }
    if (farm.grid?.clear()) return;
    farm.selection.clear();
  }

  farm.keys.on("?", () => farm.duties.keys());
  farm.keys.on("/", () => { document.getElementById("add")?.focus(); return Boolean(document.getElementById("add")); });
})();
