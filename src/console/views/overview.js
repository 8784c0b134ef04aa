// The first thing one sees: is it well, how much goes through and how fast, where to, and what wants attention. Everything is
// built once; ticks change text, bars and series in place.

import { createChart } from '../charts.js';
import { ago, badge, count, countryName, el, empty, ms, NONE, rate, setText } from '../dom.js';
import { createRegions } from './regions.js';

/** @import { Context, View } from '../types.d.ts' */

const COUNTRIES_SHOWN = 8;
const ATTENTION_SHOWN = 8;

/**
 * @param {HTMLElement} root
 * @param {Context} context
 * @returns {View}
 */
export function mount(root, { store, api, navigate }) {
  const charts = el('div', { className: 'overview-charts' });
  const mapBody = el('div', { className: 'map-body' });
  const places = el('div', { className: 'regions-place' });
  const attention = el('ul', { className: 'attention' });
  const attentionCount = el('a', { href: '#/endpoints?state=not+healthy' });
  const countries = el('ol', { className: 'countries' });
  const fleet = el('div', { className: 'fleet-body' });
  const fleetCard = card('Other edges', '', fleet);
  root.append(
    charts,
    el(
      'div',
      { className: 'overview-main' },
      el(
        'div',
        { className: 'overview-side' },
        el('section', { className: 'card map-card', 'aria-label': 'Map' }, mapBody),
        places,
      ),
      el(
        'div',
        { className: 'overview-side' },
        el(
          'section',
          { className: 'card attention-card' },
          el('div', { className: 'card-head' }, el('h2', {}, 'Needs attention'), attentionCount),
          attention,
        ),
        card('Clients by country', 'requests/s, last minute', countries),
        fleetCard,
      ),
    ),
  );

  const perSecond = createChart(charts, {
    title: 'Traffic',
    unit: 'per second',
    series: [
      { name: 'requests', colour: '--accent', format: rate, fill: true },
      { name: 'errors', colour: '--bad', format: rate, dashed: true },
    ],
  });
  const latency = createChart(charts, {
    title: 'Latency',
    unit: 'ms, of clients’ requests',
    series: [
      { name: 'p50', colour: '--accent', format: ms },
      { name: 'p99', colour: '--warn', format: ms, dashed: true },
    ],
  });
  const inflight = createChart(charts, {
    title: 'In flight',
    unit: 'requests',
    series: [{ name: 'now', colour: '--accent', format: count, fill: true }],
  });

  const regions = createRegions(places, store);
  const map = embedMap(mapBody, store, navigate);
  const tick = () => {
    const { at, requestsPerSecond, errorsPerSecond, inflight: open, p50Ms, p99Ms } = store.totalsHistory;
    perSecond.draw([at, requestsPerSecond, errorsPerSecond]);
    latency.draw([at, p50Ms, p99Ms]);
    inflight.draw([at, open]);
    showAttention(attention, attentionCount, store);
    showCountries(countries, store.countries);
    regions.update();
    map.update();
  };
  const hello = () => {
    showFleet(fleetCard, fleet, store);
    tick();
  };
  if (store.node !== null) hello();
  // Edges come and go without a word: who is there now is asked when somebody begins to look.
  api.get('/api/v1/fleet').then(
    (told) => {
      store.fleet = told;
      showFleet(fleetCard, fleet, store);
    },
    () => {},
  );
  const leave = [store.on('hello', hello), store.on('tick', tick)];
  return {
    unmount() {
      for (const end of leave) end();
      for (const chart of [perSecond, latency, inflight]) chart.destroy();
      regions.destroy();
      map.destroy();
      root.replaceChildren();
    },
  };
}

/**
 * The map comes after the numbers: it is the largest part of the page, and its frame keeps the place.
 * @param {HTMLElement} root
 * @param {Context['store']} store
 * @param {(hash: string) => void} navigate
 */
function embedMap(root, store, navigate) {
  /** @type {{ update(): void, destroy(): void } | null} */
  let map = null;
  let isGone = false;
  const onSelect = (/** @type {number | null} */ index) => {
    const endpoint = index === null ? undefined : store.endpoints[index];
    if (endpoint) navigate(`#/endpoints/${encodeURIComponent(endpoint.id)}`);
  };
  import('../map.js').then(
    ({ createMap }) => {
      if (isGone) return;
      map = createMap(root, { store, onSelect });
      if (store.node !== null) map?.update();
    },
    () => root.append(empty('The map could not be loaded.')),
  );
  return {
    update: () => map?.update(),
    destroy() {
      isGone = true;
      map?.destroy();
    },
  };
}

/** @param {string} title @param {string} note @param {HTMLElement} body */
function card(title, note, body) {
  const head = el('div', { className: 'card-head' }, el('h2', {}, title), el('small', {}, note));
  return el('section', { className: 'card side-card' }, head, body);
}

/** @typedef {{ key: string, kind: string, word: string, what: string, why: string, href: string | null }} Matter */

/** What an operator should know of, the worst first. @param {Context['store']} store @returns {Matter[]} */
function mattersOf(store) {
  /** @type {Matter[]} */
  const matters = [];
  const add = (
    /** @type {string} */ kind,
    /** @type {string} */ word,
    /** @type {string} */ what,
    why = '',
    href = /** @type {string | null} */ (null),
  ) => matters.push({ key: `${word}:${what}`, kind, word, what, why, href });
  if (store.ready !== null) add('bad', 'not ready', 'This node', store.ready);
  for (const pool of store.pools) {
    if (pool.healthy === 0) add('bad', 'down', `Pool ${pool.name}`, 'no healthy endpoint', '#/pools');
  }
  for (const reason of store.node?.shedding ?? [])
    add('warn', 'shedding', 'This node', `turns requests away: ${reason}`);
  if (store.fleet?.redis.configured && !store.fleet.redis.up)
    add('warn', 'away', 'Redis', 'decides on what this node knows alone');
  const rank = /** @type {Record<string, number>} */ ({ unhealthy: 0, ejected: 1, draining: 2, unknown: 3 });
  const ill = store.endpoints.filter(({ state }) => state !== 'healthy');
  ill.sort((a, b) => (rank[a.state] ?? 9) - (rank[b.state] ?? 9) || (a.since < b.since ? 1 : -1));
  for (const endpoint of ill) {
    const since = endpoint.since ? ` · ${ago(endpoint.since)}` : '';
    add(
      endpoint.state,
      endpoint.state,
      endpoint.id,
      `${endpoint.why}${since}`,
      `#/endpoints/${encodeURIComponent(endpoint.id)}`,
    );
  }
  return matters;
}

/** @param {HTMLElement} list @param {HTMLElement} note @param {Context['store']} store */
function showAttention(list, note, store) {
  const matters = mattersOf(store);
  const shown = matters.slice(0, ATTENTION_SHOWN);
  // No line moves under a hand; those that are there still say what is so.
  const isHeld = list.querySelector('a') !== null && list.matches(':hover, :focus-within');
  note.hidden = matters.length === shown.length;
  setText(note, matters.length > shown.length ? `${shown.length} of ${matters.length}, see all` : '');
  const keys = shown.map(({ key }) => key).join('\n') || (store.endpoints.length === 0 ? 'none' : 'well');
  if (list.dataset.keys !== keys && !isHeld) {
    list.dataset.keys = keys;
    list.replaceChildren(
      ...shown.map(({ key, kind, word, what, href }) => {
        const name = href === null ? el('b', {}, what) : el('a', { href }, what);
        const line = el('li', {}, badge(kind, word), name, el('span', { className: 'quiet-text' }));
        Object.assign(line.dataset, { key, what });
        return line;
      }),
    );
    if (shown.length === 0) list.append(calmLine(store.endpoints.length));
  }
  for (const line of /** @type {Iterable<HTMLElement>} */ (/** @type {unknown} */ (list.children))) {
    const { key, what } = line.dataset;
    if (key === undefined || line.lastElementChild === null) continue;
    const now = matters.find((one) => one.key === key) ?? matters.find((one) => one.what === what);
    const words = now === undefined ? 'no longer' : now.key === key ? now.why : `now ${now.word}: ${now.why}`;
    setText(line.lastElementChild, words);
  }
}

function calmLine(/** @type {number} */ endpoints) {
  return endpoints === 0
    ? el('li', { className: 'calm' }, badge('unknown', 'none'), 'This node has no endpoints.')
    : el('li', { className: 'calm' }, badge('healthy', 'all well'), 'Every endpoint is healthy.');
}

/** @param {HTMLElement} list @param {Context['store']['countries']} countries */
function showCountries(list, countries) {
  const shown = countries.slice(0, COUNTRIES_SHOWN);
  const most = shown[0]?.[1] || 1;
  while (list.children.length > Math.max(1, shown.length)) list.lastElementChild?.remove();
  if (shown.length === 0) {
    if (!list.querySelector('.none'))
      list.replaceChildren(el('li', { className: 'none quiet-text' }, 'No requests in the last minute.'));
    return;
  }
  list.querySelector('.none')?.remove();
  shown.forEach(([code, perSecond], i) => {
    const line =
      list.children[i] ?? list.appendChild(el('li', {}, el('i'), el('span'), el('span', { className: 'num' })));
    const [bar, name, number] = /** @type {HTMLElement[]} */ ([...line.children]);
    if (!bar || !name || !number) return;
    bar.style.transform = `scaleX(${perSecond / most})`;
    setText(name, countryName(code));
    setText(number, rate(perSecond));
  });
}

/** @param {HTMLElement} cardNode @param {HTMLElement} body @param {Context['store']} store */
function showFleet(cardNode, body, store) {
  const { fleet } = store;
  cardNode.hidden = !fleet?.redis.configured && !fleet?.nodes.length;
  if (!fleet || cardNode.hidden) return;
  const redis = fleet.redis.up
    ? badge('healthy', fleet.redis.listening ? 'Redis' : 'Redis, not listening')
    : badge('bad', 'Redis away');
  const nodes = fleet.nodes.map((node) =>
    el(
      'li',
      {},
      el('b', {}, node.node),
      el('span', { className: 'quiet-text' }, node.region ?? NONE),
      el('span', { className: 'num quiet-text' }, node.distanceKm === null ? '' : `${count(node.distanceKm)} km`),
      el('span', { className: 'num quiet-text' }, `${count(node.endpoints)} endpoints`),
    ),
  );
  body.replaceChildren(
    el('p', {}, redis),
    nodes.length
      ? el('ul', { className: 'nodes' }, nodes)
      : el('p', { className: 'quiet-text' }, 'No other edge has been heard of.'),
  );
}
