// The pictures of docs/routing.md and docs/architecture.md, as SVG: drawn by a program, so that they can be changed like code, and
// so that what comes from measurements is what was measured. Light and dark. node tools/pictures.ts

import { readFileSync, writeFileSync } from 'node:fs';

const WIDTH = 880;
const FOLDER = new URL('../docs/pictures/', import.meta.url);
const REAL = new URL('../bench/results/route-real.json', import.meta.url);

const STYLE = `
  .bg { fill: #fbfbfd; } .box { fill: #ffffff; stroke: #aeb6c2; } .soft { fill: #eef1f6; stroke: #d5dbe4; }
  .band { fill: #d7efe3; stroke: #5aa784; } .over { fill: #fdf0d5; stroke: #d8ab4e; }
  text { font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1d2330; }
  .h { font-weight: 600; } .s { font-size: 12px; fill: #566072; } .m { text-anchor: middle; } .e { text-anchor: end; }
  .line { stroke: #566072; stroke-width: 1.5; fill: none; } .tip { fill: #566072; }
  .c0 { fill: #d1495b; } .c1 { fill: #2f8f6b; } .c2 { fill: #4c78b8; } .c3 { fill: #8d6cab; } .c4 { fill: #8a93a3; }
  .on { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    .bg { fill: #14181f; } .box { fill: #1d232d; stroke: #4d5868; } .soft { fill: #191f28; stroke: #333c4a; }
    .band { fill: #153a2b; stroke: #3f8f6c; } .over { fill: #3d3118; stroke: #a98337; }
    text { fill: #e6e9ef; } .s { fill: #a5afbe; } .line { stroke: #a5afbe; } .tip { fill: #a5afbe; }
    .c0 { fill: #c04255; } .c1 { fill: #2a7f5f; } .c2 { fill: #4a74b0; } .c3 { fill: #8264a0; } .c4 { fill: #6d7686; }
  }
`;

/** What a picture says to who cannot see it comes first. */
function picture(height: number, title: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="t">`,
    `<title id="t">${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path class="tip" d="M0 1 L10 5 L0 9 z"/></marker></defs>',
    `<rect class="bg" width="${WIDTH}" height="${height}" rx="10"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
const text = (x: number, y: number, words: string, style = '') =>
  `<text x="${x}" y="${y}"${style && ` class="${style}"`}>${escaped(words)}</text>`;
const rect = (x: number, y: number, width: number, height: number, style: string) =>
  `<rect class="${style}" x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`;
/** `path`: of SVG, such as M0 0 L9 9. */
const arrow = (path: string) => `<path class="line" d="${path}" marker-end="url(#tip)"/>`;

/** A box with a title and lines under it. */
function box(x: number, y: number, width: number, title: string, lines: readonly string[], style = 'box'): string[] {
  const height = 34 + lines.length * 17;
  return [
    rect(x, y, width, height, style),
    text(x + 12, y + 22, title, 'h'),
    ...lines.map((line, i) => text(x + 12, y + 41 + i * 17, line, 's')),
  ];
}

function wayOfARequest(): string {
  const top: readonly [string, string[]][] = [
    ['1 listener', ['bytes arrive; TLS,', 'PROXY header']],
    ['2 wire', ['head parsed strictly,', 'or 400 and close']],
    ['3 router', ['host + path →', 'route → pool']],
    ['4 locate', ['client address →', 'cohort → its row']],
  ];
  const bottom: readonly [string, string[]][] = [
    ['5 selector', ['two of the band, one of', 'the overflow: the least']],
    ['6 upstreams', ['a warm connection,', 'or a new one']],
    ['7 wire ⇄ endpoint', ['the head written anew;', 'bodies both ways']],
    ['8 settle', ['once: outcome and', 'times, into the lane']],
  ];
  const at = (i: number) => 96 + i * 192;
  return picture(304, 'The way of a request through a worker, and back to the selector when an attempt fails', [
    text(20, 62, 'client', 'h'),
    arrow('M66 57 L94 57'),
    ...top.flatMap(([title, lines], i) => box(at(i), 24, 166, title, lines)),
    ...[0, 1, 2].map((i) => arrow(`M${at(i) + 166} 57 L${at(i + 1) - 2} 57`)),
    arrow('M755 92 L755 116 L179 116 L179 138'),
    ...bottom.flatMap(([title, lines], i) => box(at(i), 140, 166, title, lines, i === 0 ? 'band' : 'box')),
    ...[0, 1, 2].map((i) => arrow(`M${at(i) + 166} 174 L${at(i + 1) - 2} 174`)),
    arrow('M755 208 L755 236 L140 236 L140 210'),
    text(447, 254, 'failed, and safe to repeat: another endpoint, within a budget', 's m'),
    text(20, 284, 'Nothing on this way waits for the control plane, DNS or Redis.', 's'),
  ]);
}

function bandAndOverflow(): string {
  const scale = (ms: number) => 60 + (ms - 10) * 8.6;
  const best = 18;
  const edge = best * 1.1 + 5;
  const shown: readonly [string, number, string][] = [
    ['Frankfurt', 18, 'c1'],
    ['Zurich', 21, 'c1'],
    ['Paris', 24, 'c1'],
    ['London', 34, 'c2'],
    ['Stockholm', 46, 'c2'],
    ['Dublin', 56, 'c2'],
    ['Virginia', 97, 'c4'],
  ];
  return picture(300, 'Endpoints on a scale of scores: a band near the best, the overflow behind it, the rest', [
    rect(scale(best) - 16, 44, scale(edge) - scale(best) + 16, 110, 'band'),
    text(scale(best) - 8, 64, 'band', 'h'),
    rect(scale(31), 44, scale(60) - scale(31), 110, 'over'),
    text(scale(31) + 8, 64, 'overflow: the next three', 'h'),
    text(scale(97), 64, 'out', 'h m'),
    `<path class="line" d="M40 154 L850 154" marker-end="url(#tip)"/>`,
    ...[20, 40, 60, 80, 100].map((ms) => text(scale(ms), 172, `${ms}`, 's m')),
    text(40, 172, 'score, ms', 's'),
    ...shown.flatMap(([name, ms, style], i) => [
      `<circle class="${style}" cx="${scale(ms)}" cy="${i < 3 ? 96 + i * 20 : 116}" r="6"/>`,
      i < 3 ? text(scale(best) - 24, 101 + i * 20, name, 's e') : text(scale(ms), 140, name, 's m'),
    ]),
    text(40, 206, 'band = best × (1 + bandPercent) + bandMs = 18 × 1.1 + 5 = 24.8 ms: close enough to share traffic.'),
    text(
      40,
      232,
      'A request draws two of the band and one of the overflow, and takes the one with the least live score:',
    ),
    text(
      40,
      254,
      'the score of the last tick, with the requests in flight right now. So load spills over before anybody waits,',
    ),
    text(40, 276, 'and a far endpoint that is idle costs nothing: it is not asked.'),
  ]);
}

interface Real {
  readonly model: { readonly PLACES: readonly { readonly id: string; readonly networkMs: number }[] };
  readonly versions: Readonly<Record<string, string>>;
  readonly at: string;
  readonly machine: { readonly commit: string };
  readonly rows: readonly {
    readonly scenario: string;
    readonly proxy: string;
    readonly median: { readonly p50Ms: number; readonly p99Ms: number };
    readonly runs: readonly { readonly shares: Readonly<Record<string, number>> }[];
  }[];
}

function brownout(): string {
  const { model, rows, at, machine, versions } = JSON.parse(readFileSync(REAL, 'utf8')) as Real;
  const [left, width] = [130, 500];
  const names: Readonly<Record<string, string>> = {
    fermat: 'Fermat',
    nginx: 'nginx',
    haproxy: 'HAProxy',
    caddy: 'Caddy',
  };
  const shown = rows.filter(({ scenario, proxy }) => scenario === 'brownout' && proxy in names);
  const bars = shown.flatMap(({ proxy, median, runs }, row) => {
    const y = 104 + row * 44;
    let x = left;
    const parts = model.PLACES.flatMap(({ id }, i) => {
      const share = runs[0]!.shares[id] ?? 0;
      const piece = `<rect class="c${i}" x="${x.toFixed(1)}" y="${y}" width="${(share * width).toFixed(1)}" height="28"/>`;
      const label =
        share >= 0.05 ? text(Math.round(x + (share * width) / 2), y + 19, `${Math.round(share * 100)} %`, 'on m') : '';
      x += share * width;
      return [piece, label];
    });
    const times = `${Math.round(median.p50Ms)} / ${Math.round(median.p99Ms)} ms`;
    return [text(left - 14, y + 19, names[proxy]!, 'h e'), ...parts, text(left + width + 24, y + 19, times)];
  });
  const legend = model.PLACES.flatMap(({ id, networkMs }, i) => {
    const x = left + i * 146;
    return [
      `<rect class="c${i}" x="${x}" y="56" width="12" height="12" rx="2"/>`,
      text(x + 18, 67, `${id} ${networkMs} ms${i === 0 ? ' ×8' : ''}`, 's'),
    ];
  });
  const bottom = 104 + shown.length * 44;
  const measured = `${at.slice(0, 10)}, commit ${machine.commit}; ${shown.map(({ proxy }) => `${names[proxy]} ${versions[proxy]}`).join(', ')}.`;
  return picture(bottom + 56, 'Where requests went while the nearest of five origins was eight times as slow', [
    text(24, 32, 'The nearest origin becomes eight times as slow: where requests went in the next 15 s', 'h'),
    text(left + width + 24, 90, 'p50 / p99', 's'),
    ...legend,
    ...bars,
    text(
      24,
      bottom + 16,
      'Real processes and sockets, 200 requests/s, origins behind delays; others with least connections.',
      's',
    ),
    text(24, bottom + 36, measured, 's'),
  ]);
}

function twoPlanes(): string {
  const control = [
    'configuration, discovery',
    'prober: its own connections',
    'ranker: a tick of 250 ms',
    'Redis: what others measured',
    'admin API, console, metrics',
    'events, traces, access log',
  ];
  const worker = ['listener → wire → router', 'selector: ≤ 1 µs, no locks', 'upstreams: kept warm'];
  return picture(330, 'The control plane and the workers share memory: tables one way, lanes the other', [
    ...box(24, 44, 236, 'control plane', ['the main thread: slow, clever'], 'soft'),
    rect(24, 104, 236, 178, 'box'),
    ...control.map((line, i) => text(40, 132 + i * 26, line)),
    ...box(330, 44, 220, 'the board', ['shared memory, no locks'], 'soft'),
    ...box(330, 112, 220, 'tables', ['scores, bands, health:', 'control writes, workers read'], 'band'),
    ...box(330, 212, 220, 'lanes', ['samples, counters, in flight:', 'one worker writes, control reads'], 'over'),
    arrow('M260 146 L328 146'),
    arrow('M330 246 L262 246'),
    ...box(620, 44, 236, 'data plane', ['worker threads, one a core'], 'soft'),
    ...[0, 1].flatMap((i) => [rect(628 + i * 8, 104 + i * 8, 228, 162, 'box')]),
    rect(620, 104, 228, 162, 'box'),
    text(636, 128, 'worker', 'h'),
    ...worker.map((line, i) => text(636, 156 + i * 26, line)),
    text(636, 236, 'bytes in, one look-up, bytes out', 's'),
    arrow('M550 146 L618 146'),
    arrow('M620 246 L552 246'),
    text(
      24,
      314,
      'Neither calls the other or waits for it: a flood of requests does not slow a probe, and no request waits for a decision.',
      's',
    ),
  ]);
}

/** Name → picture. */
export function pictures(): Readonly<Record<string, string>> {
  return {
    'way-of-a-request.svg': wayOfARequest(),
    'band-and-overflow.svg': bandAndOverflow(),
    'brownout.svg': brownout(),
    'two-planes.svg': twoPlanes(),
  };
}

if (import.meta.main) {
  for (const [name, svg] of Object.entries(pictures())) writeFileSync(new URL(name, FOLDER), svg);
}
