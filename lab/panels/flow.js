/* The flow of one mode, (a, b, w), under two rules: in space and in a slice, with the leaf that each run cannot leave. */

(() => {
  "use strict";

  const UNTIL = 8, POINTS = 200, EDGE = 3;
  const TIMES = Array.from({ length: POINTS + 1 }, (_, i) => (i * UNTIL) / POINTS);
  const SLICES = [-0.9, -0.6, -0.3, 0, 0.3, 0.6, 0.9], ACROSS = Array.from({ length: 41 }, (_, i) => -EDGE + (i * 2 * EDGE) / 40);

  const RULES = {
    "BPTT": () => lab.rules.BPTT(),
    "one-step tBPTT": () => lab.rules.TruncatedBPTT(),
    "e-prop": ({ r }) => lab.rules.EProp([[r]]),
    "RFLO": ({ r, decay }) => lab.rules.RFLO([[r]], decay),
  };

  /* What each rule conserves. A leaf is where it has one value: its points at one w, as pieces of curves in the plane of a and b. */
  const LAWS = {
    "BPTT": ([a, b]) => a * a - b * b,
    "one-step tBPTT": ([a, b, w]) => a * a - b * b - w * w,
    "e-prop": ([a, b], { r }) => r * a - (b * b) / 2,
    "RFLO": ([a, b, w], { r, decay }) => r * a - (b * b + (w - decay) ** 2) / 2,
  };

  function leaf(name, value, w, { r, decay }, [a0, b0]) {
    if (name === "BPTT" || name === "one-step tBPTT") {
      const K = value + (name === "BPTT" ? 0 : w * w);
      if (K >= 0) return ACROSS.map(b => [(a0 < 0 ? -1 : 1) * Math.sqrt(K + b * b), b]);
      return ACROSS.map(a => [a, (b0 < 0 ? -1 : 1) * Math.sqrt(a * a - K)]);
    }
    if (r === 0) return name === "e-prop" ? ACROSS.map(a => [a, b0]) : [];
    const more = name === "RFLO" ? (w - decay) ** 2 / 2 : 0;
    return ACROSS.map(b => [(value + (b * b) / 2 + more) / r, b]);
  }

  /* The solutions (s, c/s, w*), each with whether the flow comes back to it. Along the branch the rate is zero; the two others count. */
  function branch(rule, target) {
    const c = target[0] * target[1], points = [];
    if (c === 0) return points;
    for (const sign of [1, -1]) {
      for (let i = 0; i <= 60; i++) {
        const s = sign * (Math.abs(c) / EDGE) * (EDGE * EDGE / Math.abs(c)) ** (i / 60), at = [s, c / s, target[2]];
        const [first, second] = lab.eigenvalues(lab.jacobian(rule, at, target));  // the largest two
        points.push({ at, held: first[0] < 0 && second[0] < 0 });
      }
      points.push(null);
    }
    return points;
  }

  function solve(state) {
    const start = [state.a, state.b, state.w], target = [state.a_, state.b_, state.w_];
    const names = [...new Set([state.rule, state.other])].filter(name => name in RULES);
    const runs = names.map(name => {
      const rule = RULES[name](state), run = lab.flow(rule, start, target, TIMES, 1e-10, 8000), law = LAWS[name](start, state);
      return { name, ...run, law, losses: run.states.map(y => y && lab.modeLoss(y, target)), leaf: SLICES.map(w => leaf(name, law, w, state, start)), branch: branch(rule, target) };
    });
    return { runs };
  }

  /* Where a point of space is on the page, seen from the given directions. */
  function seen({ turn, tilt }) {
    const [ct, st, cp, sp] = [turn, tilt].flatMap(angle => [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)]);
    return ([a, b, w]) => {
      const x = a / EDGE, y = b / EDGE, far = -st * x + ct * y;
      return [ct * x + st * y, w * cp + far * sp];
    };
  }

  /* A curve ends where it leaves the box. */
  const inside = points => points.map(point => (point && Math.abs(point[0]) <= EDGE && Math.abs(point[1]) <= EDGE ? point : null));

  function box(space, at) {
    const corners = [-1, 1];
    for (const u of corners) for (const v of corners) {
      for (const ends of [[[-EDGE, u * EDGE, v], [EDGE, u * EDGE, v]], [[u * EDGE, -EDGE, v], [u * EDGE, EDGE, v]], [[u * EDGE, v * EDGE, -1], [u * EDGE, v * EDGE, 1]]]) {
        space.line(ends.map(at), { kind: "faint" });
      }
    }
    for (const [where, name] of [[[EDGE * 1.15, -EDGE, -1], "a"], [[-EDGE, EDGE * 1.15, -1], "b"], [[-EDGE, -EDGE, 1.12], "w"]]) space.text(...at(where), name, { anchor: "middle" });
  }

  function until(run, time) {
    const states = run.states.filter((y, i) => y && TIMES[i] <= time);
    return run.exit <= time ? [...states, run.end] : states;
  }

  lab.panel("flow", {
    title: "The flow of three numbers",
    controls: [
      lab.choice("rule", "rule", Object.fromEntries(Object.keys(RULES).map(name => [name, name])), "RFLO"),
      lab.choice("other", "beside it", { none: "no other", ...Object.fromEntries(Object.keys(RULES).map(name => [name, name])) }, "BPTT"),
      lab.slider("w", "start w", -0.95, 0.95, 0.6, { step: 0.05 }),
      lab.slider("w_", "target w*", -0.9, 0.9, 0.8, { step: 0.05 }),
      lab.slider("r", "feedback r", -2, 2, -1, { step: 0.05 }),
      lab.slider("decay", "decay ŵ", -0.9, 0.9, 0.5, { step: 0.05 }),
      lab.slider("turn", "turn the box", -180, 180, 25, { step: 5, unit: "°" }),
      lab.slider("tilt", "tilt it", 0, 90, 25, { step: 5, unit: "°" }),
      lab.hidden("a", 1, [-EDGE, EDGE]), lab.hidden("b", 1, [-EDGE, EDGE]),
      lab.hidden("a_", 1, [-2, 2]), lab.hidden("b_", 1, [-2, 2]),
    ],
    time: { until: UNTIL, seconds: 8, start: UNTIL, unit: "1/η steps" },
    views: {
      space: { label: "The runs in the space of a, b and w", width: 320, height: 300 },
      plane: { label: "The runs in the plane of a and b, with start and target to drag", width: 320, height: 300 },
      memory: { label: "Memory w over time", width: 660, height: 170 },
    },
    solve,

    draw({ space, plane, memory }, state, { runs }) {
      const { time } = state, start = [state.a, state.b, state.w], at = seen(state);
      space.axes({ x: [-1.5, 1.5], y: [-1.5, 1.5], equal: true, bare: true });
      box(space, at);
      plane.axes({ x: [-EDGE, EDGE], y: [-EDGE, EDGE], xlabel: "readout a", ylabel: "input b", equal: true });
      plane.line([[-EDGE, 0], [EDGE, 0]], { kind: "faint" });
      plane.line([[0, -EDGE], [0, EDGE]], { kind: "faint" });
      memory.axes({ x: [0, UNTIL], y: [-1, 1], xlabel: "time (1/η steps)", ylabel: "memory w" });
      memory.line([[0, state.w_], [UNTIL, state.w_]], { kind: "target" });
      const [first] = runs;
      if (first) {
        const held = first.branch.map(point => point && (point.held ? point.at : null)), others = first.branch.map(point => point && (point.held ? null : point.at));
        for (const [view, place] of [[space, at], [plane, y => y]]) {
          view.line(held.map(y => y && place(y)), { label: `solutions that hold ${first.name}` });
          view.line(others.map(y => y && place(y)), { kind: "target", label: "solutions that do not" });
        }
        first.leaf.forEach((curve, i) => space.line(inside(curve).map(y => y && at([...y, SLICES[i]])), { kind: "faint", label: "leaf of the first run" }));
      }
      for (const run of runs) {
        const path = until(run, time), times = path.map((_, i) => (i < run.states.length && run.states[i] ? TIMES[i] : run.exit));
        space.line(path.map(at), run.name);
        plane.line(path, run.name);
        memory.line(path.map((y, i) => [times[i], y[2]]), run.name);
      }
      space.dots([at(start)], { kind: "hollow" });
      space.ondrag((dx, dy) => {
        const { turn, tilt } = space.panel.state;
        space.panel.set({ turn: ((turn - dx + 540) % 360) - 180, tilt: tilt + dy / 2 });
      });
      plane.handle("teacher", { x: "a_", y: "b_", label: "teacher" });
      plane.handle("start", { x: "a", y: "b", label: "start of the runs", kind: "hollow" });
    },

    say(state, { runs }) {
      const { time } = state;
      const words = runs.map(run => {
        const path = until(run, time), last = path.at(-1);
        if (run.exit <= time) return `${run.name} fell out of the stable world, |w| < 1, at time ${lab.number(run.exit)}`;
        if (run.lost <= time) return `${run.name} moves too fast to be followed beyond time ${lab.number(run.lost)}`;
        return `${run.name} is at a = ${lab.number(last[0], 2)}, b = ${lab.number(last[1], 2)}, w = ${lab.number(last[2], 2)}, loss ${lab.number(lab.modeLoss(last, [state.a_, state.b_, state.w_]), 2)}`;
      });
      return `At time ${lab.number(time)}: ${words.join("; ") || "no rule chosen"}.`;
    },

    table({ time, ...state }, { runs }) {
      const rows = runs.map(run => {
        const last = until(run, time).at(-1);
        return [run.name, ...last, run.exit <= time ? "left" : lab.modeLoss(last, [state.a_, state.b_, state.w_]), run.law, LAWS[run.name](last, state)];
      });
      return { head: ["rule", "a", "b", "w", "loss", "conserved, at the start", "and now"], rows };
    },
  });
})();
