// The console's map of the world, made once and kept in the repository: node tools/world-map.ts
// writes src/console/map/world.js from Natural Earth's 1:110m countries (world-atlas), projected, rounded to whole units and
// said as relative SVG paths by country. Equal Earth, since tints of countries compare by area; cut in the Bering Sea, so that
// no country is torn; without Antarctica, where nobody asks. The browser projects points with map/projection.js instead of d3.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type GeoProjection, geoEqualEarth, geoPath } from 'd3-geo';
import { feature } from 'topojson-client';

export const ASSET = fileURLToPath(new URL('../src/console/map/world.js', import.meta.url));
const ATLAS = fileURLToPath(new URL('../node_modules/world-atlas/countries-110m.json', import.meta.url));

/** Units across, of the land; one is half a pixel on a wide screen. */
const WIDTH = 2000;
const MARGIN = 10;
const CENTRE_LON_DEG = 11;
/** Islands smaller than this, square units, are left out unless they are all there is of a country. */
const MIN_AREA = 4;
const ANTARCTICA = '010';

/** ISO 3166-1 numeric (as the atlas has it) → alpha-2 (as GeoIP has it). */
const ALPHA2: Readonly<Record<string, string>> = Object.fromEntries(
  `004AF 008AL 012DZ 024AO 031AZ 032AR 036AU 040AT 044BS 050BD 051AM 056BE 064BT 068BO 070BA 072BW 076BR 084BZ 090SB 096BN
  100BG 104MM 108BI 112BY 116KH 120CM 124CA 140CF 144LK 148TD 152CL 156CN 158TW 170CO 178CG 180CD 188CR 191HR 192CU 196CY
  203CZ 204BJ 208DK 214DO 218EC 222SV 226GQ 231ET 232ER 233EE 238FK 242FJ 246FI 250FR 260TF 262DJ 266GA 268GE 270GM 275PS
  276DE 288GH 300GR 304GL 320GT 324GN 328GY 332HT 340HN 348HU 352IS 356IN 360ID 364IR 368IQ 372IE 376IL 380IT 384CI 388JM
  392JP 398KZ 400JO 404KE 408KP 410KR 414KW 417KG 418LA 422LB 426LS 428LV 430LR 434LY 440LT 442LU 450MG 454MW 458MY 466ML
  478MR 484MX 496MN 498MD 499ME 504MA 508MZ 512OM 516NA 524NP 528NL 540NC 548VU 554NZ 558NI 562NE 566NG 578NO 586PK 591PA
  598PG 600PY 604PE 608PH 616PL 620PT 624GW 626TL 630PR 634QA 642RO 643RU 646RW 682SA 686SN 688RS 694SL 703SK 704VN 705SI
  706SO 710ZA 716ZW 724ES 728SS 729SD 732EH 740SR 748SZ 752SE 756CH 760SY 762TJ 764TH 768TG 780TT 784AE 788TN 792TR 795TM
  800UG 804UA 807MK 818EG 826GB 834TZ 840US 854BF 858UY 860UZ 862VE 887YE 894ZM`
    .split(/\s+/)
    .map((pair) => [pair.slice(0, 3), pair.slice(3)]),
);
/** What the atlas has no number for: land like any other, with a code only where GeoIP databases use one. */
const UNNUMBERED: Readonly<Record<string, string>> = { Kosovo: 'XK' };

type Ring = readonly (readonly [x: number, y: number])[];

/** The asset's whole text. Deterministic: a test holds the committed file against it. */
export function makeWorld(): string {
  const atlas = JSON.parse(readFileSync(ATLAS, 'utf8'));
  const countries = feature(atlas, atlas.objects.countries) as unknown as GeoJSON.FeatureCollection;
  const land = countries.features.filter(({ id }) => String(id) !== ANTARCTICA);

  const projection = geoEqualEarth().rotate([-CENTRE_LON_DEG, 0]).precision(0.5);
  projection.fitWidth(WIDTH, { type: 'FeatureCollection', features: land });
  const [x, y] = projection.translate();
  const [, [, bottom]] = geoPath(projection).bounds({ type: 'FeatureCollection', features: land });
  projection.translate([x + MARGIN, y + MARGIN]);

  const paths = new Map<string, string>();
  for (const country of land) {
    const { name } = country.properties as { name: string };
    const code = ALPHA2[String(country.id)] ?? UNNUMBERED[name] ?? '';
    paths.set(code, (paths.get(code) ?? '') + pathOf(country, projection));
  }
  const [translateX, translateY] = projection.translate();
  const lines = [...paths].sort(([a], [b]) => (a < b ? -1 : 1)).map(([code, path]) => `  ${code || "''"}: '${path}',`);
  return `// Made by tools/world-map.ts from Natural Earth (public domain) by way of world-atlas; not to be edited by hand.

/** Equal Earth: unit = scale · projected radians + (x, y), seen from above the meridian \`lonDeg\`. */
export const PROJECTION = ${objectOf({ lonDeg: CENTRE_LON_DEG, scale: round(projection.scale()), x: round(translateX), y: round(translateY) })};
export const WIDTH = ${WIDTH + 2 * MARGIN};
export const HEIGHT = ${Math.ceil(bottom) + 2 * MARGIN};

/** SVG paths by ISO 3166-1 alpha-2; '' = land that has no code. */
export const LAND = {
${lines.join('\n')}
};
`;
}

function objectOf(fields: Readonly<Record<string, number>>): string {
  return `{ ${Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}`)
    .join(', ')} }`;
}

function round(value: number): number {
  return Number(value.toFixed(3));
}

/** All rings of a country: rounded, without points that rounding made one, said relative to the one before. */
function pathOf(country: GeoJSON.Feature, projection: GeoProjection): string {
  const rings = ringsOf(country, projection);
  const big = rings.filter((ring) => areaOf(ring) >= MIN_AREA);
  const kept = big.length > 0 ? big : rings.slice(0, 1);
  return kept.map(relative).join('');
}

/** d3 clips at the cut and projects; its drawing calls are taken down instead of its text. */
function ringsOf(country: GeoJSON.Feature, projection: GeoProjection): Ring[] {
  const rings: [number, number][][] = [];
  const add = (x: number, y: number) => {
    const ring = rings.at(-1)!;
    const last = ring.at(-1);
    const [px, py] = [Math.round(x), Math.round(y)];
    if (last === undefined || last[0] !== px || last[1] !== py) ring.push([px, py]);
  };
  const pen = {
    beginPath: () => {},
    moveTo(x: number, y: number) {
      rings.push([]);
      add(x, y);
    },
    lineTo: add,
    arc: () => {},
    closePath: () => {},
  };
  geoPath(projection, pen)(country);
  return rings.filter((ring) => ring.length > 2);
}

function areaOf(ring: Ring): number {
  let twice = 0;
  ring.forEach(([x, y], i) => {
    const [nextX, nextY] = ring[(i + 1) % ring.length]!;
    twice += x * nextY - nextX * y;
  });
  return Math.abs(twice) / 2;
}

function relative(ring: Ring): string {
  let [x, y] = ring[0]!;
  let path = `M${x} ${y}l`;
  for (const [nextX, nextY] of ring.slice(1)) {
    const [dx, dy] = [nextX - x, nextY - y];
    path += `${path.endsWith('l') || dx < 0 ? '' : ' '}${dx}${dy < 0 ? '' : ' '}${dy}`;
    [x, y] = [nextX, nextY];
  }
  return `${path}z`;
}

if (import.meta.main) {
  writeFileSync(ASSET, makeWorld());
  console.log(`${ASSET}: ${readFileSync(ASSET).length} bytes`);
}
