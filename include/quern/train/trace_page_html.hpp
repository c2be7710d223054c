/// The page of write_trace_page: everything but the numbers. Inline style and script, nothing from elsewhere.
///
///   detail::trace_page_html          // …<script type="application/json" id="trace">, the JSON goes here, …
///   detail::trace_page_html_end      // the script that shows it
#pragma once
#include <quern/base/config.hpp>

namespace quern::inline QUERN_ABI::detail {

// The JSON: {title, note, cut, ops: [{n, l, w, i, o, f, g, d}], values: [{n, k, t, s, op, v}], formulas: {op: text}};
// an op's name, layer, place in the backward pass, inputs, output, label, gradient, gradients of inputs; a value's
// name, kind (p, c, r), type, shape, maker and summary. A summary is [min, max, mean, norm, not finite, first…].
inline constexpr const char* trace_page_html = R"html(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>A training step, op by op</title>
<style>
:root { --line: #c9ced6; --ink: #1d2430; --soft: #5d6878; --back: #f5f6f8; --card: #fff; --now: #1f5fbf; --fwd: #e3edfb;
  --grad: #fbe9d7; --gradline: #b8641a; color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; height: 100vh; display: grid; grid: auto 1fr / minmax(20rem, 1fr) minmax(24rem, 1.2fr); color: var(--ink);
  background: var(--back); font: 14px/1.4 system-ui, sans-serif; }
header { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: .4rem .6rem; align-items: center; padding: .5rem .8rem;
  background: var(--card); border-bottom: 1px solid var(--line); }
h1 { font-size: 1rem; margin: 0 .5rem 0 0; } #note { color: var(--soft); flex: 1 1 12rem; overflow-wrap: anywhere; }
button, input { font: inherit; padding: .2rem .6rem; border: 1px solid var(--line); border-radius: 4px;
  background: var(--card); color: inherit; }
button:hover:enabled { border-color: var(--now); } button:disabled { color: #a9b0bb; }
#where { min-width: 11rem; white-space: nowrap; font-variant-numeric: tabular-nums; } #find { flex: 0 1 11rem; min-width: 6rem; }
#graph { overflow: auto; border-right: 1px solid var(--line); } #detail { overflow: auto; padding: .8rem 1rem; }
svg { display: block; margin: 0 auto; } svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .small { font-size: 10.5px; fill: var(--soft); } svg .node { cursor: pointer; }
svg rect { fill: var(--card); stroke: var(--line); } svg .done rect { fill: var(--fwd); stroke: #9dbbe6; }
svg .back rect { fill: var(--grad); stroke: #dcae80; } svg .now rect { stroke: var(--now); stroke-width: 3; }
svg .node:hover rect { stroke: var(--now); } svg path { fill: none; stroke: #aab2be; stroke-width: 1.3; }
svg path.in { stroke: var(--now); stroke-width: 2.4; } svg path.out { stroke: var(--gradline); stroke-width: 2.4; }
h2 { font-size: 1.1rem; margin: 0; } .layer { color: var(--soft); font-weight: normal; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 4px; padding: .5rem .7rem;
  white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; margin: .6rem 0; }
.card { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--line); border-radius: 4px;
  padding: .4rem .7rem; margin: .5rem 0; overflow-wrap: anywhere; }
.card.value { border-left-color: #9dbbe6; } .card.gradient { border-left-color: #dcae80; background: #fffaf4; }
.card b { font-weight: 600; } .card .shape { color: var(--soft); margin-left: .4rem; }
.numbers { white-space: pre-wrap; font: 12.5px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; font-variant-numeric: tabular-nums; }
.numbers i { font-style: normal; color: var(--soft); } .bad { color: #b00020; font-weight: 600; }
h3 { font-size: .8rem; margin: .9rem 0 .2rem; color: var(--soft); text-transform: uppercase; letter-spacing: .04em; }
@media (max-width: 800px) { body { grid: auto 40vh 1fr / 1fr; } #graph { border-right: 0; border-bottom: 1px solid var(--line); }
  #where { min-width: 0; } #find { flex: 1 1 6rem; } }
</style></head><body>
<header><h1 id="title"></h1><span id="note"></span>
<span><button id="first" title="Home">« first</button> <button id="back" title="Left arrow">◀ back</button>
<button id="next" title="Right arrow">next ▶</button> <button id="last" title="End">last »</button></span>
<span id="where"></span><input id="find" placeholder="layer or op, Enter" aria-label="Find a layer or an op"></header>
<div id="graph"></div><div id="detail"></div>
<script type="application/json" id="trace">)html";

inline constexpr const char* trace_page_html_end = R"html(</script>
<script>
'use strict';
const T = JSON.parse(document.getElementById('trace').textContent), $ = id => document.getElementById(id);
const NS = 'http://www.w3.org/2000/svg', W = 200, H = 54, GX = 26, GY = 30;
const make = (tag, text, cls) => { const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text; if (cls) e.className = cls; return e; };
const draw = (tag, attributes, parent, text) => { const e = document.createElementNS(NS, tag);
  for (const k in attributes) e.setAttribute(k, attributes[k]); if (text !== undefined) e.textContent = text;
  parent.append(e); return e; };
const short = (s, n) => s.length > n ? s.slice(0, n - 1) + '…' : s;
const shape = v => v.t + ' [' + v.s.join(', ') + ']';

// Steps: every op forward, then those that backward ran, in its order.
const steps = T.ops.map((_, i) => ({ op: i, back: false }));
T.ops.map((o, i) => i).filter(i => T.ops[i].w >= 0).sort((a, b) => T.ops[a].w - T.ops[b].w)
  .forEach(i => steps.push({ op: i, back: true }));
let at = 0;

// Rows by the longest way from an input; an edge over several rows gets a place in each of them.
const nodes = [], edges = [], rows = [];
const place = (row, node) => { (rows[row] ||= []).push(node); node.row = row; return node; };
T.ops.forEach((op, i) => {
  const from = [...new Set(op.i.map(v => T.values[v].op))].filter(o => o >= 0);
  nodes[i] = place(from.length ? 1 + Math.max(...from.map(o => nodes[o].row)) : 0, { op: i, w: W, up: [] });
  for (const o of from) {
    const edge = { from: o, to: i, via: [nodes[o]] };
    for (let r = nodes[o].row + 1; r < nodes[i].row; ++r) {
      const bend = place(r, { op: -1, w: 14, up: [edge.via[edge.via.length - 1]] });
      edge.via.push(bend);
    }
    nodes[i].up.push(edge.via[edge.via.length - 1]);
    edge.via.push(nodes[i]); edges.push(edge);
  }
});
const rowWidth = r => r.reduce((s, n) => s + n.w + GX, -GX);
const widest = Math.max(W, ...rows.map(rowWidth));
rows.forEach(row => {
  const centre = n => n.up.length ? n.up.reduce((s, u) => s + u.x, 0) / n.up.length : 0;
  if (row !== rows[0]) row.sort((a, b) => centre(a) - centre(b));
  let x = (widest - rowWidth(row)) / 2;
  for (const n of row) { n.x = x + n.w / 2; n.y = n.row * (H + GY); x += n.w + GX; }
});
const across = widest + 24, down = rows.length * (H + GY) + 10;
const scale = Math.max(.7, Math.min(1, ($('graph').clientWidth - 16) / across));  // a little smaller, where that fits
const svg = draw('svg', { width: across * scale, height: down * scale, viewBox: `-12 -12 ${across} ${down}`,
  role: 'img', 'aria-label': 'graph of the ops' }, $('graph'));
for (const e of edges) {
  let d = `M${e.via[0].x},${e.via[0].y + H}`;
  for (let k = 1; k < e.via.length; ++k) {
    const a = e.via[k - 1], b = e.via[k], y0 = a.y + H, y1 = b.y;
    d += `C${a.x},${y0 + GY * .6} ${b.x},${y1 - GY * .6} ${b.x},${y1}`;
    if (b.op < 0) d += `V${b.y + H}`;
  }
  e.path = draw('path', { d }, svg);
}
T.ops.forEach((op, i) => {
  const n = nodes[i], g = draw('g', { class: 'node', transform: `translate(${n.x - W / 2},${n.y})` }, svg);
  draw('rect', { width: W, height: H, rx: 5 }, g);
  draw('title', {}, g, op.f + (op.l ? ' (' + op.l + ')' : ''));
  draw('text', { x: 8, y: 17 }, g, op.f.length > 28 ? short(op.n, 24) + ' ' + op.f.split(' ').pop() : op.f);
  [op.l, shape(T.values[op.o])].filter(Boolean)
    .forEach((line, k) => draw('text', { x: 8, y: 32 + 14 * k, class: 'small' }, g, short(line, 34)));
  g.addEventListener('click', () => show(steps.findIndex(s => s.op === i && s.back === (steps[at].back && op.w >= 0))));
  n.g = g;
});

const number = x => typeof x === 'string' ? x : x === 0 ? '0' : Math.abs(x) >= 1e5 || Math.abs(x) < 1e-3
  ? x.toExponential(3) : String(+x.toPrecision(4));
function card(name, value, summary, kind) {
  const e = make('div', undefined, 'card ' + kind), line = make('div');
  line.append(make('b', name), make('span', shape(value), 'shape'));
  const [min, max, mean, norm, bad, ...first] = summary, size = value.s.reduce((a, b) => a * b, 1);
  const numbers = make('div', undefined, 'numbers');
  if (size > 1) for (const [k, x] of [['min', min], ['max', max], ['mean', mean], ['norm', norm]])
    numbers.append(make('i', k + '\u00a0'), number(x) + '  ');
  if (bad) numbers.append(make('span', bad + ' not finite', 'bad'));
  const elements = make('div', first.map(number).join('  ') + (size > first.length ? '\u00a0…' : ''), 'numbers');
  e.append(line, numbers, elements);
  return e;
}
function show(step) {
  at = Math.max(0, Math.min(steps.length - 1, step));
  const { op: i, back } = steps[at], op = T.ops[i], n = T.ops.length, box = $('detail');
  $('where').textContent = back ? `backward ${at - n + 1} of ${steps.length - n}` : `forward ${at + 1} of ${n}`;
  $('first').disabled = $('back').disabled = at === 0; $('next').disabled = $('last').disabled = at === steps.length - 1;
  nodes.forEach(node => { if (node.g) node.g.setAttribute('class', 'node'); });
  steps.forEach((s, k) => { if (k <= at) nodes[s.op].g.setAttribute('class', 'node ' + (s.back ? 'back' : 'done')); });
  nodes[i].g.classList.add('now');
  for (const e of edges) e.path.setAttribute('class', e.to === i ? (back ? 'out' : 'in') : '');
  box.replaceChildren();
  const head = make('h2', op.f); if (op.l) head.append(make('span', '  ' + op.l, 'layer'));
  box.append(head);
  if (T.formulas[op.n]) box.append(make('pre', T.formulas[op.n]));
  const list = (title, cards) => { if (cards.length) box.append(make('h3', title), ...cards); };
  const input = v => { const x = T.values[v];
    return card(x.n + (x.k === 'p' ? ' (parameter)' : x.k === 'c' ? ' (constant)' : ''), x, x.v, 'value'); };
  if (back) {
    list('gradient in', [card('∂loss / ∂(' + op.f + ')', T.values[op.o], op.g, 'gradient')]);
    list('gradients out', op.i.flatMap((v, k) =>
      op.d[k] ? [card('∂loss / ∂(' + T.values[v].n + ')', T.values[v], op.d[k], 'gradient')] : []));
  }
  list('inputs', op.i.map(input));
  list('result', [card(op.f, T.values[op.o], T.values[op.o].v, 'value')]);
  if (!back && op.w < 0) box.append(make('p', 'No gradient of the loss came through here.', 'layer'));
  const pane = $('graph'), node = nodes[i];
  pane.scrollTo((node.x + 12) * scale - pane.clientWidth / 2,
    (node.y + 12 + H / 2) * scale - pane.clientHeight / 2);
  box.scrollTop = 0;
}
$('title').textContent = T.title;
$('note').textContent = T.note + (T.cut ? ` The first ${T.ops.length} of ${T.ops.length + T.cut} ops.` : '');
$('first').onclick = () => show(0); $('back').onclick = () => show(at - 1);
$('next').onclick = () => show(at + 1); $('last').onclick = () => show(steps.length - 1);
$('find').onkeydown = e => { e.stopPropagation(); if (e.key !== 'Enter') return;
  for (let k = 1; k <= steps.length; ++k) { const s = (at + k) % steps.length, o = T.ops[steps[s].op];
    if ((o.l + ' ' + o.f).includes(e.target.value)) return show(s); } };
document.addEventListener('keydown', e => { const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0,
  End: steps.length - 1 }[e.key]; if (to !== undefined) { e.preventDefault(); show(to); } });
const asked = /^#(\d+)$/.exec(location.hash);
if (steps.length) show(asked ? +asked[1] - 1 : 0);
</script></body></html>
)html";

}  // namespace quern::inline QUERN_ABI::detail
