// The frame grid on canvas. Each status has its colour and its mark; at small sizes a failed cell is taller instead.
// Beyond 12,000 frames one cell stands for several: the worst status wins.
(() => {
  "use strict";
  const farm = window.farm;
  const pane = document.querySelector("[data-grid]");
  if (!pane || !farm.frames) return;
  const base = pane.querySelector("canvas");
  const top = document.createElement("canvas"); // selection and focus, drawn over the cells
  top.className = "over";
  top.setAttribute("aria-hidden", "true");
  base.after(top);
  const worst = "FRSKBWPC"; // which status a bucket shows
  const most = 12000;
  let sprites = new Map(), shape = null;

  function plan(count) {
    const room = pane.clientWidth - 32, phone = innerWidth < 640;
    const bucket = Math.max(1, Math.ceil(count / most)), cells = Math.ceil(count / bucket);
    const [width, height, wide] = phone ? [14, 14, 20] : cells <= 3000 ? [8, 14, 100] : [4, 8, 200];
    const left = phone ? 0 : 44, step = width + 1;
    const fits = Math.floor((room - left) / (step * 10 + 2)) * 10;
    const perRow = Math.max(10, Math.min(wide, fits));
    return { bucket, cells, width, height, left, top: 18, step, perRow, rows: Math.ceil(cells / perRow) };
  }

  const x = (cell) => { const at = cell % shape.perRow; return shape.left + at * shape.step + Math.floor(at / 10) * 2; };
  const y = (cell) => shape.top + Math.floor(cell / shape.perRow) * (shape.height + 2);

  function letterOf(cell) {
    const letters = farm.frames.letters();
    if (shape.bucket === 1) return letters[cell];
    const part = letters.slice(cell * shape.bucket, (cell + 1) * shape.bucket);
    return [...worst].find((letter) => part.includes(letter)) ?? "P";
  }

  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // One picture per status in the size of a cell, so that 10,000 cells are 10,000 copies.
  function makeSprites(scale) {
    sprites = new Map();
    for (const [letter, word] of Object.entries(farm.frames.words)) {
      const picture = document.createElement("canvas"), tall = shape.height + 2;
      picture.width = Math.ceil(shape.width * scale);
      picture.height = Math.ceil(tall * scale);
      const pen = picture.getContext("2d");
      pen.scale(picture.width / shape.width, picture.height / tall);
      drawCell(pen, letter, word);
      sprites.set(letter, picture);
    }
  }

  function drawCell(pen, letter, word) {
    const { width, height } = shape, small = width < 6;
    const strong = word === "complete" || word === "failed";
    const colour = token(strong ? `--cell-${word}` : `--f-${word}`);
    if (letter === "P") {
      pen.strokeStyle = colour;
      pen.strokeRect(0.5, 1.5, width - 1, height - 1);
      return;
    }
    const rise = small && letter === "F" ? 1 : 0;
    pen.fillStyle = colour;
    pen.fillRect(0, 1 - rise, width, height + 2 * rise);
    if (!small) drawMark(pen, letter);
    else if ("BWSK".includes(letter)) { pen.fillStyle = token("--bg0"); pen.fillRect(0, 1 + height / 2 - 1, width, 1.5); }
  }

  function drawMark(pen, letter) {
    const middle = shape.width / 2, centre = 1 + shape.height / 2, page = token("--bg0");
    pen.strokeStyle = pen.fillStyle = page;
    pen.lineWidth = 1.4;
    const line = (...points) => { pen.beginPath(); points.forEach(([a, b], at) => (at ? pen.lineTo(a, b) : pen.moveTo(a, b))); pen.stroke(); };
    if (letter === "F") { line([middle - 2, centre - 2], [middle + 2, centre + 2]); line([middle + 2, centre - 2], [middle - 2, centre + 2]); }
    if (letter === "R") { pen.beginPath(); pen.moveTo(middle - 1.8, centre - 3); pen.lineTo(middle + 2.4, centre); pen.lineTo(middle - 1.8, centre + 3); pen.fill(); }
    if (letter === "K") line([middle - 2.2, centre], [middle + 2.2, centre]);
    if (letter === "S") { line([middle - 1.4, centre - 3.5], [middle - 1.4, centre + 3.5]); line([middle + 1.4, centre - 3.5], [middle + 1.4, centre + 3.5]); }
    if (letter === "W") for (let a = 1.5; a < shape.width; a += 3) for (let b = 3; b < shape.height; b += 4) pen.fillRect(a, b, 1.2, 1.2);
    if (letter === "B") for (let at = -shape.height; at < shape.width; at += 5) line([at, shape.height + 1], [at + shape.height, 1]);
  }

  function draw() {
    const count = farm.frames.letters().length;
    if (!count) return;
    shape = plan(count);
    const scale = devicePixelRatio || 1;
    const wide = x(shape.perRow - 1) + shape.width + 4, tall = y((shape.rows - 1) * shape.perRow) + shape.height + 6;
    for (const canvas of [base, top]) {
      canvas.width = Math.ceil(wide * scale);
      canvas.height = Math.ceil(tall * scale);
      canvas.style.width = `${wide}px`;
      canvas.style.height = `${tall}px`;
      canvas.getContext("2d").setTransform(scale, 0, 0, scale, 0, 0);
    }
    makeSprites(scale);
    labels(base.getContext("2d"));
    const pen = base.getContext("2d");
    for (let cell = 0; cell < shape.cells; cell += 1) paint(pen, cell, letterOf(cell));
    document.dispatchEvent(new CustomEvent("farm:drawn"));
  }

  function paint(pen, cell, letter) {
    pen.drawImage(sprites.get(letter), x(cell), y(cell) - 1, shape.width, shape.height + 2);
  }

  function labels(pen) {
    if (!shape.left) return;
    pen.fillStyle = token("--t3");
    pen.font = `11px ${token("--ui")}`;
    pen.textBaseline = "middle";
    pen.textAlign = "left";
    for (let at = 0; at < shape.perRow; at += 10 * Math.ceil(40 / (shape.step * 10))) pen.fillText(`+${at * shape.bucket}`, x(at), 7);
    pen.textAlign = "right";
    const every = Math.ceil(13 / (shape.height + 2));
    for (let row = 0; row < shape.rows; row += every) {
      const name = farm.frames.name(row * shape.perRow * shape.bucket);
      pen.fillText(name.length > 6 ? `${name.slice(0, 5)}…` : name, shape.left - 8, y(row * shape.perRow) + shape.height / 2);
    }
  }

  // Repaints only what changed, once per frame of the screen however many messages came.
  const dirty = new Set();
  function changed(positions) {
    if (!shape) return;
    if (!dirty.size && positions.length) requestAnimationFrame(flush);
    for (const pos of positions) dirty.add(Math.floor(pos / shape.bucket));
  }

  function flush() {
    const pen = base.getContext("2d");
    for (const cell of dirty) {
      pen.clearRect(x(cell), y(cell) - 1, shape.width, shape.height + 2);
      paint(pen, cell, letterOf(cell));
    }
    dirty.clear();
  }

  // The cell under a point of the canvas, -1 beside the cells.
  function cellAt(left, height) {
    const row = Math.floor((height - shape.top) / (shape.height + 2));
    const across = left - shape.left, ten = Math.floor(across / (shape.step * 10 + 2));
    const at = ten * 10 + Math.min(9, Math.floor((across - ten * (shape.step * 10 + 2)) / shape.step));
    if (row < 0 || row >= shape.rows || across < 0 || at >= shape.perRow) return -1;
    const cell = row * shape.perRow + at;
    return cell < shape.cells ? cell : -1;
  }

  let wide = 0;
  new ResizeObserver(() => { if (pane.clientWidth !== wide) { wide = pane.clientWidth; draw(); } }).observe(pane);
  document.addEventListener("farm:theme", draw);
  farm.grid = { draw, changed, cellAt, x, y, base, top, token, shape: () => shape };
})();
