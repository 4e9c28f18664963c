// A formula or a table that goes on to the right of its column fades there, until it is scrolled to its end.
(() => {
  "use strict";

  const mark = node => node.classList.toggle("goes-on", node.scrollLeft + node.clientWidth < node.scrollWidth - 2);

  // A displayed formula scrolls inside its box.
  const scroller = node => (node.matches("div.math") ? node.querySelector("mjx-container") ?? node : node);

  function ready() {
    const watch = new ResizeObserver(seen => seen.forEach(({target}) => mark(scroller(target))));
    document.querySelectorAll("div.math, .pst-scrollable-table-container").forEach(node => watch.observe(node));
    const scrolled = ({target}) => target.matches?.("mjx-container, .pst-scrollable-table-container") && mark(target);
    document.addEventListener("scroll", scrolled, {capture: true, passive: true});
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else ready();
})();
