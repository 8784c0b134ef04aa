import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join, resolve } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { codingOf } from '../../../src/control/admin/assets.ts';
import { AdminRig } from '../../support/admin.ts';

const DIRECTORY = resolve(import.meta.dirname, '../../../src/console');
const SERVED = ['.html', '.css', '.js', '.svg', '.json'];
const FILES = readdirSync(DIRECTORY, { recursive: true })
  .map(String)
  .filter((file) => statSync(join(DIRECTORY, file)).isFile());

describe('the files of the console', () => {
  it('are served, all of them, as they are, and what is not for browsers is not', async () => {
    await using rig = await AdminRig.start();
    for (const file of FILES) {
      const path = `/ui/${file === 'index.html' ? '' : file}`;
      const { status, body, headers } = await rig.get(path);
      const isServed = SERVED.includes(extname(file)) && file !== 'tsconfig.json';
      expect([file, status]).toEqual([file, isServed ? 200 : 404]);
      if (!isServed) continue;
      expect(body.equals(readFileSync(join(DIRECTORY, file)))).toBe(true);
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(String(headers['content-security-policy'])).toContain("default-src 'none'");
    }
  });

  it('have the chart library with them, licence and all', async () => {
    await using rig = await AdminRig.start();
    const script = await rig.get('/ui/vendor/uplot.js');
    expect([script.status, script.headers['content-type']]).toEqual([200, 'text/javascript; charset=utf-8']);
    expect(script.text).toMatch(/^\/\*! https:\/\/github\.com\/leeoniya\/uPlot .*\*\/\nvar uPlot=/);
    const style = await rig.get('/ui/vendor/uplot.css');
    expect([style.status, style.headers['content-type']]).toEqual([200, 'text/css; charset=utf-8']);
  });

  it('come packed to whoever takes that, and each packing has a validator of its own', async () => {
    await using rig = await AdminRig.start();
    const plain = await rig.get('/ui/app.js');
    const etags = new Set([plain.headers.etag]);
    for (const [coding, unpack] of [
      ['br', brotliDecompressSync],
      ['gzip', gunzipSync],
    ] as const) {
      const packed = await rig.get('/ui/app.js', { 'accept-encoding': `deflate, ${coding};q=0.8` });
      expect(packed.headers['content-encoding']).toBe(coding);
      expect(packed.body.length).toBeLessThan(plain.body.length / 2);
      expect(unpack(packed.body).equals(plain.body)).toBe(true);
      expect(packed.headers.vary).toBe('accept-encoding');
      etags.add(packed.headers.etag);
      const fields = { 'accept-encoding': coding, 'if-none-match': `"other", W/${packed.headers.etag}` };
      const again = await rig.get('/ui/app.js', fields);
      expect([again.status, again.body.length]).toEqual([304, 0]);
    }
    expect(etags.size).toBe(3);
  });

  it('weigh at most 200 kB packed, all together', async () => {
    await using rig = await AdminRig.start();
    const paths = FILES.filter((file) => ['.html', '.css', '.js', '.svg'].includes(extname(file)))
      .map((file) => `/ui/${file === 'index.html' ? '' : file}`)
      .concat('/ui/vendor/uplot.js', '/ui/vendor/uplot.css');
    const answers = await Promise.all(paths.map((path) => rig.get(path, { 'accept-encoding': 'br' })));
    expect(answers.reduce((sum, { body }) => sum + body.length, 0)).toBeLessThan(200_000);
  });

  it('ask nothing of other hosts', () => {
    for (const file of FILES) {
      if (!['.html', '.css', '.js'].includes(extname(file)) || !existsSync(join(DIRECTORY, file))) continue;
      const text = readFileSync(join(DIRECTORY, file), 'utf8');
      const loads =
        /@import\s+(?:url|['"])|url\(\s*['"]?(https?:|\/\/)|(?:src|srcset)="(https?:|\/\/)|(?:import|fetch|EventSource)\s*\(?\s*['"`](https?:|\/\/)/;
      expect([file, loads.exec(text)?.[0] ?? null]).toEqual([file, null]);
    }
  });
});

it.each([
  [undefined, 'identity'],
  ['', 'identity'],
  ['gzip, deflate, br, zstd', 'br'],
  ['GZIP', 'gzip'],
  ['br;q=0, gzip', 'gzip'],
  ['br; q=0.000, gzip;q=0', 'identity'],
  ['brotli', 'identity'],
] as const)('of Accept-Encoding %s the best coding is %s', (field, coding) => {
  expect(codingOf(field)).toBe(coding);
});
