/* Which solutions hold a rule: the map over (s, w*), the two eigenvalues at a point of it, and a run that starts close by. */

(() => {
  "use strict";

  const S = 8, W = 0.97, COLUMNS = 160, ROWS = 97, POINTS = 240;
  const AREAS = [["stable", [200, 222, 240]], ["saddle", [250, 226, 170]], ["unstable", [150, 80, 60]]];

  /* f, psi and d, the derivative by w of psi - psi_*, of each rule at a solution. */
  const RULES = {
    "RFLO": (s, w, { r, decay }) => { const psi = 1 / (1 - decay * w); return [r, psi, decay * psi * psi]; },
    "e-prop": (s, w, { r }) => { const phi = 1 / (1 - w * w); return [r, phi, w * phi * phi]; },
    "one-step tBPTT": s => [s, 1, 0],
    "BPTT": (s, w) => { const phi = 1 / (1 - w * w); return [s, phi, w * phi * phi]; },
  };

  const ruleOf = ({ rule, r, decay }) =>
    ({ "RFLO": () => lab.rules.RFLO([[r]], decay), "e-prop": () => lab.rules.EProp([[r]]), "one-step tBPTT": () => lab.rules.TruncatedBPTT(), "BPTT": () => lab.rules.BPTT() })[rule]();

  /* Trace and determinant of the flow across the solutions, at (s, c/s, w). */
  function traceAndDeterminant(s, w, state) {
    const [f, psi, d] = RULES[state.rule](s, w, state), { c } = state, b = c / s, phi = 1 / (1 - w * w);
    return [
      -(b * b * phi + f * s * psi + f * b * c * phi * (phi * psi + w * d)),
      f * b * c * phi * phi * (b * b * (psi + w * d) + f * s * psi * psi),
    ];
  }

  /* 0 stable, 1 a saddle, 2 unstable in both directions; null where a rate is zero. */
  function kind(s, w, state) {
    const [trace, determinant] = traceAndDeterminant(s, w, state);
    if (determinant === 0 || Number.isNaN(determinant)) return null;
    return determinant < 0 ? 1 : trace < 0 ? 0 : 2;
  }

  function eigenvalues([trace, determinant]) {
    const root = lab.C.sqrt([trace * trace / 4 - determinant, 0]);
    return [[trace / 2 + root[0], root[1]], [trace / 2 - root[0], -root[1]]];
  }

  const across = Array.from({ length: COLUMNS }, (_, i) => -S + ((i + 0.5) * 2 * S) / COLUMNS);
  const down = Array.from({ length: ROWS }, (_, i) => W - ((i + 0.5) * 2 * W) / ROWS);

  function solve(state) {
    const { s, w, c, away } = state, map = down.map(w => across.map(s => kind(s, w, state)));
    if (s === 0) return { map, pair: null, here: null, run: null, until: 10 };
    const target = [s, c / s, w], start = target.map((x, i) => (i < 2 ? x * (1 + away) : lab.clamp(x * (1 + away), -0.99, 0.99)));
    const pair = eigenvalues(traceAndDeterminant(s, w, state));
    const until = lab.clamp(6 / Math.abs(pair[0][0]), 10, 400), times = Array.from({ length: POINTS + 1 }, (_, i) => (i * until) / POINTS);
    return { map, pair, here: kind(s, w, state), run: lab.flow(ruleOf(state), start, target, times, 1e-8, 4000), until, times, target };
  }

  const colour = area => (area === null ? [255, 255, 255] : AREAS[area][1]);
  const spirals = pair => pair[0][1] !== 0;

  lab.panel("stable", {
    title: "Who is stable",
    controls: [
      lab.choice("rule", "rule", Object.fromEntries(Object.keys(RULES).map(name => [name, name]))),
      lab.slider("r", "feedback r", 0.005, 1, 0.02, { log: true }),
      lab.slider("decay", "decay ŵ", -0.9, 0.9, 0.5, { step: 0.05 }),
      lab.slider("c", "strength c = a*b*", 0.2, 2, 1, { step: 0.05 }),
      lab.slider("s", "readout s", -S, S, -4.6, { step: 0.05 }),
      lab.slider("w", "memory w*", -0.95, 0.95, -0.85, { step: 0.01 }),
      lab.slider("away", "start away from it", -0.2, 0.2, 0.05, { step: 0.01 }),
    ],
    views: {
      map: { label: "Map of the solutions, by readout s and memory w star", width: 340, height: 280 },
      spectrum: { label: "The two eigenvalues of the flow at the chosen solution", width: 300, height: 280 },
      run: { label: "Loss of a run that starts close to the solution", width: 660, height: 170 },
    },
    solve,

    draw({ map, spectrum, run }, state, { map: kinds, pair, run: path, until, times, target }) {
      map.axes({ x: [-S, S], y: [-W, W], xlabel: "readout s of the solution (s, c/s, w*)", ylabel: "memory w*" });
      map.image(kinds, colour);
      AREAS.forEach(([name], i) => map.noted({ kind: `area-${i}`, label: name }));
      map.onclick(([s, w]) => map.panel.set({ s, w }));
      map.handle("here", { x: "s", y: "w", label: "the solution looked at", kind: "hollow" });
      const size = pair ? Math.max(...pair.map(lab.C.abs), 1e-9) * 1.2 : 1;
      spectrum.axes({ x: [-size, size], y: [-size, size], xlabel: "real part", ylabel: "imaginary part", equal: true });
      spectrum.line([[0, -size * 2], [0, size * 2]], { kind: "target" });
      if (pair) spectrum.crosses(pair, { rule: state.rule });
      const losses = path ? path.states.map((y, i) => (y ? [times[i], Math.max(lab.modeLoss(y, target), 1e-14)] : null)) : [];
      const high = Math.max(...losses.filter(Boolean).map(([, loss]) => loss), 1e-3);
      run.axes({ x: [0, until], y: [1e-10, 10 ** Math.ceil(Math.log10(high) + 0.1)], ylog: true, xlabel: "time (1/η steps)", ylabel: "loss" });
      run.line(losses, { rule: state.rule, label: state.rule, at: -1 });
      if (path && path.exit < until) run.line([[path.exit, 1e-12], [path.exit, 1e6]], { kind: "target", label: "the run leaves |w| < 1" });
    },

    say({ s, w, rule }, { here, pair, run, until }) {
      if (!pair) return "At s = 0 there is no solution.";
      const { end } = run, what = here === null ? "on the border: a rate is zero" : AREAS[here][0];
      const rates = spirals(pair) ? `${lab.number(pair[0][0])} ± ${lab.number(Math.abs(pair[0][1]))}i, so that runs turn around it` : pair.map(([re]) => lab.number(re)).join(" and ");
      const then = run.exit < until ? `leaves |w| < 1 at time ${lab.number(run.exit)}` : run.lost < until ? `moves too fast to be followed beyond time ${lab.number(run.lost)}` : `is at a = ${lab.number(end[0])}, b = ${lab.number(end[1])}, w = ${lab.number(end[2])} at time ${lab.number(until)}`;
      return `For ${rule} the solution with s = ${lab.number(s)} and w* = ${lab.number(w)} is ${what}: eigenvalues ${rates}. A run that starts close by ${then}.`;
    },

    table({ s, w, c }, { pair, here, run }) {
      const end = run?.end ?? [null, null, null];
      return { head: ["s", "b = c/s", "w*", "kind", "real parts", "imaginary", "a, end", "b, end", "w, end"], rows: pair ? [[s, c / s, w, here === null ? "border" : AREAS[here][0], pair.map(([re]) => lab.number(re)).join(", "), Math.abs(pair[0][1]), ...end]] : [] };
    },
  });
})();
