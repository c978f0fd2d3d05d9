// Rows: focus by key and pointer, opening, fetching again without moving what is read.
(() => {
  "use strict";
  const farm = window.farm;
  let focused = null; // id of the row's element

  const rows = () => [...document.querySelectorAll("#rows > tr[data-row]")];
  const current = () => (focused ? document.getElementById(focused) : null);
  const idOf = (row) => row.dataset.row.split(":")[1];

  function focus(row) {
    document.querySelectorAll("tr.focused").forEach((other) => other.classList.remove("focused"));
    focused = row?.id ?? null;
    if (!row) return;
    row.classList.add("focused");
    row.scrollIntoView({ block: "nearest" });
  }

  function move(step, extend) {
    const all = rows();
    if (all.length === 0) return false;
    const at = all.indexOf(current());
    const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + step))];
    focus(next);
    if (extend && next.querySelector("[data-select]")) farm.selection.upTo(idOf(next));
    return true;
  }

  function tick(event) {
    const row = current();
    if (!row?.querySelector("[data-select]")) return false;
    if (event.shiftKey) farm.selection.upTo(idOf(row));
    else farm.selection.toggle(idOf(row));
    return true;
  }

  function open() {
    const row = current();
    if (!row?.dataset.href) return false;
    location.assign(row.dataset.href);
    return true;
  }

  document.addEventListener("click", (event) => {
    const row = event.target.closest("#rows > tr[data-row]");
    if (!row || event.target.closest("a, button, input, label")) return;
    if (event.ctrlKey || event.metaKey) farm.selection.toggle(idOf(row));
    focus(row);
  });
  document.addEventListener("dblclick", (event) => {
    if (event.target.closest("#rows > tr[data-row]") && !event.target.closest("a, input, label")) open();
  });

  for (const key of ["j", "ArrowDown"]) farm.keys.on(key, (event) => move(1, event.shiftKey));
  for (const key of ["k", "ArrowUp"]) farm.keys.on(key, (event) => move(-1, event.shiftKey));
  for (const key of ["x", " "]) farm.keys.on(key, tick);
  farm.keys.on("Enter", (event) => (event.target.closest("a, button") ? false : open()));
  farm.keys.on("u", () => farm.takeNews() || reload());

  // Fetches as many rows as there are now, in their new order; the scroll position stays.
  function reload() {
    const list = document.querySelector("[data-reload-url][data-newest]");
    if (!list) return false;
    document.querySelector(".waiting-line")?.remove();
    const address = new URL(list.dataset.reloadUrl, location.href);
    const inside = document.querySelector("#rows") && list.id === "list";
    if (inside) {
      address.searchParams.set("part", "rows");
      address.searchParams.set("rows", String(Math.max(100, rows().length)));
    }
    htmx.ajax("GET", address.pathname + address.search, inside
      ? { target: "#rows", swap: "innerHTML" }
      : { target: `#${list.id}`, swap: "outerHTML" });
    return true;
  }

  document.addEventListener("htmx:afterSettle", () => {
    if (current()) current().classList.add("focused");
    farm.selection.show();
  });
  document.addEventListener("DOMContentLoaded", () => farm.selection.show());
  farm.table = { reload, current: () => (current() ? idOf(current()) : null), row: current };
})();
