// Selecting frames in the grid: drag, Shift, Ctrl, arrows, or a range typed as "2181-2290 failed".
(() => {
  "use strict";
  const farm = window.farm, grid = farm.grid;
  if (!grid) return;
  const pane = document.querySelector("[data-grid]");
  const tip = pane.querySelector(".tip");
  let chosen = new Set(); // positions
  let anchor = -1, focus = -1, dragging = false, before = new Set();

  const bucket = () => grid.shape().bucket;
  const count = () => farm.frames.letters().length;

  function span(from, to) {
    const [first, last] = from < to ? [from, to] : [to, from];
    const found = new Set(before);
    for (let pos = first * bucket(); pos < Math.min(count(), (last + 1) * bucket()); pos += 1) found.add(pos);
    return found;
  }

  // An outline around all selected cells: an edge is drawn where the neighbour is not selected.
  function outline() {
    const pen = grid.top.getContext("2d"), shape = grid.shape();
    if (!shape) return;
    pen.clearRect(0, 0, grid.top.width, grid.top.height);
    const cells = new Set([...chosen].map((pos) => Math.floor(pos / bucket())));
    pen.strokeStyle = grid.token("--focus");
    pen.lineWidth = 2;
    pen.beginPath();
    for (const cell of cells) edges(pen, cell, cells, shape);
    pen.stroke();
    if (focus >= 0) { pen.lineWidth = 1.5; pen.strokeStyle = grid.token("--t1"); pen.strokeRect(grid.x(focus) - 0.5, grid.y(focus) - 0.5, shape.width + 1, shape.height + 1); }
  }

  function edges(pen, cell, cells, shape) {
    const at = cell % shape.perRow;
    const left = grid.x(cell) - 1, up = grid.y(cell) - 1, low = up + shape.height + 2;
    const right = at + 1 < shape.perRow && cells.has(cell + 1) ? grid.x(cell + 1) - 1 : grid.x(cell) + shape.width + 1;
    if (!cells.has(cell - shape.perRow)) { pen.moveTo(left, up); pen.lineTo(right, up); }
    if (!cells.has(cell + shape.perRow)) { pen.moveTo(left, low); pen.lineTo(right, low); }
    if (at === 0 || !cells.has(cell - 1)) { pen.moveTo(left, up); pen.lineTo(left, low); }
    if (at + 1 === shape.perRow || !cells.has(cell + 1)) { pen.moveTo(right, up); pen.lineTo(right, low); }
  }

  function select(positions) {
    chosen = positions;
    outline();
    document.dispatchEvent(new CustomEvent("farm:chosen", { detail: chosen }));
  }

  function focusOn(cell, quiet) {
    focus = cell;
    outline();
    if (!quiet) document.dispatchEvent(new CustomEvent("farm:frame", { detail: cell * bucket() }));
  }

  const cellOf = (event) => {
    const box = grid.base.getBoundingClientRect();
    return grid.cellAt(event.clientX - box.left, event.clientY - box.top);
  };

  grid.base.addEventListener("pointerdown", (event) => {
    const cell = cellOf(event);
    if (cell < 0 || event.button !== 0) return;
    grid.base.setPointerCapture(event.pointerId);
    before = event.ctrlKey || event.metaKey ? new Set(chosen) : new Set();
    if (event.shiftKey && anchor >= 0) { select(span(anchor, cell)); focusOn(cell, true); return; }
    anchor = cell;
    dragging = true;
    select(span(cell, cell));
    focusOn(cell);
  });

  grid.base.addEventListener("pointermove", (event) => {
    const cell = cellOf(event);
    if (dragging && cell >= 0) select(span(anchor, cell));
    hover(cell, event);
  });
  for (const name of ["pointerup", "pointercancel"]) grid.base.addEventListener(name, () => { dragging = false; });
  grid.base.addEventListener("pointerleave", () => { tip.hidden = true; });

  function hover(cell, event) {
    tip.hidden = cell < 0 || dragging;
    if (tip.hidden) return;
    const pos = cell * bucket(), last = Math.min(count(), pos + bucket()) - 1;
    const name = last > pos ? `Frames ${farm.frames.name(pos)} to ${farm.frames.name(last)}` : `Frame ${farm.frames.name(pos)}`;
    tip.textContent = last > pos ? name : `${name} · ${farm.frames.word(pos)}`;
    const box = tip.parentElement.getBoundingClientRect();
    tip.style.left = `${Math.min(event.clientX - box.left + 14, box.width - 190)}px`;
    tip.style.top = `${event.clientY - box.top + 16}px`;
  }

  grid.base.addEventListener("keydown", (event) => {
    const shape = grid.shape();
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: shape.perRow, ArrowUp: -shape.perRow, Home: -shape.cells, End: shape.cells }[event.key];
    if (!step || event.altKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const next = Math.max(0, Math.min(shape.cells - 1, (focus < 0 ? (step > 0 ? -step : 0) : focus) + step));
    before = new Set();
    if (!event.shiftKey) anchor = next;
    select(span(anchor < 0 ? next : anchor, next));
    focusOn(next);
  });

  // "1001-1100,1200 failed": names by number, and words of statuses that narrow them.
  function typed(text) {
    const words = text.toLowerCase().split(/\s+/).filter((word) => word in statuses);
    const parts = text.split(/[\s,]+/).map((part) => part.match(/^(-?\d+)(?:-(-?\d+))?$/)).filter(Boolean);
    const ranges = parts.map(([, first, last]) => [Number(first), Number(last ?? first)]);
    if (!ranges.length && !words.length) return null;
    const found = new Set();
    for (let pos = 0; pos < count(); pos += 1) {
      const number = Number(farm.frames.name(pos));
      if (ranges.length && !ranges.some(([first, last]) => number >= first && number <= last)) continue;
      if (words.length && !words.includes(farm.frames.word(pos))) continue;
      found.add(pos);
    }
    return found;
  }

  const statuses = Object.fromEntries(Object.values(farm.frames.words).map((word) => [word, true]));
  const field = pane.querySelector("input.range");
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const found = typed(field.value);
    field.setAttribute("aria-invalid", String(!found || found.size === 0));
    if (!found || !found.size) return;
    select(found);
    anchor = Math.floor(Math.min(...found) / bucket());
    focusOn(anchor);
    grid.base.focus();
  });

  document.addEventListener("farm:drawn", outline);
  grid.chosen = () => chosen;
  grid.focusOn = (pos) => { before = new Set(); anchor = Math.floor(pos / bucket()); focusOn(anchor, true); };
  grid.clear = () => { const had = chosen.size > 0; before = new Set(); select(new Set()); return had; };
  farm.duty("clear-frames", () => grid.clear());
})();
