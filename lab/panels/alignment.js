/* A network of two modes, turned out of alignment by hand: what then passes from one mode to the other, and whether learning
   turns it back. */

(() => {
  "use strict";

  const LAGS = 12, STEPS = 600, EVERY = 5, MODES = { a: [1, 0.8], b: [1, 1], w: [0.85, -0.4] }, R = [[0.8, 0], [0, 0.8]], DECAY = 0.4;
  const RULES = {
    "BPTT": () => lab.rules.BPTT(), "one-step tBPTT": () => lab.rules.TruncatedBPTT(), "e-prop": () => lab.rules.EProp(R), "RFLO": () => lab.rules.RFLO(R, DECAY),
  };
  const turned = degrees => {
    const [c, s] = [Math.cos, Math.sin].map(f => f((degrees * Math.PI) / 180));
    return [[c, -s], [s, c]];
  };

  /* A = U diag(a) P^T, W = Q diag(w) Q^T with Q = P turned further, B = P diag(b) V^T. */
  function aligned({ a, b, w }, { u = 0, v = 0, p = 0, q = 0 } = {}) {
    const [U, V, P, Q] = [turned(u), turned(v), turned(p), turned(p + q)];
    return lab.network(
      lab.product(U, lab.diagonal(a), lab.transpose(P)),
      lab.product(Q, lab.diagonal(w), lab.transpose(Q)),
      lab.product(P, lab.diagonal(b), lab.transpose(V)),
    );
  }

  const TEACHER = aligned(MODES);

  /* The modes and the two cosines along the task's directions, here those of the axes: lb.read_modes and lb.alignment. */
  function read({ A, W, B }) {
    const column = (X, i) => X.map(row => row[i]), dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
    const through = (X, x) => X.map(row => dot(row, x));
    const P = [0, 1].map(i => column(B, i)).map(x => x.map(value => value / Math.hypot(...x)));
    const modes = P.map((p, i) => ({ a: dot(A[i], p), b: Math.hypot(...column(B, i)), w: dot(p, through(W, p)) }));
    const cosines = P.map((p, i) => {
      const there = through(W, p), back = through(lab.transpose(W), p);
      return [modes[i].a / Math.hypot(...A[i]), modes[i].w / Math.max(Math.hypot(...there), Math.hypot(...back))];
    });
    /* The three matrices in the modes' own directions: what is off their diagonals couples them. */
    const Pm = lab.transpose(P);
    return { modes, cosines, inModes: { A: lab.product(A, Pm), W: lab.product(lab.transpose(Pm), W, Pm), B: lab.product(lab.transpose(Pm), B) } };
  }

  function solve({ rule, u, v, p, q }) {
    const net = aligned(MODES, { u, v, p, q });
    return { at: { net, rule: RULES[rule]() }, step: 0, seen: [noted(net)] };
  }

  const noted = net => ({ net, ...read(net), loss: lab.loss(net, TEACHER) });

  function grow(run, time, go) {
    while (run.at && run.step < Math.min(time, STEPS)) {
      if (!go()) return false;
      run.at = lab.trainingStep(run.at, TEACHER, { rate: 0.02 });
      run.step++;
      if (run.at && run.step % EVERY === 0) run.seen.push(noted(run.at.net));
    }
    return true;
  }

  const shown = ({ time }, { seen }) => seen.slice(0, 1 + Math.min(seen.length - 1, Math.floor(time / EVERY)));

  lab.panel("alignment", {
    title: "Alignment by hand",
    controls: [
      lab.slider("u", "turn U, of the readout", -90, 90, 0, { step: 5, unit: "°" }),
      lab.slider("v", "turn V, of the input", -90, 90, 0, { step: 5, unit: "°" }),
      lab.slider("p", "turn P, of all hidden units", -90, 90, 0, { step: 5, unit: "°" }),
      lab.slider("q", "turn P of W alone", -90, 90, 30, { step: 5, unit: "°" }),
      lab.choice("rule", "then learn by", Object.fromEntries(Object.keys(RULES).map(name => [name, name]))),
    ],
    time: { until: STEPS, seconds: 8, label: "step of learning" },
    views: {
      response: { label: "Response of both output modes to a pulse in the first input mode", width: 320 },
      cosines: { label: "Alignment over the steps of learning", width: 320 },
      A: { label: "Readout A in the modes' directions", width: 120, height: 130, small: true },
      W: { label: "Recurrent weights in the modes' directions", width: 120, height: 130, small: true },
      B: { label: "Input weights in the modes' directions", width: 120, height: 130, small: true },
    },
    solve,
    grow,

    draw({ response, cosines, ...images }, state, run) {
      const seen = shown(state, run), last = seen.at(-1);
      response.axes({ x: [0, LAGS - 1], y: [-0.6, 1.1], xlabel: "steps after a pulse into mode 1", ylabel: "output" });
      const curve = (net, i) => lab.impulseResponse(net, LAGS).map((K, k) => [k, K[i][0]]);
      response.line(curve(TEACHER, 0), { kind: "target", label: "teacher" });
      response.line(curve(TEACHER, 1), { kind: "target" });
      response.line(curve(last.net, 0), { label: "output mode 1" });
      response.line(curve(last.net, 1), { kind: "other", label: "output mode 2" });
      cosines.axes({ x: [0, STEPS], y: [0, 1.05], xlabel: "step of learning", ylabel: "|cosine|" });
      for (const [i, kind] of [[0, ""], [1, "other"]]) {
        const line = seen.map(({ cosines: c }, t) => [t * EVERY, Math.abs(c[i][0])]), own = seen.map(({ cosines: c }, t) => [t * EVERY, Math.abs(c[i][1])]);
        cosines.line(own, { kind: `${kind} thin`, label: kind ? undefined : "cosine of the recurrent weights" });
        cosines.line(line, { kind });
        cosines.dots([line.at(-1), own.at(-1)], {});
      }
      for (const [name, view] of Object.entries(images)) {
        view.axes({ x: [0, 2], y: [0, 2], bare: true, equal: true, xlabel: name });
        view.image(last.inModes[name], lab.diverging(1));
        last.inModes[name].forEach((row, i) => row.forEach((value, j) => view.text(j + 0.5, 1.42 - i, lab.number(value, 2), { anchor: "middle", kind: "on-image" })));
      }
    },

    say(state, run) {
      const seen = shown(state, run), { loss, inModes, cosines } = seen.at(-1), off = Math.max(...Object.values(inModes).map(X => Math.max(Math.abs(X[0][1]), Math.abs(X[1][0]))));
      const words = off < 1e-6 ? "The modes are decoupled" : `The modes are coupled: the largest entry off a diagonal is ${lab.number(off, 2)}`;
      return `Step ${(seen.length - 1) * EVERY}: loss ${lab.number(loss)}. ${words}. Cosines of readout and input ${cosines.map(c => lab.number(c[0], 2)).join(" and ")}; of the recurrent weights ${cosines.map(c => lab.number(c[1], 2)).join(" and ")}.`;
    },

    table(state, run) {
      const { modes, cosines } = shown(state, run).at(-1);
      return { head: ["mode", "a", "b", "w", "cosine, readout and input", "cosine, recurrent"], rows: modes.map(({ a, b, w }, i) => [i + 1, a, b, w, ...cosines[i]]) };
    },
  });
})();
