// The console's behaviour: it asks the admin API for what it shows and does nothing else. No framework, no build, nothing
// from elsewhere. Text goes in as text, never as markup: names come from configurations and origins.

const $ = (id) => document.getElementById(id);

function el(tag, props = {}, ...children) {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
}

async function get(path) {
  const response = await fetch(new URL(path, location.origin), {
    cache: 'no-store',
    signal: AbortSignal.timeout(5000),
  });
  const body = await response.json();
  if (body.error) throw Object.assign(new Error(body.error.message), { status: response.status });
  return body;
}

const number = (digits) => (value) =>
  value === null || value === undefined ? '–' : value.toLocaleString('en', { maximumFractionDigits: digits });
const ms = (value) =>
  value === null ? '–' : value.toLocaleString('en', { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const count = number(0);
const percent = (ratio) => `${(100 * ratio).toLocaleString('en', { maximumFractionDigits: 1 })} %`;

function ago(iso) {
  const seconds = Math.max(0, (Date.now() - Date.parse(iso)) / 1000);
  for (const [unit, size] of [
    ['d', 86400],
    ['h', 3600],
    ['min', 60],
  ]) {
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

// A column: title, how a row is shown (text, or {text, bar, class, title}), class of its cells.
const state = (e) => ({ text: e.state, class: `state ${e.state}` });
const ENDPOINTS = [
  ['Endpoint', (e) => ({ text: e.id, title: e.url })],
  ['State', state],
  ['Pool', (e) => e.pool],
  ['Region', (e) => e.region ?? '–'],
  ['RTT ms', (e) => ms(e.networkMs), 'num'],
  ['Server ms', (e) => ms(e.serverMs), 'num'],
  ['Score ms', (e) => ms(e.scoreMs), 'num'],
  ['In flight', (e) => count(e.inflight), 'num'],
  ['Requests/s', (e) => number(1)(e.requestsPerSecond), 'num'],
  ['Share of pool', (e) => ({ text: percent(e.share), bar: e.share }), 'share'],
  ['Since', (e) => ({ text: ago(e.since), title: e.since, class: 'since' })],
  ['Why', (e) => e.why, 'why'],
];
const CANDIDATES = [
  ['Endpoint', (c) => ({ text: c.id, title: c.url })],
  ['State', (c) => ({ ...state(c), title: c.why })],
  ['Region', (c) => c.region ?? '–'],
  ['Distance km', (c) => count(c.distanceKm), 'num'],
  ['Prior ms', (c) => ms(c.priorMs), 'num'],
  ['Network ms', (c) => ms(c.networkMs), 'num'],
  ['Server ms', (c) => ms(c.serverMs), 'num'],
  ['In flight', (c) => count(c.inflight), 'num'],
  ['Errors', (c) => percent(c.errorRatio), 'num'],
  ['Cost ms', (c) => ms(c.costMs), 'num'],
  ['Score ms', (c) => ms(c.scoreMs), 'num'],
  ['Role', (c) => ({ text: c.role, class: c.role })],
  ['Share', (c) => ({ text: percent(c.share), bar: c.share }), 'share'],
];
const ROUTES = [
  ['Route', (r) => r.name],
  ['Host', (r) => r.host ?? 'any'],
  ['Path', (r) => (r.exact ? `= ${r.path}` : `${r.path}…`)],
  ['Listener', (r) => r.listener ?? 'all'],
  ['Leads to', (r) => (r.pool === null ? `answers ${r.respond}` : `pool ${r.pool}`)],
  ['Policy', (r) => r.policy ?? '–'],
];

/** Cells are changed in place, so that a selection, a focus and the bars' movement outlive an update. */
function show(table, columns, rows, isChosen = () => false) {
  if (!table.tHead) {
    const heads = columns.map(([title, , kind]) =>
      el('th', { scope: 'col', className: kind ?? '', textContent: title }),
    );
    table.append(el('thead', {}, el('tr', {}, ...heads)), el('tbody'));
  }
  const body = table.tBodies[0];
  if (rows.length === 0) {
    body.replaceChildren(el('tr', {}, el('td', { className: 'empty', colSpan: columns.length, textContent: 'none' })));
    return;
  }
  if (body.querySelector('.empty')) body.replaceChildren();
  while (body.rows.length > rows.length) body.lastElementChild.remove();
  rows.forEach((row, r) => {
    const line =
      body.rows[r] ?? body.appendChild(el('tr', {}, ...columns.map(() => el('td', {}, el('i'), el('span')))));
    line.className = isChosen(row) ? 'chosen' : '';
    columns.forEach(([, give, kind], c) => {
      fill(line.cells[c], give(row), kind ?? '');
    });
  });
}

function fill(cell, given, kind) {
  const { text, title = '', class: name = '', bar = 0 } = typeof given === 'string' ? { text: given } : given;
  const [strip, span] = cell.children;
  if (cell.className !== kind) cell.className = kind;
  if (span.textContent !== text) span.textContent = text;
  if (span.className !== name) span.className = name;
  cell.title = title;
  strip.style.width = `${100 * bar}%`;
}

function withShares(endpoints) {
  const totals = new Map();
  for (const e of endpoints) totals.set(e.pool, (totals.get(e.pool) ?? 0) + e.requestsPerSecond);
  return endpoints
    .map((e) => ({ ...e, share: totals.get(e.pool) > 0 ? e.requestsPerSecond / totals.get(e.pool) : 0 }))
    .sort((a, b) => a.pool.localeCompare(b.pool) || (a.scoreMs ?? Infinity) - (b.scoreMs ?? Infinity));
}

function showNode(node) {
  const place = node.location ? `${node.location.latDeg.toFixed(2)}, ${node.location.lonDeg.toFixed(2)}` : 'unknown';
  const facts = { node: node.id, region: node.region ?? place, version: node.version, up: ago(node.startedAt) };
  facts.workers = String(node.workers);
  facts.GeoIP = node.geoip?.built ? node.geoip.built.slice(0, 10) : (node.geoip?.source ?? 'none');
  $('node').replaceChildren(
    ...Object.entries(facts).map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))),
  );
  document.title = `${node.id} · Fermat`;
}

function health(text, kind) {
  $('health').textContent = text;
  $('health').className = `state ${kind}`;
}

async function readiness() {
  const response = await fetch(new URL('/readyz', location.origin), { cache: 'no-store' });
  if (response.ok) return health('ready', 'ready');
  return health(`not ready: ${(await response.json()).error?.message ?? response.status}`, 'warn');
}

let turns = 0;
async function refresh() {
  try {
    show($('endpoints'), ENDPOINTS, withShares(await get('/api/v1/endpoints')));
    if (turns++ % 5 === 0) {
      showNode(await get('/api/v1/node'));
      show($('routes'), ROUTES, await get('/api/v1/routes'));
    }
    await readiness();
  } catch (error) {
    turns = 0;
    health(error.status ? error.message : 'no answer from the node', 'failed');
  }
  // The next one after this one has ended, and none while nobody looks.
  if (document.visibilityState === 'visible') setTimeout(refresh, 2000);
  else document.addEventListener('visibilitychange', refresh, { once: true });
}

async function explain() {
  const query = new URLSearchParams([...new FormData($('explain'))].filter(([, value]) => value !== ''));
  const verdict = $('verdict');
  try {
    const answer = await get(`/api/v1/explain?${query}`);
    const who = [answer.cohort.city, answer.cohort.country].filter(Boolean).join(', ') || 'an unknown place';
    const goal = answer.chosen ? ` and goes to ${answer.chosen}` : answer.note ? '' : ' and goes nowhere';
    const note = answer.note ? `: ${answer.note}` : '';
    const pool = answer.pool ? ` (pool ${answer.pool}, ${answer.policy})` : '';
    verdict.className = '';
    verdict.textContent = `A client from ${who} takes route ${answer.route}${pool}${goal}${note}.`;
    show($('candidates'), CANDIDATES, answer.candidates, (c) => c.id === answer.chosen);
  } catch (error) {
    verdict.className = 'failed';
    verdict.textContent = error.message;
    $('candidates').replaceChildren();
  }
}

function follow() {
  const list = $('events');
  const source = new EventSource('/api/v1/events');
  source.onopen = () => {
    list.replaceChildren(); // the server tells the recent past again
    $('stream').textContent = '';
  };
  source.onerror = () => {
    $('stream').textContent = 'interrupted, coming back …';
    // A refusal (too many clients, a token) ends an EventSource for good; an interruption does not.
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 10_000);
  };
  source.onmessage = ({ data }) => {
    const event = JSON.parse(data);
    const time = el('time', { dateTime: event.at, title: event.at }, new Date(event.at).toLocaleTimeString('en-GB'));
    const level = el('span', { className: event.level }, event.level);
    list.prepend(el('li', {}, time, level, el('code', {}, event.type), el('p', {}, event.message)));
    while (list.children.length > 300) list.lastElementChild.remove();
  };
}

$('explain').addEventListener('submit', (event) => {
  event.preventDefault();
  explain();
});
refresh();
follow();

// A link may carry a question: /ui/?client=192.0.2.7&path=/api/
for (const [name, value] of new URLSearchParams(location.search)) {
  const input = $('explain').elements.namedItem(name);
  if (input) input.value = value;
}
if ($('explain').elements.namedItem('client').value) explain();
