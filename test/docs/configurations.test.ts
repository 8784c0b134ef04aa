// Every configuration that the documentation shows is taken by the loader that runs and reloads Fermat (`fermat validate` is a
// few lines around it), and those that are whole by the real command; what is other people's (Compose, Kubernetes, Prometheus,
// JSON) can at least be read, and is given to their own checker where it is here.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments, stringify } from 'yaml';
import { loadConfig } from '../../src/control/config/load.ts';
import { completed, environmentFor, isFermats, isWhole, withFiles } from '../support/docs/fragments.ts';
import { type Block, docsPages, placeOf } from '../support/docs/markdown.ts';
import { runFermat } from '../support/fermat.ts';
import { Pki } from '../support/pki.ts';

/** Of what is not Fermat's own, said behind ```yaml. */
const OTHERS = ['compose', 'kubernetes', 'prometheus', 'helm', 'grafana', 'other'];

const blocks = docsPages().flatMap(({ blocks }) =>
  blocks.filter(({ info }) => ['yaml', 'json', 'jsonl'].includes(info.language)),
);
const isOthers = ({ info }: Block) => info.words.some((word) => OTHERS.includes(word));
const ours = blocks.filter((block) => !isOthers(block) && isFermats(treesOf(block)[0]));
const others = blocks.filter((block) => !ours.includes(block));
/** Values of the Helm chart hold a configuration. */
const charts = others.filter(({ info }) => info.words.includes('helm'));
const whole = ours.filter((block) => isWhole(treesOf(block)[0] as Record<string, unknown>));

/** The documents of a block. Throws with its place when it cannot be read. */
function treesOf(block: Block): unknown[] {
  const texts = block.info.language === 'jsonl' ? block.text.trim().split('\n') : [block.text];
  return texts.flatMap((text) =>
    parseAllDocuments(text).map((document) => {
      if (document.errors.length > 0) throw new Error(`${placeOf(block)}: ${document.errors[0]!.message}`);
      return document.toJS() as unknown;
    }),
  );
}

describe('configurations of the documentation', () => {
  let folder: string;
  let pki: Pki;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'fermat-docs-'));
    pki = new Pki();
    // Edges of an overlay are known by the names in their certificates: one for all of them.
    const ids = ours.map((block) => (treesOf(block)[0] as { node?: { id?: unknown } }).node?.id);
    const names = new Set([...ids.filter((id) => typeof id === 'string'), 'shop.example.com', '*.example.com']);
    pki.issue('site', { san: [...names].map((name) => `DNS:${name}`).join(',') });
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    pki[Symbol.dispose]();
    const counts = [
      `${ours.length} of Fermat validated`,
      `${whole.length} of them as they stand`,
      `${others.length} of others read`,
    ];
    console.log(`Configurations of the documentation: ${counts.join(', ')}.`);
  });

  /** The file that a block becomes, and what it wants in the environment. */
  function written(block: Block, i: number): { file: string; env: Record<string, string> } {
    const tree = treesOf(block)[0] as Record<string, unknown>;
    const file = join(folder, `${i}.yaml`);
    const filled = withFiles(isWhole(tree) ? tree : completed(tree), folder, pki);
    writeFileSync(file, stringify(filled, { aliasDuplicateObjects: false }));
    return { file, env: environmentFor(block.text) };
  }

  it('are valid', () => {
    const problems = ours.flatMap((block, i) => {
      const { file, env } = written(block, i);
      const loaded = loadConfig(file, {}, env);
      return loaded.ok ? [] : loaded.problems.map((problem) => `${placeOf(block)}: ${problem}`);
    });
    expect(problems).toEqual([]);
    expect(ours.length).toBeGreaterThan(0);
  });

  it('are valid inside of values of the Helm chart', () => {
    for (const block of charts) {
      const { config } = treesOf(block)[0] as { config: Record<string, unknown> };
      const file = join(folder, `chart-${block.line}.yaml`);
      writeFileSync(file, stringify(withFiles(isWhole(config) ? config : completed(config), folder, pki)));
      const loaded = loadConfig(file, {}, environmentFor(block.text));
      expect({ place: placeOf(block), problems: loaded.ok ? [] : loaded.problems }).toEqual({
        place: placeOf(block),
        problems: [],
      });
    }
  });

  it('are valid for the command, too', async () => {
    for (const block of whole.slice(0, 3)) {
      const { file, env } = written(block, ours.indexOf(block));
      const { code, stderr } = await runFermat(['validate', '-c', file], { env });
      expect({ place: placeOf(block), code, stderr }).toEqual({ place: placeOf(block), code: 0, stderr: '' });
    }
  });

  it('of others say whose they are, and can be read', () => {
    const unsaid = others.filter((block) => block.info.language === 'yaml' && !isOthers(block)).map(placeOf);
    expect(unsaid).toEqual([]);
    for (const block of others) if (block.info.language === 'json') JSON.parse(block.text);
    for (const block of others) if (block.info.words.includes('prometheus')) checkPrometheus(block);
  });

  /** Rules, a whole configuration, or scrape_configs alone. */
  function checkPrometheus(block: Block): void {
    const tree = treesOf(block)[0] as Record<string, unknown>;
    const file = join(folder, `prometheus-${block.line}.yml`);
    writeFileSync(file, Array.isArray(tree) ? stringify({ scrape_configs: tree }) : block.text);
    const what = isRules(tree) ? 'rules' : 'config';
    try {
      execFileSync(
        'promtool',
        ['check', what, '--syntax-only', file].filter((word) => what === 'config' || word !== '--syntax-only'),
        { stdio: 'pipe' },
      );
    } catch (error) {
      throw new Error(`${placeOf(block)}: ${(error as { stderr: Buffer }).stderr}`);
    }
  }
});

const isRules = (tree: unknown) => typeof tree === 'object' && tree !== null && 'groups' in tree;
