/* The loss sees what a network does and not how: hidden units may be turned, stretched and added, and only the response counts. */

(() => {
  "use strict";

  const LAGS = 20, ANGLES = 120, POLES = [0.85, -0.5];
  const TEACHER = lab.network([[1, 0.6]], lab.diagonal(POLES), [[1], [1]]);

  /* The change of basis M: turned, then stretched along the first unit. Units that do not matter stay as they are. */
  function basis({ turn, stretch }, units) {
    const c = Math.cos((turn * Math.PI) / 180), s = Math.sin((turn * Math.PI) / 180), M = lab.eye(units);
    M[0][0] = stretch * c;
    M[0][1] = -stretch * s;
    M[1][0] = s;
    M[1][1] = c;
    return M;
  }

  function solve(state) {
    const { pole, unheard, deaf } = state, units = 2 + unheard + deaf;
    const A = [[1, 0.6]], B = [[1], [1]], W = lab.zeros(units);
    W[0][0] = pole;
    W[1][1] = POLES[1];
    if (unheard) {  // it listens to all, and nobody listens to it
      A[0].push(0);
      B.push([1]);
      W[2] = W[2].map((_, j) => (j < 2 ? 0.7 : j === 2 ? -0.6 : 0));
    }
    if (deaf) {  // all listen to it, and it hears nothing
      const at = units - 1;
      A[0].push(0.9);
      B.push([0]);
      W.forEach((row, i) => { row[at] = i === at ? 0.6 : 0.5; });
    }
    const M = basis(state, units), back = lab.solve(M, lab.eye(units));
    const net = lab.network(lab.product(A, back), lab.product(M, W, back), lab.product(M, B));
    const response = lab.impulseResponse(net, LAGS).map(K => K[0][0]), gain = Array.from({ length: ANGLES + 1 }, (_, i) => amplification(net, (Math.PI * i) / ANGLES));
    return { net, response, gain, loss: lab.loss(net, TEACHER) };
  }

  /* |H(e^{i omega})|, H(z) = A (I - z W)^{-1} B: the real and imaginary part of the state solve one real system. */
  function amplification({ A, W, B }, omega) {
    const n = W.length, cos = lab.scaled(Math.cos(omega), W), sin = lab.scaled(Math.sin(omega), W), I = lab.eye(n);
    const real = lab.minus(I, cos), rows = [...real.map((row, i) => [...row, ...sin[i]]), ...real.map((row, i) => [...lab.scaled(-1, sin)[i], ...row])];
    const state = lab.solve(rows, [...B, ...lab.zeros(n, 1)]);
    return Math.hypot(...[state.slice(0, n), state.slice(n)].map(part => lab.product(A, part)[0][0]));
  }

  const ofTeacher = {
    response: lab.impulseResponse(TEACHER, LAGS).map(K => K[0][0]),
    gain: Array.from({ length: ANGLES + 1 }, (_, i) => amplification(TEACHER, (Math.PI * i) / ANGLES)),
  };

  lab.panel("what-the-loss-sees", {
    title: "What the loss sees",
    controls: [
      lab.slider("turn", "turn the hidden units", -180, 180, 0, { step: 5, unit: "°" }),
      lab.slider("stretch", "stretch the first", 0.2, 5, 1, { log: true }),
      lab.slider("pole", "memory of the first mode", -0.95, 0.95, POLES[0], { step: 0.05 }),
      lab.toggle("unheard", "add a unit that nobody hears"),
      lab.toggle("deaf", "add a unit that hears nothing"),
    ],
    views: {
      A: { label: "Readout A", width: 120, height: 130, small: true },
      W: { label: "Recurrent weights W", width: 120, height: 130, small: true },
      B: { label: "Input weights B", width: 120, height: 130, small: true },
      response: { label: "Impulse response of student and teacher", width: 320 },
      gain: { label: "Transfer function of student and teacher", width: 320 },
    },
    still: { turn: 40, stretch: 2 },
    solve,

    draw({ response, gain, ...images }, _, found) {
      for (const [name, view] of Object.entries(images)) {
        const X = found.net[name], rows = X.length, columns = X[0].length, side = Math.max(rows, columns);
        view.axes({ x: [0, side], y: [0, side], bare: true, equal: true, xlabel: name });
        view.image(lab.zeros(side).map((row, i) => row.map((_, j) => X[i]?.[j] ?? 0)), lab.diverging(1.5));
        X.forEach((row, i) => row.forEach((value, j) => view.text(j + 0.5, side - 0.6 - i, lab.number(value, 2), { anchor: "middle", kind: "on-image" })));
      }
      const over = (values, x) => values.map((value, i) => [x(i), value]);
      response.axes({ x: [0, LAGS - 1], y: [-0.8, 1.8], xlabel: "steps after a pulse", ylabel: "response" });
      gain.axes({ x: [0, Math.PI], y: [0, 8], xlabel: "frequency (radians a step)", ylabel: "|H|" });
      response.line(over(found.response, k => k), { label: "student", kind: "thin" });
      response.dots(over(ofTeacher.response, k => k), { kind: "hollow", label: "teacher: dotted, hollow" }, 3);
      gain.line(over(found.gain, i => (Math.PI * i) / ANGLES), { kind: "thin" });
      gain.line(over(ofTeacher.gain, i => (Math.PI * i) / ANGLES), { kind: "target" });
    },

    say({ pole }, { net, loss }) {
      const same = loss < 1e-20;
      return `A student of ${net.W.length} hidden units, the weight from the first unit to itself ${lab.number(net.W[0][0], 2)}. ${same ? "Its response and its transfer function are the teacher's, and the loss is 0." : `It does something else than the teacher; the loss is ${lab.number(loss)}.`}`;
    },

    table: (_, { response }) => ({ head: ["steps after the pulse", "student", "teacher"], rows: response.map((value, k) => [k, value, ofTeacher.response[k]]) }),
  });
})();
