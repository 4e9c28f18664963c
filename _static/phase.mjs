/* Two rules from one start: the mode equations of BPTT and RFLO in the browser, with a time slider and a play button.

   A plain script and no module, because browsers refuse modules to a page opened from disk; named .mjs because Jupyter
   Book adds every .js in this folder to every page.
   What tests and the curious need is in globalThis.phase. */

(() => {
  "use strict";

  const TARGET = { a: 1, b: 1, w: 0.8 };
  const DURATION = 6, FRAMES = 600;

  /* The velocity -Delta of a state [a, b, w]. */

  function bptt(target = TARGET) {
    const c = target.a * target.b;
    return ([a, b, w]) => {
      const phi = 1 / (1 - w * w), phi_ = 1 / (1 - w * target.w), Z = a * b * phi - c * phi_;
      return [-b * Z, -a * Z, -a * b * (a * b * w * phi * phi - c * target.w * phi_ * phi_)];
    };
  }

  function rflo(r, decay, target = TARGET) {
    const c = target.a * target.b, psi_ = 1 / (1 - decay * target.w);
    return ([a, b, w]) => {
      const phi = 1 / (1 - w * w), phi_ = 1 / (1 - w * target.w), psi = 1 / (1 - decay * w);
      return [
        -b * (a * b * phi - c * phi_),
        -r * (a * b * psi - c * psi_),
        -r * b * (a * b * w * phi * psi - c * target.w * phi_ * psi_),
      ];
    };
  }

  function loss([a, b, w], target = TARGET) {
    const c = target.a * target.b, own = 1 - w * w, mixed = 1 - w * target.w;
    const memory = (c * (w - target.w)) ** 2 / ((1 - target.w ** 2) * mixed ** 2);
    return ((a * b - (c * own) / mixed) ** 2 / own + memory) / 2;
  }

  /* One step of the classical fourth-order method. */
  function step(velocity, y, h) {
    const along = (k, s) => y.map((value, i) => value + s * k[i]);
    const k1 = velocity(y), k2 = velocity(along(k1, h / 2)), k3 = velocity(along(k2, h / 2)), k4 = velocity(along(k3, h));
    return y.map((value, i) => value + (h / 6) * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]));
  }

  /* States at the given times, null after |w| has reached 1; a step is judged by two of half its size. */
  function integrate(velocity, start, times, tolerance = 1e-9) {
    const states = [];
    let y = start.slice(), t = 0, h = 1e-3, exit = Infinity;
    for (const time of times) {
      while (exit === Infinity && time - t > 1e-13) {
        const size = Math.min(h, time - t);
        const whole = step(velocity, y, size), half = step(velocity, step(velocity, y, size / 2), size / 2);
        const error = Math.max(...half.map((value, i) => Math.abs(value - whole[i]) / (1 + Math.abs(value)))) / 15;
        if (error < tolerance && Math.abs(half[2]) < 1) {
          y = half.map((value, i) => value + (value - whole[i]) / 15);
          t += size;
        }
        const grow = Number.isFinite(error) ? 0.9 * (tolerance / Math.max(error, 1e-20)) ** 0.2 : 0.2;
        if (size === h || grow < 1) h = size * Math.min(4, Math.max(0.1, grow));
        const room = 1 - Math.abs(y[2]), outward = velocity(y)[2] * Math.sign(y[2]);
        if (room < 1e-4 && outward > 0 && room / outward < 1e-6) exit = t + room / (2 * outward); // the square-root law
        if (h < 1e-14) throw new Error("the step size has shrunk to nothing");
      }
      states.push(t >= time - 1e-13 && exit === Infinity ? y.slice() : null);
    }
    return { states, exit, end: y };
  }

  globalThis.phase = { bptt, rflo, loss, step, integrate };
  if (typeof document === "undefined") return;

  /* The page. */

  const STYLE = `
    .phase { --bptt: #0072B2; --rflo: #B34E00; border: 1px solid var(--pst-color-border, #888); border-radius: 6px;
      padding: 0.8rem; margin-block: 1.5rem; color: var(--pst-color-text-base, #222); }
    html[data-theme="dark"] .phase { --bptt: #56B4E9; --rflo: #FF9A4D; }
    .phase .views { display: flex; flex-wrap: wrap; gap: 0.6rem; }
    .phase svg { flex: 1 1 240px; min-width: 0; max-width: 100%; height: auto; }
    .phase svg text { fill: currentColor; font-size: 11px; }
    .phase .frame { fill: none; stroke: currentColor; stroke-opacity: 0.4; }
    .phase .branch { fill: none; stroke: currentColor; stroke-dasharray: 2 3; stroke-width: 1.5; }
    .phase .bptt { fill: none; stroke: var(--bptt); stroke-width: 2.5; }
    .phase .rflo { fill: none; stroke: var(--rflo); stroke-width: 2.5; stroke-dasharray: 7 3; }
    .phase .dot { stroke: none; } .phase .dot.bptt { fill: var(--bptt); } .phase .dot.rflo { fill: var(--rflo); }
    .phase .controls { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 0.4rem 1rem; margin-top: 0.6rem; }
    .phase .time { grid-column: 1 / -1; } .phase label { display: block; font-size: 0.9em; }
    .phase input { width: 100%; display: block; accent-color: var(--bptt); }
    .phase button { font: inherit; min-height: 2.2rem; padding: 0.1rem 0.9rem; margin: 0.6rem 0.5rem 0 0; border-radius: 4px;
      border: 1px solid currentColor; background: transparent; color: inherit; cursor: pointer; }
    .phase :is(button, input):focus-visible { outline: 3px solid var(--bptt); outline-offset: 2px; }
    .phase .said { margin: 0.6rem 0 0; font-size: 0.9em; min-height: 4.2em; } .phase .said b.r { color: var(--rflo); } .phase .said b.b { color: var(--bptt); }`;

  const SLIDERS = [
    ["a", "start a", -2, 2, 0.05, 1], ["b", "start b", -2, 2, 0.05, 1], ["w", "start w", -0.9, 0.9, 0.05, 0.6],
    ["r", "feedback r", -2, 2, 0.05, -1], ["decay", "decay ŵ", -0.9, 0.9, 0.05, 0.5],
  ];
  const NS = "http://www.w3.org/2000/svg";

  function make(parent, tag, attributes = {}, text = "") {
    const node = tag === "svg" || parent instanceof SVGElement ? document.createElementNS(NS, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = text;
    return parent.appendChild(node);
  }

  /* A plot of 280 by 240; what lies outside is drawn on its border. */
  function plot(parent, [x0, x1], [y0, y1], xlabel, ylabel) {
    const svg = make(parent, "svg", { viewBox: "0 0 280 240", role: "img" });
    const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
    const X = x => clamp(36 + ((x - x0) / (x1 - x0)) * 236, 36, 272), Y = y => clamp(204 - ((y - y0) / (y1 - y0)) * 196, 8, 204);
    const line = points => points.map(([x, y], i) => `${i ? "L" : "M"}${X(x).toFixed(1)} ${Y(y).toFixed(1)}`).join("");
    make(svg, "rect", { class: "frame", x: 36, y: 8, width: 236, height: 196 });
    for (const x of [x0, (x0 + x1) / 2, x1]) make(svg, "text", { x: X(x) - 4, y: 219 }, String(x).replace("-", "−"));
    for (const y of [y0, (y0 + y1) / 2, y1]) make(svg, "text", { x: 30, y: Y(y) + 4, "text-anchor": "end" }, String(y).replace("-", "−"));
    make(svg, "text", { x: 154, y: 235, "text-anchor": "middle" }, xlabel);
    make(svg, "text", { x: 10, y: 60, "text-anchor": "middle", transform: "rotate(-90 10 60)" }, ylabel);
    return { svg, X, Y, line, path: kind => make(svg, "path", { class: kind, d: "" }),
      dot: kind => make(svg, "circle", { class: `dot ${kind}`, r: 5, cx: X(x0), cy: Y(y0) }) };
  }

  function build(root) {
    root.classList.add("phase");
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Two rules from one start, interactive");
    make(root, "style", {}, STYLE);
    const views = make(root, "div", { class: "views" });
    const plane = plot(views, [-3, 3], [-3, 3], "readout a", "input b"), memory = plot(views, [0, DURATION], [-1, 1], "time (1/η steps)", "memory w");
    for (const part of [[[-3, 0], [3, 0]], [[0, -3], [0, 3]]]) plane.path("frame").setAttribute("d", plane.line(part));
    for (const sign of [-1, 1]) {
      const s = Array.from({ length: 60 }, (_, i) => sign / 3 * 9 ** (i / 59));
      plane.path("branch").setAttribute("d", plane.line(s.map(x => [x, (TARGET.a * TARGET.b) / x])));
    }
    memory.path("branch").setAttribute("d", memory.line([[0, TARGET.w], [DURATION, TARGET.w]]));
    const drawn = ["bptt", "rflo"].map(kind => ({ kind,
      plane: plane.path(kind), memory: memory.path(kind), dots: [[plane.dot(kind), plane], [memory.dot(kind), memory]] }));

    const controls = make(root, "div", { class: "controls" }), value = {}, inputs = {};
    const show = (name, text) => { inputs[name].previousSibling.textContent = `${text} = ${value[name].toFixed(2).replace("-", "−")}`; };
    function slider(name, text, min, max, by, at, changed, kind = "") {
      const label = make(controls, "label", { class: kind });
      make(label, "span");
      inputs[name] = make(label, "input", { type: "range", min, max, step: by, name });
      inputs[name].value = value[name] = at;
      inputs[name].addEventListener("input", () => { value[name] = Number(inputs[name].value); show(name, text); changed(); });
      show(name, text);
    }
    for (const [name, text, ...range] of SLIDERS) slider(name, text, ...range, () => { solve(); draw(); });
    slider("time", "time", 0, DURATION, DURATION / FRAMES, 0, () => { stop(); draw(); }, "time");
    const play = make(root, "button", { type: "button" }), again = make(root, "button", { type: "button" }, "Reset");
    const said = make(root, "p", { class: "said" });

    const still = matchMedia("(prefers-reduced-motion: reduce)");
    const times = Array.from({ length: FRAMES + 1 }, (_, i) => (i * DURATION) / FRAMES);
    let runs, ticking = 0, before = 0;
    function solve() {
      const start = [value.a, value.b, value.w];
      runs = [bptt(), rflo(value.r, value.decay)].map(velocity => integrate(velocity, start, times, 1e-8));
    }
    function draw() {
      const at = Math.round((value.time / DURATION) * FRAMES), words = [];
      drawn.forEach(({ kind, ...curve }, which) => {
        const { states, exit, end } = runs[which], seen = states.slice(0, at + 1).filter(Boolean), when = times.slice(0, seen.length);
        if (exit <= value.time) { seen.push(end); when.push(exit); } // the last piece is steep: draw it to the edge
        const last = seen[seen.length - 1];
        curve.plane.setAttribute("d", plane.line(seen));
        curve.memory.setAttribute("d", memory.line(seen.map((y, i) => [when[i], y[2]])));
        curve.dots.forEach(([dot, { X, Y }], view) => {
          dot.setAttribute("cx", X(view ? when[when.length - 1] : last[0]));
          dot.setAttribute("cy", Y(view ? last[2] : last[1]));
        });
        const where = last.map(x => x.toFixed(2).replace("-", "−")).join(", ");
        words.push(exit <= value.time ? `has left |w| < 1 at time ${exit.toFixed(2)}` : `is at (${where}), loss ${loss(last).toFixed(3)}`);
      });
      said.replaceChildren();
      make(said, "b", { class: "b" }, "BPTT"); said.append(` (solid) ${words[0]}. `);
      make(said, "b", { class: "r" }, "RFLO"); said.append(` (dashed) ${words[1]}. Dotted: where the loss is zero.`);
      plane.svg.setAttribute("aria-label", `The plane of a and b. At time ${value.time.toFixed(2)} BPTT ${words[0]}; RFLO ${words[1]}.`);
      memory.svg.setAttribute("aria-label", `Memory w over time, up to time ${value.time.toFixed(2)}.`);
    }
    function goTo(time) {
      inputs.time.value = value.time = Math.min(DURATION, time);
      show("time", "time");
      draw();
    }
    function name() { play.textContent = still.matches ? "Step forward" : ticking ? "Pause" : "Play"; }
    function stop() { cancelAnimationFrame(ticking); ticking = 0; name(); }
    function tick(now) {
      goTo(value.time + Math.min(0.1, (now - before) / 1000));
      before = now;
      if (value.time < DURATION) ticking = requestAnimationFrame(tick);
      else stop();
    }
    play.addEventListener("click", () => {
      const from = value.time >= DURATION ? 0 : value.time;
      if (still.matches) return goTo(from + DURATION / 24);
      if (ticking) return stop();
      goTo(from);
      ticking = requestAnimationFrame(now => { before = now; tick(now); });
      name();
    });
    again.addEventListener("click", () => {
      stop();
      for (const [name, text, , , , at] of SLIDERS) { inputs[name].value = value[name] = at; show(name, text); }
      solve();
      goTo(0);
    });
    still.addEventListener("change", stop);
    solve();
    name();
    draw();
  }

  function begin() { document.querySelectorAll("[data-phase]").forEach(build); }
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
