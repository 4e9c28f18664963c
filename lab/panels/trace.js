/* One error at the end of a sequence, in a network of one unit: what each rule sends back to every earlier moment, what it meets
   there, and the trace that carries the same sum forward. */

(() => {
  "use strict";

  const T = 16, ERROR = 1;
  const NAMES = ["BPTT", "one-step tBPTT", "e-prop", "RFLO"];

  const ruleOf = (name, { r, decay }) =>
    ({ "BPTT": lab.rules.BPTT, "one-step tBPTT": lab.rules.TruncatedBPTT, "e-prop": () => lab.rules.EProp([[r]]), "RFLO": () => lab.rules.RFLO([[r]], decay) })[name]();

  /* x_t, t = 0 .. T - 1 */
  function inputs({ input, pulse, seed }) {
    if (input === "pulse") return Array.from({ length: T }, (_, t) => (T - 1 - t === pulse ? 1 : 0));
    const draw = lab.random(seed);
    return Array.from({ length: T }, () => draw.normal() / 2);
  }

  function solve(state) {
    const { a, w } = state, x = inputs(state), h = [0];
    x.forEach(xt => h.push(w * h.at(-1) + xt));
    const rules = NAMES.map(name => {
      const rule = ruleOf(name, state), [f, g] = lab.modeSent(rule, [a, 1, w]);
      const sent = Array.from({ length: T }, (_, t) => (T - 1 - t < rule.steps ? f * g ** (T - 1 - t) * ERROR : 0));  // to h_t
      const trace = [0];  // p_t: what has been received so far, fading
      for (let t = 0; t < T; t++) trace.push((rule.steps === 1 ? 0 : g * trace.at(-1)) + h[t]);
      return { name, sent, trace, W: sent.reduce((sum, s, t) => sum + s * h[t], 0), B: sent.reduce((sum, s, t) => sum + s * x[t], 0) };
    });
    return { x, h, rules };
  }

  const range = values => {
    const high = Math.max(...values, 0.2), low = Math.min(...values, 0);
    return [low - 0.05 * (high - low), high + 0.08 * (high - low)];
  };

  lab.panel("trace", {
    title: "The eligibility trace",
    controls: [
      lab.choice("input", "input", { pulse: "one pulse", noise: "noise" }),
      lab.slider("pulse", "pulse, steps before the error", 0, T - 1, 6, { step: 1 }),
      lab.slider("w", "memory w", -0.95, 0.95, 0.9, { step: 0.05 }),
      lab.slider("a", "readout a", -1.5, 1.5, 0.8, { step: 0.05 }),
      lab.slider("r", "feedback r", -1.5, 1.5, 1, { step: 0.05 }),
      lab.slider("decay", "decay ŵ", -0.95, 0.95, 0.5, { step: 0.05 }),
      lab.hidden("seed", 1, [1, 1e6]),
      lab.button("Draw other noise", ({ seed }) => ({ seed: seed + 1, input: "noise" })),
    ],
    views: {
      held: { label: "What the unit held at each time", width: 320, height: 200 },
      sent: { label: "What each rule sends back to each time", width: 320, height: 200 },
      trace: { label: "The trace that each unit keeps, forward in time", width: 320, height: 200 },
      update: { label: "The update of w that each rule makes of it", width: 320, height: 200 },
    },
    solve,

    draw({ held, sent, trace, update }, state, { h, rules }) {
      const along = values => values.map((value, t) => [t, value]);
      held.axes({ x: [-0.7, T + 0.7], y: range(h), xlabel: "time t; the error comes at 16", ylabel: "held: h" });
      held.bars(h, { kind: "faint" });
      held.line([[T, -9], [T, 9]], { kind: "target", label: "the error" });
      sent.axes({ x: [-0.7, T + 0.7], y: range(rules.flatMap(rule => rule.sent)), xlabel: "time t that it is sent back to", ylabel: "sent back" });
      sent.line([[T, -9], [T, 9]], { kind: "target" });
      rules.forEach((rule, i) => sent.line(along(rule.sent), { rule: rule.name, label: rule.name, at: T - 1 }));
      trace.axes({ x: [-0.7, T + 0.7], y: range(rules.flatMap(rule => rule.trace)), xlabel: "time t, forward", ylabel: "trace p" });
      for (const { name, trace: p } of rules.slice(1)) trace.line(along(p), { rule: name });
      update.axes({ x: [-0.6, 3.6], y: range(rules.map(rule => rule.W)), xlabel: "update of w", xticks: [], ylabel: "sent · held, summed" });
      update.line([[-1, rules[0].W], [4, rules[0].W]], { kind: "target", label: "the gradient" });
      rules.forEach(({ name, W }, i) => update.bars(NAMES.map((_, j) => (i === j ? W : 0)), { rule: name }));
    },

    say(state, { rules }) {
      const when = state.input === "pulse" ? `For a pulse ${state.pulse} steps before the error` : "For this noise";
      return `${when} the gradient of w is ${lab.number(rules[0].W)}. In its place: ${rules.slice(1).map(({ name, W }) => `${name} ${lab.number(W)}`).join(", ")}.`;
    },

    table: (_, { x, h, rules }) => ({
      head: ["t", "input x", "held h", ...NAMES.map(name => `${name} sends`)],
      rows: [...h.slice(0, T).map((value, t) => [t, x[t], value, ...rules.map(rule => rule.sent[t])]), ["Δw", "", "", ...rules.map(rule => rule.W)], ["Δb", "", "", ...rules.map(rule => rule.B)]],
    }),
  });
})();
