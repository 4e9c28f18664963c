/* How long a student of one unit waits on the plateau at zero, by the size of its start and of its feedback. */

(() => {
  "use strict";

  const TARGET = [1, 1, 0.8], DECAY = 0.5, UNTIL = 12, POINTS = 160;
  const TIMES = Array.from({ length: POINTS + 1 }, (_, i) => (i * UNTIL) / POINTS), PARTS = Array.from({ length: 8 }, (_, i) => (i + 1) / 20);
  const SIZES = Array.from({ length: 5 }, (_, i) => 10 ** (i - 4));
  const START_LOSS = lab.modeLoss([0, 0, 0], TARGET);

  const rulesOf = feedback => [
    lab.rules.BPTT(), lab.rules.TruncatedBPTT(), lab.rules.EProp([[feedback]]), lab.rules.RFLO([[feedback]], DECAY),
  ];

  function run(rule, size) {
    const { states } = lab.flow(rule, [size, size, 0], TARGET, TIMES);
    return { name: rule.name, states, losses: states.map(state => state && lab.modeLoss(state, TARGET)), wait: wait(rule, size) };
  }

  /* When the loss has fallen to half of what it is without a student; null if it has not. */
  function wait(rule, size) {
    const half = START_LOSS / 2, loss = state => lab.modeLoss(state, TARGET);
    let before = [size, size, 0];
    if (loss(before) < half) return 0;
    for (let t = 0; t < UNTIL; t += PARTS.at(-1)) {
      const { states } = lab.flow(rule, before, TARGET, PARTS, 1e-7), i = states.findIndex(state => loss(state) < half);
      if (i >= 0) {
        const [high, low] = [i ? loss(states[i - 1]) : loss(before), loss(states[i])];
        return t + (i + (high - half) / (high - low)) * PARTS[0];
      }
      before = states.at(-1);
    }
    return null;
  }

  const kept = new Map();
  const waits = rule => SIZES.map(size => wait(rule, size));

  function solve({ size, feedback }) {
    const rules = rulesOf(feedback);
    const bySize = rules.map(rule => {
      const hearsFeedback = rule.name === "e-prop" || rule.name === "RFLO";
      if (hearsFeedback) return waits(rule);
      if (!kept.has(rule.name)) kept.set(rule.name, waits(rule));  // the same at any feedback
      return kept.get(rule.name);
    });
    return { runs: rules.map(rule => run(rule, size)), bySize };
  }

  lab.panel("waiting", {
    title: "Waiting",
    controls: [
      lab.slider("size", "size of the start", 1e-4, 1, 0.01, { log: true }),
      lab.slider("feedback", "feedback r", 0.02, 2, 1, { log: true }),
    ],
    time: { until: UNTIL, seconds: 8, start: UNTIL, unit: "1/η steps" },
    views: {
      loss: { label: "Loss of the four students over time", width: 340 },
      wait: { label: "Time until half of the loss is gone, by the size of the start", width: 300 },
    },
    solve,

    draw({ loss, wait }, { time, size }, { runs, bySize }) {
      loss.axes({ x: [0, UNTIL], y: [0, 1.1 * START_LOSS], xlabel: "time (1/η steps)", ylabel: "loss" });
      const seen = TIMES.filter(t => t <= time).length;
      for (const { name, losses } of runs) loss.line(losses.slice(0, seen).map((value, i) => [TIMES[i], value]), name);
      wait.axes({ x: [1e-4, 1], y: [0, 12], xlog: true, xlabel: "size of the start", ylabel: "waiting time" });
      wait.line([[size, 0], [size, 12]], { kind: "target" });
      runs.forEach(({ name, wait: at }, i) => {
        wait.line(bySize[i].map((value, j) => [SIZES[j], value]), { rule: name, at: -1 });
        wait.dots([[size, at]], { rule: name }, 6);
      });
    },

    say({ size, feedback }, { runs }) {
      const words = runs.map(({ name, wait }) => `${name} ${wait === null ? "is still waiting" : lab.number(wait, 2)}`);
      return `From a start of size ${lab.number(size)} with feedback ${lab.number(feedback)}, half of the loss is gone after: ${words.join(", ")}.`;
    },

    table: ({ time }, { runs }) => {
      const at = Math.round((time / UNTIL) * POINTS);
      return { head: ["rule", "waiting time", "loss now", "a", "b", "w"], rows: runs.map(({ name, wait, losses, states }) => [name, wait, losses[at], ...(states[at] ?? [null, null, null])]) };
    },
  });
})();
