// The sign-in page: a quiet pattern of frames from fixed numbers (decoration, no farm data), and the eye of the password.
(() => {
  "use strict";
  const canvas = document.querySelector("aside canvas");
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const chance = (a, b) => { const mixed = Math.sin(a * 127.1 + b * 311.7) * 43758.5453; return mixed - Math.floor(mixed); };

  function draw() {
    const box = canvas.parentElement.getBoundingClientRect(), scale = devicePixelRatio || 1;
    if (!box.width) return;
    canvas.width = box.width * scale;
    canvas.height = box.height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    for (let row = 0; row * 30 < box.height; row += 1) {
      pen.globalAlpha = 0.55 * Math.max(0, 1 - (row * 30) / (box.height * 0.92));
      for (let at = 0; at * 13 < box.width; at += 1) cell(pen, at, row, box.width);
    }
  }

  function cell(pen, at, row, width) {
    const edge = (width / 13) * (0.62 - row * 0.012) + chance(row, 3) * 3;
    const front = edge + 9 + chance(row, 7) * 4;
    const word = at < edge - 6 * chance(at, row) ? "complete" : at < front ? "running" : "pending";
    const failed = word === "complete" && chance(at, row * 3) > 0.987;
    if (word === "pending") { pen.strokeStyle = token("--line2"); pen.strokeRect(at * 13 + 0.5, row * 30 + 0.5, 10, 26); return; }
    pen.fillStyle = failed ? token("--cell-failed") : word === "complete" ? token("--ok-bg") : token("--f-running");
    const alpha = pen.globalAlpha;
    if (word === "complete" && !failed) pen.globalAlpha = Math.min(1, alpha * 2.2);
    pen.fillRect(at * 13, row * 30, 10, 26);
    pen.globalAlpha = alpha;
  }

  new ResizeObserver(draw).observe(canvas.parentElement);
  document.addEventListener("farm:theme", draw);

  document.querySelector("[data-eye]").addEventListener("click", (event) => {
    const field = document.getElementById("password"), shown = field.type === "text";
    field.type = shown ? "password" : "text";
    event.currentTarget.setAttribute("aria-pressed", String(!shown));
  });
})();
