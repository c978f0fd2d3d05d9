// Sets the theme before the first paint: dark at first, then what the reader chose (dark, light, or as the system).
(() => {
  "use strict";
  const order = ["dark", "light", "system"];
  const names = { dark: "Dark theme", light: "Light theme", system: "Theme of the system" };
  const light = window.matchMedia("(prefers-color-scheme: light)");
  const stored = () => { try { return localStorage.getItem("farm-theme"); } catch { return null; } };
  let chosen = order.includes(stored()) ? stored() : "dark";

  function show() {
    document.documentElement.dataset.theme = chosen === "system" ? (light.matches ? "light" : "dark") : chosen;
    document.querySelectorAll("[data-theme-name]").forEach((place) => { place.textContent = names[chosen]; });
    document.dispatchEvent(new CustomEvent("farm:theme"));
  }

  function next() {
    chosen = order[(order.indexOf(chosen) + 1) % order.length];
    try { localStorage.setItem("farm-theme", chosen); } catch { /* a browser that keeps nothing still switches */ }
    show();
  }

  light.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", show);
  show();
  window.farm = { theme: { next } };
})();
