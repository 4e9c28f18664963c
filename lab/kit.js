/* What panels share: plots, handles, controls, play and scrub, words, a table of values, and a link that restores the state.

   A panel is a description; the kit builds it, listens, and draws it anew whenever its state has changed:

     lab.panel("waiting", {
       title,                        // its name, for those who hear the page
       controls: [lab.slider(...)],  // each sets one entry of the state
       time: { until, seconds },     // adds play and scrub; the entry `time` of the state
       still: { time: 200 },         // optional: entries of the state that the still shows, where they differ from the start
       views: { plane: { label, width, height, small } },
       solve(state),                 // all that is computed, but for the entry `time`; no document in sight
       grow(result, time, go),       // optional: goes on computing towards a time while go() is true; whether it is there
       draw(views, state, result),
       say(state, result),           // the state in words
       table(state, result),         // { head: [...], rows: [[...]] }
     }) */

(() => {
  "use strict";

  const lab = (globalThis.lab ??= {});
  const NS = "http://www.w3.org/2000/svg", FRAME = 10;  // milliseconds that computing may take of a frame
  const RULES = ["BPTT", "one-step tBPTT", "e-prop", "RFLO"];

  /* A number as it is printed: with a true minus, and as many digits as say something. */
  function number(x, digits = 3) {
    if (x === null || x === undefined || Number.isNaN(x)) return "–";
    if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
    const size = Math.abs(x);
    const text = size !== 0 && (size < 1e-3 || size >= 1e5) ? Number(x.toPrecision(Math.max(1, digits - 1))).toExponential() : String(Number(x.toPrecision(digits)));
    const raised = (sign, power) => `10${sign === "-" ? "⁻" : ""}${[...power].map(digit => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("")}`;
    return text.replace(/^-/, "−").replace(/^(−?)(?:1|(\d[.\d]*))e([+-])(\d+)$/, (_, minus, factor, sign, power) => minus + (factor ? `${factor}·` : "") + raised(sign, power));
  }

  const escaped = text => String(text).replace(/[&<>"]/g, sign => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[sign]);
  const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

  /* Round numbers between low and high, about as many as asked. */
  function ticks(low, high, count = 4, log = false) {
    if (log) {
      const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9), by = Math.max(1, Math.ceil((last - first) / count));
      return Array.from({ length: Math.floor((last - first) / by) + 1 }, (_, i) => 10 ** (first + i * by));
    }
    const range = high - low, power = 10 ** Math.floor(Math.log10(range / (count + 1)));
    const by = power * [1, 2, 5, 10].find(step => range / (step * power) <= count + 1);
    const first = Math.ceil(low / by - 1e-9), last = Math.floor(high / by + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * by).toPrecision(12)));
  }

  function make(parent, tag, attributes = {}, text = "") {
    const node = tag === "svg" || parent instanceof SVGElement ? document.createElementNS(NS, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    if (text) node.textContent = text;
    return parent.appendChild(node);
  }

  /* A style is the name of a rule, or {rule, kind, label}: kinds are target, other, thin, faint, edge, and those of the panel's own CSS. */
  function styled(style) {
    const { rule, kind = "", label, at } = typeof style === "string" ? { rule: style, label: style } : style ?? {};
    return { label, at, rule, name: [rule && `rule-${RULES.indexOf(rule)}`, kind].filter(Boolean).join(" ") };
  }

  /* One plot. Its axes and marks are written anew at each drawing; handles stay, so that they keep the focus. */
  class View {
    constructor(panel, parent, { label, width = 300, height = 240, small = false }) {
      if (parent.clientWidth < 480) width = Math.min(width, 340);  // on a phone a wide plot would have tiny letters
      Object.assign(this, { panel, label, width, height, legend: new Map(), handles: new Map() });
      this.svg = make(parent, "svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": label, ...(small && { class: "small" }) });
      this.back = make(this.svg, "g", { "aria-hidden": "true" });
      this.front = make(this.svg, "g");
      this.axes({ x: [0, 1], y: [0, 1] });
    }

    /* Ranges; a logarithmic axis by xlog or ylog; equal units by equal; no numbers by bare. */
    axes({ x, y, xlabel = "", ylabel = "", xlog = false, ylog = false, xticks, yticks, equal = false, bare = false }) {
      const left = bare ? 6 : 48, top = 8, right = this.width - 8, bottom = this.height - (bare ? (xlabel ? 22 : 6) : 38);
      if (equal) {
        const unit = Math.min((right - left) / (x[1] - x[0]), (bottom - top) / (y[1] - y[0]));
        const wide = (right - left) / unit - (x[1] - x[0]), high = (bottom - top) / unit - (y[1] - y[0]);
        x = [x[0] - wide / 2, x[1] + wide / 2];
        y = [y[0] - high / 2, y[1] + high / 2];
      }
      const along = (range, log, from, to) => {
        const [low, high] = log ? range.map(Math.log10) : range;
        return value => from + (((log ? Math.log10(Math.max(value, 1e-300)) : value) - low) / (high - low)) * (to - from);
      };
      const back = (range, log, from, to) => at => {
        const [low, high] = log ? range.map(Math.log10) : range, value = low + ((at - from) / (to - from)) * (high - low);
        return log ? 10 ** value : value;
      };
      Object.assign(this, { left, top, right, bottom, x, y });
      this.X = along(x, xlog, left, right);
      this.Y = along(y, ylog, bottom, top);
      this.fromX = back(x, xlog, left, right);
      this.fromY = back(y, ylog, bottom, top);
      this.legend.clear();
      this.marks = [];
      const axis = [`<rect class="frame" x="${left}" y="${top}" width="${right - left}" height="${bottom - top}"/>`];
      if (!bare) {
        for (const value of xticks ?? ticks(...x, 4, xlog)) {
          axis.push(`<text class="tick" x="${this.X(value)}" y="${bottom + 14}" text-anchor="middle">${number(value)}</text>`);
        }
        for (const value of yticks ?? ticks(...y, 4, ylog)) {
          axis.push(`<text class="tick" x="${left - 5}" y="${this.Y(value) + 4}" text-anchor="end">${number(value)}</text>`);
        }
      }
      const middle = (top + bottom) / 2;
      axis.push(`<text x="${(left + right) / 2}" y="${this.height - 6}" text-anchor="middle">${escaped(xlabel)}</text>`);
      axis.push(`<text x="11" y="${middle}" text-anchor="middle" transform="rotate(-90 11 ${middle})">${escaped(ylabel)}</text>`);
      this.axis = axis.join("");
    }

    noted(style) {
      const known = styled(style);
      if (known.label) this.legend.set(known.label, known);
      return known;
    }

    at(x, y) { return `${clamp(this.X(x), -1e4, 1e4).toFixed(1)} ${clamp(this.Y(y), -1e4, 1e4).toFixed(1)}`; }

    /* A curve through points [x, y]; it breaks where one is null or not finite. */
    line(points, style, closed = false) {
      const { name, rule, at = points.length - 1 } = this.noted(style);
      let d = "", on = false;
      for (const point of points) {
        const here = point && Number.isFinite(point[0]) && Number.isFinite(point[1]);
        if (here) d += (on ? "L" : "M") + this.at(...point);
        on = here;
      }
      this.marks.push(`<path class="line ${name}" d="${d}${closed && d ? "Z" : ""}"/>`);
      if (rule && points[at]) this.dots([points[at]], { rule });
    }

    region(points, style) { this.line(points, { ...style, kind: `region ${style?.kind ?? ""}` }, true); }

    /* Marks at points, in the shape of the rule. */
    dots(points, style, size = 4.5) {
      const { name, rule } = this.noted(style);
      for (const point of points) {
        if (!point || !point.every(Number.isFinite)) continue;
        const [x, y] = this.at(...point).split(" ").map(Number);
        this.marks.push(shape(rule, x, y, size, `dot ${name}`));
      }
    }

    /* A cross, for poles. */
    crosses(points, style, size = 5) {
      const { name } = this.noted(style);
      for (const point of points) {
        const [x, y] = this.at(...point).split(" ").map(Number);
        this.marks.push(`<path class="line cross ${name}" d="M${x - size} ${y - size}l${2 * size} ${2 * size}m0 ${-2 * size}l${-2 * size} ${2 * size}"/>`);
      }
    }

    bars(values, style, width = 0.7) {
      const { name } = this.noted(style);
      values.forEach((value, i) => {
        const zero = this.Y(Math.max(0, this.y[0])), top = this.Y(value), left = this.X(i - width / 2);
        this.marks.push(`<rect class="bar ${name}" x="${left.toFixed(1)}" width="${(this.X(i + width / 2) - left).toFixed(1)}" y="${Math.min(zero, top).toFixed(1)}" height="${Math.abs(zero - top).toFixed(1)}"/>`);
      });
    }

    text(x, y, words, { anchor = "start", kind = "" } = {}) {
      const [left, top] = this.at(x, y).split(" ");
      this.marks.push(`<text class="${kind}" x="${left}" y="${top}" text-anchor="${anchor}">${escaped(words)}</text>`);
    }

    /* A matrix as a picture over the whole plot, row 0 on top: colours from a function of its entries to [r, g, b]. */
    image(matrix, colour = diverging(lab.largest(matrix))) {
      const canvas = document.createElement("canvas"), [rows, columns] = [matrix.length, matrix[0].length];
      Object.assign(canvas, { width: columns, height: rows });
      const context = canvas.getContext("2d"), pixels = context.createImageData(columns, rows);
      matrix.flat().forEach((value, i) => pixels.data.set([...colour(value), 255], 4 * i));
      context.putImageData(pixels, 0, 0);
      this.marks.push(`<image href="${canvas.toDataURL()}" x="${this.left}" y="${this.top}" width="${this.right - this.left}" height="${this.bottom - this.top}" preserveAspectRatio="none" style="image-rendering: pixelated"/>`);
    }

    /* A point to drag, or to move with the arrow keys: two entries of the state, {x: "a", y: "b", label, step}; either may be left out. */
    handle(name, { x, y, label, step = 0.05, at, rule, kind = "" }) {
      const { state } = this.panel, [px, py] = at ?? [state[x], state[y]];
      let node = this.handles.get(name);
      if (!node) {
        node = make(this.front, "g", { class: "handle", tabindex: 0, role: "slider", "aria-label": label });
        this.handles.set(name, node);
        const move = (dx, dy) => this.moveTo(node.entries, (x, y) => [x + dx * step, y + dy * step]);
        node.addEventListener("keydown", event => {
          const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
          if (!by) return;
          event.preventDefault();
          const far = event.shiftKey ? 5 : 1;
          if (!node.entries.x || !node.entries.y) {  // with one direction, both pairs of keys move along it
            const along = far * (by[0] + by[1]);
            move(node.entries.x ? along : 0, node.entries.y ? along : 0);
          } else move(far * by[0], far * by[1]);
        });
        node.addEventListener("pointerdown", event => {
          event.preventDefault();
          node.focus();
          node.setPointerCapture(event.pointerId);
          node.classList.add("held");
        });
        node.addEventListener("pointermove", event => {
          if (!node.hasPointerCapture(event.pointerId)) return;
          const { x: left, y: top } = this.pointer(event);
          this.moveTo(node.entries, () => [this.fromX(left), this.fromY(top)]);
        });
        for (const end of ["pointerup", "pointercancel"]) node.addEventListener(end, () => node.classList.remove("held"));
      }
      node.entries = { x, y };
      node.drawn = true;
      const told = [x, y].filter(Boolean);
      node.setAttribute("aria-valuenow", state[told[0]]);
      node.setAttribute("aria-valuetext", told.map(entry => `${entry} ${number(state[entry])}`).join(", "));
      const [left, top] = this.at(clamp(px, ...this.x), clamp(py, ...this.y)).split(" ").map(Number), { name: look } = styled({ rule, kind });
      node.innerHTML = `<circle class="grip" cx="${left}" cy="${top}" r="14"/>${shape(rule, left, top, 7, `dot ${look}`)}`;
    }

    moveTo({ x, y }, moved) {
      const { state } = this.panel, [px, py] = moved(x ? state[x] : 0, y ? state[y] : 0);
      this.panel.set({ ...(x && { [x]: px }), ...(y && { [y]: py }) });
    }

    /* Where a pointer is, in the units of the drawing. */
    pointer({ clientX, clientY }) { return new DOMPoint(clientX, clientY).matrixTransform(this.svg.getScreenCTM().inverse()); }

    /* What is called with the point [x, y] at which the plot was clicked. Keys have to have another way. */
    onclick(act) {
      this.svg.onclick = event => {
        const { x, y } = this.pointer(event);
        if (x >= this.left && x <= this.right && y >= this.top && y <= this.bottom) act([this.fromX(x), this.fromY(y)]);
      };
    }

    /* What is called with the way that a pointer has gone on the plot, in its units of drawing. Keys have to have another way. */
    ondrag(act) {
      if (this.dragged) return;
      this.dragged = true;
      this.svg.classList.add("turns");
      let last = null;
      this.svg.addEventListener("pointerdown", event => {
        if (event.target.closest(".handle")) return;
        last = this.pointer(event);
        this.svg.setPointerCapture(event.pointerId);
      });
      this.svg.addEventListener("pointermove", event => {
        if (!last) return;
        const now = this.pointer(event);
        act(now.x - last.x, now.y - last.y);
        last = now;
      });
      for (const end of ["pointerup", "pointercancel"]) this.svg.addEventListener(end, () => { last = null; });
    }

    show() {
      const { left, top, right, bottom } = this, box = `x="${left}" y="${top}" width="${right - left}" height="${bottom - top}"`;
      this.back.innerHTML = `<svg ${box} viewBox="${left} ${top} ${right - left} ${bottom - top}">${this.marks.join("")}</svg>${this.axis}`;
      for (const [name, node] of this.handles) {
        if (!node.drawn) {
          node.remove();
          this.handles.delete(name);
        }
        node.drawn = false;
      }
    }
  }

  /* The marker of each rule: circle, square, triangle, diamond. */
  function shape(rule, x, y, r, name) {
    const of = { "one-step tBPTT": [[-1, -1], [1, -1], [1, 1], [-1, 1]], "e-prop": [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]], RFLO: [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]] }[rule];
    if (!of) return `<circle class="${name}" cx="${x}" cy="${y}" r="${r}"/>`;
    return `<polygon class="${name}" points="${of.map(([dx, dy]) => `${(x + dx * r * 0.9).toFixed(1)},${(y + dy * r * 0.9).toFixed(1)}`).join(" ")}"/>`;
  }

  /* Blue below zero, white at it, orange above; equally light at equal distance. */
  function diverging(most) {
    return value => {
      const t = most > 0 && Number.isFinite(value) ? clamp(value / most, -1, 1) : 0, [r, g, b] = t < 0 ? [0, 114, 178] : [200, 80, 0];
      return [r, g, b].map(part => 255 + (part - 255) * Math.abs(t));
    };
  }

  /* Controls: each has the name of an entry of the state, what it is called, and where it starts. */
  const slider = (name, label, low, high, start, { step = (high - low) / 100, log = false, digits = 3, unit = "" } = {}) =>
    ({ type: "slider", name, label, low, high, start, step, log, digits, unit });
  const choice = (name, label, options, start = Object.keys(options)[0]) => ({ type: "choice", name, label, options, start });
  const toggle = (name, label, start = false) => ({ type: "toggle", name, label, start });
  /* A button that changes the state; `hidden` entries of the state have no control but are kept in the link. */
  const button = (label, act) => ({ type: "button", label, act });
  const hidden = (name, start, range) => ({ type: "hidden", name, start, range });

  class Panel {
    constructor(root, name, spec) {
      Object.assign(this, { root, name, spec, controls: [...spec.controls], drawing: 0, ticking: 0, views: {}, inputs: {} });
      if (spec.time) this.controls.push(slider("time", spec.time.label ?? "time", 0, spec.time.until, spec.time.start ?? 0, { step: spec.time.until / 600, unit: spec.time.unit }));
      this.start = Object.fromEntries(this.controls.filter(({ name }) => name).map(({ name, start }) => [name, start]));
      this.state = { ...this.start, ...this.linked() };
      this.still = matchMedia("(prefers-reduced-motion: reduce)");
      this.build();
      this.draw();
    }

    build() {
      const { root, spec } = this, live = make(root, "div", { class: "panel-live", role: "group", "aria-label": spec.title });
      root.insertBefore(live, root.querySelector("details.happens"));
      const views = make(live, "div", { class: "views" });
      for (const [name, view] of Object.entries(spec.views)) this.views[name] = new View(this, views, view);
      this.legend = make(live, "div", { class: "legend", "aria-hidden": "true" });
      this.said = make(live, "p", { class: "said" });
      this.heard = make(live, "p", { class: "heard", "aria-live": "polite" });
      const controls = make(live, "div", { class: "controls" });
      for (const control of this.controls) this.addControl(controls, control);
      const buttons = make(live, "div", { class: "buttons" });
      const press = (label, act) => {
        const node = make(buttons, "button", { type: "button" }, label);
        node.addEventListener("click", act);
        return node;
      };
      if (spec.time) this.playButton = press("Play", () => this.play());
      for (const { type, label, act } of this.controls) if (type === "button") press(label, () => this.set(act(this.state)));
      press("Reset", () => { this.stop(); this.set(this.start); });
      this.addNumbers(live);
      this.addLink(buttons, live);
      this.still.addEventListener("change", () => this.stop());
      root.classList.add("is-live");
    }

    addControl(parent, { type, name, label, low, high, step, log, options }) {
      if (type === "button" || type === "hidden") return;
      const box = make(parent, "label", { class: `${type}${name === "time" ? " time" : ""}` });
      const text = make(box, "span", {}, label), changed = value => { if (name === "time") this.stop(); this.set({ [name]: value }); };
      let input;
      if (type === "choice") {
        input = make(box, "select", { name });
        for (const [value, words] of Object.entries(options)) make(input, "option", { value }, words);
        input.addEventListener("change", () => changed(input.value));
      } else if (type === "toggle") {
        input = make(box, "input", { type: "checkbox", name });
        box.prepend(input);
        input.addEventListener("change", () => changed(input.checked));
      } else {
        const range = log ? { min: 0, max: 1, step: 0.01 } : { min: low, max: high, step };
        input = make(box, "input", { type: "range", name, ...range });
        input.addEventListener("input", () => changed(log ? Number((low * (high / low) ** input.value).toPrecision(6)) : Number(input.value)));
      }
      this.inputs[name] = { input, text };
    }

    addNumbers(live) {
      const details = make(live, "details", { class: "numbers" });
      make(details, "summary", {}, "The numbers");
      this.table = make(make(details, "div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": `${this.spec.title}: the numbers` }), "table");
      details.addEventListener("toggle", () => this.fillTable());
      this.numbers = details;
    }

    addLink(buttons, live) {
      const node = make(buttons, "button", { type: "button" }, "Link to this");
      const field = make(live, "input", { class: "link", readonly: "", hidden: "", "aria-label": "Link to this state of the panel" });
      node.addEventListener("click", () => {
        field.hidden = false;
        field.value = this.link();
        field.select();
        navigator.clipboard?.writeText(field.value).catch(() => {});  // where it is not allowed, the field is there
      });
    }

    /* Entries that differ from the start, as the address of this page has them: ?waiting.size=0.1#panel-waiting */
    link() {
      const address = new URL(location.href);
      for (const key of [...address.searchParams.keys()]) if (key.startsWith(`${this.name}.`)) address.searchParams.delete(key);
      for (const [entry, value] of Object.entries(this.state)) {
        if (value !== this.start[entry]) address.searchParams.set(`${this.name}.${entry}`, typeof value === "number" ? Number(value.toPrecision(6)) : value);
      }
      address.hash = `panel-${this.name}`;
      return address.href;
    }

    linked() {
      const given = {};
      for (const control of this.controls) {
        const text = new URLSearchParams(location.search).get(`${this.name}.${control.name}`);
        if (text === null) continue;
        if (control.type === "toggle") given[control.name] = text === "true";
        else if (control.type === "choice") { if (text in control.options) given[control.name] = text; }
        else if (Number.isFinite(Number(text))) given[control.name] = this.within(control, Number(text));
      }
      return given;
    }

    within({ low, high, range, step }, value) {
      const [from, to] = range ?? [low, high];
      if (typeof value !== "number" || from === undefined) return value;
      return clamp(step === 1 ? Math.round(value) : value, from, to);
    }

    set(changes) {
      for (const control of this.controls) {
        if (control.name in changes) changes = { ...changes, [control.name]: this.within(control, changes[control.name]) };
      }
      this.state = { ...this.state, ...changes };
      cancelAnimationFrame(this.drawing);
      this.drawing = requestAnimationFrame(() => this.draw());
    }

    draw() {
      const { spec, state } = this, { time, ...rest } = state, key = JSON.stringify(rest);
      if (key !== this.key) {
        this.key = key;
        this.result = spec.solve(rest);
      }
      if (spec.grow) {
        const end = performance.now() + FRAME;
        if (!spec.grow(this.result, time, () => performance.now() < end)) this.drawing = requestAnimationFrame(() => this.draw());
      }
      spec.draw(this.views, state, this.result);
      Object.values(this.views).forEach(view => view.show());
      this.showControls();
      this.showLegend();
      this.speak(spec.say(state, this.result));
      if (this.numbers.open) this.fillTable();
    }

    showControls() {
      for (const { type, name, label, low, high, log, digits, unit } of this.controls) {
        if (!this.inputs[name]) continue;
        const { input, text } = this.inputs[name], value = this.state[name];
        if (type === "toggle") input.checked = value;
        else if (type === "choice") input.value = value;
        else {
          input.value = log ? Math.log(value / low) / Math.log(high / low) : value;
          text.textContent = `${label} = ${number(value, digits)}${unit ? ` ${unit}` : ""}`;
          input.setAttribute("aria-valuetext", text.textContent);
        }
      }
    }

    showLegend() {
      const entries = new Map(Object.values(this.views).flatMap(view => [...view.legend]));
      const html = [...entries].map(([label, { name, rule }]) => `<span><svg viewBox="0 0 34 12" width="34" height="12"><path class="line ${name}" d="M1 6H33"/>${rule ? shape(rule, 17, 6, 4, `dot ${name}`) : ""}</svg>${escaped(label)}</span>`).join("");
      if (html !== this.legendShown) this.legend.innerHTML = this.legendShown = html;
    }

    /* Shown at once; spoken when it has settled, so that a drag is not a stream of words. */
    speak(words) {
      this.said.textContent = words;
      clearTimeout(this.speaking);
      if (!this.ticking) this.speaking = setTimeout(() => { if (this.spokenOnce && this.heard.textContent !== words) this.heard.textContent = words; this.spokenOnce = true; }, 700);
    }

    fillTable() {
      if (!this.numbers.open) return;
      const { head, rows } = this.spec.table(this.state, this.result), cell = x => escaped(typeof x === "number" ? number(x, 4) : x ?? "–");
      this.table.innerHTML = `<thead><tr>${head.map(x => `<th scope="col">${cell(x)}</th>`).join("")}</tr></thead><tbody>${rows.map(row => `<tr>${row.map((x, i) => (i ? `<td>${cell(x)}</td>` : `<th scope="row">${cell(x)}</th>`)).join("")}</tr>`).join("")}</tbody>`;
    }

    play() {
      const { until, seconds = 6 } = this.spec.time, from = this.state.time >= until ? 0 : this.state.time;
      if (this.still.matches) return this.set({ time: Math.min(until, from + until / 24) });
      if (this.ticking) return this.stop();
      let before = null;
      const tick = now => {
        if (before !== null) this.set({ time: Math.min(until, this.state.time + (Math.min(100, now - before) / 1000 / seconds) * until) });
        before = now;
        if (this.state.time < until) this.ticking = requestAnimationFrame(tick);
        else this.stop();
      };
      this.set({ time: from });
      this.ticking = requestAnimationFrame(tick);
      this.namePlay();
    }

    stop() {
      cancelAnimationFrame(this.ticking);
      this.ticking = 0;
      this.namePlay();
    }

    namePlay() { if (this.playButton) this.playButton.textContent = this.still.matches ? "Step forward" : this.ticking ? "Pause" : "Play"; }
  }

  const panels = {};

  function begin(name) {
    document.querySelectorAll(`[data-panel="${name}"]:not(.is-live)`).forEach(root => {
      root.panel = new Panel(root, name, panels[name]);
      root.panel.namePlay();
    });
  }

  function panel(name, spec) {
    panels[name] = spec;
    if (typeof document !== "undefined") begin(name);
  }

  Object.assign(lab, { panel, panels, slider, choice, toggle, button, hidden, number, ticks, diverging, clamp, RULES });
})();
