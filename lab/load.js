/* Loads a panel's scripts when it comes near the reader: engine, kit and the panel, in this order, as classic scripts. */

(() => {
  "use strict";

  const base = document.currentScript.src.replace(/load\.js.*$/, ""), loading = new Map();

  function script(name) {
    if (!loading.has(name)) {
      loading.set(name, new Promise((done, failed) => {
        document.head.append(Object.assign(document.createElement("script"), { src: `${base}${name}.js`, onload: done, onerror: failed }));
      }));
    }
    return loading.get(name);
  }

  const load = name => script("engine").then(() => script("kit")).then(() => script(`panels/${name}`));

  function ready() {
    const roots = document.querySelectorAll("[data-panel]");
    const watch = new IntersectionObserver(seen => {
      for (const { target, isIntersecting } of seen) {
        if (!isIntersecting) continue;
        watch.unobserve(target);
        load(target.dataset.panel);
      }
    }, { rootMargin: "800px" });
    roots.forEach(root => watch.observe(root));
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else ready();
})();
