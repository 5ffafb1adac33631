// Charts, and what they have to do with the experiments. It writes text, never markup.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const [N, STATUS, PROPOSER, FILES, METRIC, , , , SECONDS, , EXPECTED, GAIN] = Array(12).keys();
  const root = document.documentElement;
  const at = (id) => document.getElementById(id);
  const rows = data.rows.map((values) => ({ values, tr: at("e" + values[N]), shown: true }));
  const byNumber = new Map(rows.map((row) => [row.values[N], row]));
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
  const label = (value) => (value === null ? "-" : String(Number(value.toPrecision(6))));
  const percent = (share) => (share === null ? "" : (share >= 0 ? "+" : "") + (share * 100).toPrecision(2) + " %");
  // --- the progress chart ---
  const points = data.points;
  const [low, high] = data.range;
  const worse = data.minimize ? high : low;
  const place = (p) => (p[3] === null ? worse : Math.min(high, Math.max(low, p[3])));
  const visible = (p) => p[1] === null || byNumber.get(p[1])?.shown;
  const off = (p) => p[3] === null || p[3] < low || p[3] > high;
  const best = () => {
    let now = null;
    return points.map((p) => {
      if (p[3] !== null && p[2] < 2) now = p[3];
      return now;
    });
  };
  const kind = (wanted) => points.map((p) => (visible(p) && !off(p) && wanted.includes(p[2]) ? p[3] : null));
  const series = () => [
    points.map((p) => p[0]),
    best(),
    kind([0, 1]),
    kind([2]),
    kind([3]),
    points.map((p) => (visible(p) && off(p) ? place(p) : null)),
  ];
  const dots = (name, shade, size, hollow) => ({
    label: name,
    paths: () => null,
    stroke: () => colour(shade),
    points: { show: true, size, width: 1.5, stroke: () => colour(shade), fill: () => colour(hollow ? "page" : shade) },
  });
  const axis = (extra) => ({
    stroke: () => colour("soft"),
    grid: { stroke: () => colour("line"), width: 1 },
    ticks: { stroke: () => colour("line"), width: 1 },
    ...extra,
  });
  const bars = (u) => {
    const { ctx } = u;
    const room = u.bbox.width / (u.scales.x.max - u.scales.x.min + 1);
    ctx.save();
    ctx.beginPath();
    ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    ctx.clip();
    for (const p of points) {
      if (p[4] === null || !visible(p)) continue;
      ctx.strokeStyle = colour(p[2] === 1 ? "kept" : "other");
      ctx.globalAlpha = Math.max(0.1, Math.min(0.55, room / 8));
      ctx.beginPath();
      const x = u.valToPos(p[0], "x", true);
      ctx.moveTo(x, u.valToPos(p[4], "y", true));
      ctx.lineTo(x, u.valToPos(p[5], "y", true));
      ctx.stroke();
    }
    ctx.restore();
  };
  const chart = at("chart");
  const tip = make("div", "", "tip");
  const ring = make("div", "", "ring");
  tip.hidden = ring.hidden = true;
  const about = (p) => {
    const row = byNumber.get(p[1]);
    if (!row) return [`#${p[0]} of an earlier run`, p[6] || "", "", ""];
    const values = row.values;
    const gain = percent(values[GAIN]);
    const head = `#${values[N]} ${row.tr.cells[1].textContent} ${label(values[METRIC])}${gain && ` (gain ${gain})`}`;
    const diff = row.tr.querySelector(".diff")?.textContent ?? "";
    const lines = diff.split("\n").filter((line) => /^[-+](?!--|\+\+)/.test(line));
    const why = row.tr.querySelector(".reason")?.textContent ?? "";
    return [head, row.tr.querySelector("summary").textContent, why, lines.slice(0, 9).join("\n")];
  };
  let current = null;
  const hover = (u) => {
    const { idx, left, top } = u.cursor;
    const p = idx === null || idx === undefined ? null : points[idx];
    tip.hidden = !p || !visible(p) || left < 0;
    ring.hidden = tip.hidden;
    current = tip.hidden ? null : p;
    if (tip.hidden) return;
    const [head, words, why, diff] = about(p);
    tip.replaceChildren(make("b", head), make("div", words), make("div", why, "why"));
    if (diff) tip.append(make("pre", diff));
    const x = u.valToPos(p[0], "x") + u.over.offsetLeft;
    const [right, narrow] = [x > chart.clientWidth / 2, chart.clientWidth < 640];
    tip.style.left = narrow ? "4px" : right ? "auto" : x + 14 + "px";
    tip.style.right = narrow ? "4px" : right ? chart.clientWidth - x + 14 + "px" : "auto";
    ring.style.left = u.valToPos(p[0], "x") + "px";
    ring.style.top = u.valToPos(place(p), "y") + "px";
    tip.style.top = narrow ? u.over.offsetHeight + 30 + "px" : Math.max(4, Math.min(top, 140)) + "px";
  };
  const open = (p) => {
    const row = p && byNumber.get(p[1]);
    if (!row) return;
    document.querySelector("tr.here")?.classList.remove("here");
    row.tr.classList.add("here");
    row.tr.querySelector("details").open = true;
    row.tr.scrollIntoView({ block: "center" });
    row.tr.querySelector("summary").focus({ preventScroll: true });
  };
  const width = (box) => Math.max(240, box.clientWidth - 8);
  const height = (box) => Math.round(Math.min(460, Math.max(280, box.clientWidth * 0.45)));
  const whole = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];
  const plot = new uPlot(
    {
      width: width(chart),
      height: height(chart),
      scales: { x: { time: false }, y: { range: () => [low, high] } },
      cursor: { y: false, points: { show: false } },
      legend: { live: false, markers: { fill: (u, i) => (i === 1 ? "transparent" : u.series[i].points.fill(u, i)) } },
      axes: [axis({ label: "experiment", labelSize: 22, incrs: whole }), axis({ size: 70, label: data.metric, labelSize: 22, ...(data.whole && { incrs: whole }) })],
      series: [
        {},
        { label: "running best", stroke: () => colour("kept"), width: 2, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } },
        dots("kept", "kept", 9),
        dots("not kept", "other", 6),
        dots("guard failed", "guarded", 7, true),
        dots("crashed, not measured or off the scale", "crash", 6, true),
      ],
      hooks: { setCursor: [hover], drawAxes: [bars] },
    },
    series(),
    chart,
  );
  chart.append(tip);
  plot.over.append(ring);
  plot.over.addEventListener("click", () => open(current));
  chart.addEventListener("keydown", (event) => {
    if (event.key === "Enter") return open(current);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") plot.setCursor({ left: -10, top: -10 });
    if (!step) return;
    event.preventDefault();
    let i = current ? points.indexOf(current) + step : step > 0 ? 0 : points.length - 1;
    while (points[i] && !visible(points[i])) i += step;
    if (!points[i]) return;
    plot.setCursor({ left: plot.valToPos(points[i][0], "x"), top: plot.valToPos(place(points[i]), "y") });
    at("said").textContent = about(points[i]).slice(0, 3).filter(Boolean).join(": ");
  });

  // --- the small charts ---
  const small = [];
  const draw = (name, options, values) => {
    const box = document.querySelector(`[data-chart=${name}]`);
    if (!box) return;
    if (values[0].length < 2) return void box.remove();
    const scales = { x: { time: false } };
    small.push([box, new uPlot({ width: width(box), height: 240, scales, legend: { show: false }, cursor: { drag: { x: false } }, ...options }, values, box)]);
  };
  const foreseen = rows.map((row) => row.values).filter((v) => v[EXPECTED] !== null && v[GAIN] !== null);
  foreseen.sort((a, b) => a[EXPECTED] - b[EXPECTED]);
  draw(
    "expected",
    {
      axes: [axis({ label: "expected gain, %", labelSize: 20 }), axis({ label: "measured gain, %", labelSize: 20, size: 60 })],
      series: [{}, { stroke: () => colour("line"), width: 1, dash: [5, 5], points: { show: false } }, dots("measured", "kept", 7)],
    },
    [foreseen.map((v) => v[EXPECTED] * 100), foreseen.map((v) => v[EXPECTED] * 100), foreseen.map((v) => v[GAIN] * 100)],
  );
  let spent = 0;
  const own = points.filter((p) => p[1] !== null);
  const seconds = own.map((p) => (spent += byNumber.get(p[1])?.values[SECONDS] ?? 0));
  const [unit, size] = spent > 7200 ? ["hours", 3600] : spent > 120 ? ["minutes", 60] : ["seconds", 1];
  const held = best().slice(points.length - own.length);
  draw(
    "spent",
    {
      axes: [axis({ label: `${unit} of the run`, labelSize: 20 }), axis({ label: data.metric, labelSize: 20, size: 70 })],
      series: [{}, { stroke: () => colour("kept"), width: 2, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } }],
    },
    [seconds.map((value) => value / size), held],
  );
  new ResizeObserver(() => {
    // The observer also calls when nothing has changed, and a new size takes the cursor away.
    if (plot.width !== width(chart)) plot.setSize({ width: width(chart), height: height(chart) });
    for (const [box, each] of small) if (each.width !== width(box)) each.setSize({ width: width(box), height: 240 });
  }).observe(document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const each of [plot, ...small.map((pair) => pair[1])]) each.redraw();
  });

  // --- the experiments ---
  const chosen = (row, select) => {
    const value = row.values[{ status: STATUS, proposer: PROPOSER, file: FILES }[select.id]];
    return select.id === "file" ? value.includes(+select.value) : value === +select.value;
  };
  const value = (row, cell, head) => (+head.dataset.column >= 0 ? row.values[head.dataset.column] : row.tr.cells[cell].textContent);
  const changed = () => {
    plot.setData(series(), false);
    plot.redraw(false);
  };
  listing(at("table"), rows, { chosen, value, changed });
  document.addEventListener(
    "toggle",
    (event) => {
      const pre = event.target.querySelector?.(".diff");
      if (!pre || pre.firstElementChild) return;
      const shade = (line) => (/^\+(?!\+\+)/.test(line) ? "plus" : /^-(?!--)/.test(line) ? "minus" : "");
      pre.replaceChildren(...pre.textContent.split("\n").map((line) => make("span", line || " ", shade(line))));
    },
    true,
  );

  // --- pictures ---
  const save = (href, name) => {
    const link = make("a");
    link.href = href;
    link.download = name;
    link.click();
  };
  at("svg").addEventListener("click", () => save(at("still").src, "progress.svg"));
  at("png").addEventListener("click", () => {
    const canvas = make("canvas");
    [canvas.width, canvas.height] = [2400, 1280];
    canvas.getContext("2d").drawImage(at("still"), 0, 0, 2400, 1280);
    save(canvas.toDataURL("image/png"), "progress.png");
  });
})();
