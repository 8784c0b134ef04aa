// What is offered where, read off a small program of verbs like ours.

import { Argument, Command, Option } from 'commander';
import { describe, expect, test } from 'vitest';
import { type Offer, offerOf, type Sources, type Word } from '../../src/cli/completion/words.ts';

function program(): Command {
  const fermat = new Command('fermat');
  fermat
    .command('drain <endpoint>')
    .description('no new requests')
    .option('--token <token>', 'admin token')
    .option('--json', 'print JSON');
  fermat
    .command('run')
    .option('-c, --config <file>', 'YAML')
    .addOption(new Option('--log-level <level>', 'of events').choices(['info', 'warn']));
  fermat.command('probe <url...>').option('--region <region>', 'where this is').option('--endpoint <id>', 'one');
  fermat.command('completion').addArgument(new Argument('<shell>').choices(['bash', 'zsh']));
  fermat.command('secret', { hidden: true });
  const geoip = fermat.command('geoip');
  geoip.command('lookup <ip>');
  geoip.command('info');
  return fermat;
}

const word = (value: string): Word => ({ value, description: '' });
const SOURCES: Sources = {
  endpoints: async () => [word('fra-1'), word('iad-1')],
  pools: async () => [word('shop')],
  regions: () => [word('aws:eu-central-1'), word('aws:us-east-1')],
};

async function offered(...words: string[]): Promise<string[] | 'files'> {
  const offer: Offer = await offerOf(program(), words, SOURCES);
  return offer === 'files' ? offer : offer.map(({ value }) => value);
}

describe('completion offers', () => {
  test.each([
    [[''], ['drain', 'run', 'probe', 'completion', 'geoip', 'help']],
    [['dr'], ['drain']],
    [['nothing-like-it'], []],
    [
      ['geoip', ''],
      ['lookup', 'info', 'help'],
    ],
    [
      ['drain', ''],
      ['fra-1', 'iad-1'],
    ],
    [['drain', 'i'], ['iad-1']],
    [['drain', '--token', 'x', 'f'], ['fra-1']],
    [['drain', '--json', 'f'], ['fra-1']],
    [
      ['drain', '--'],
      ['--token', '--json', '--help'],
    ],
    // Every argument is there: only flags are left.
    [
      ['drain', 'fra-1', ''],
      ['--token', '--json', '--help'],
    ],
    [
      ['run', '--log-level', ''],
      ['info', 'warn'],
    ],
    [['run', '--log-level=w'], ['--log-level=warn']],
    [
      ['probe', '--region', 'aws:'],
      ['aws:eu-central-1', 'aws:us-east-1'],
    ],
    [
      ['probe', '--endpoint', ''],
      ['fra-1', 'iad-1'],
    ],
    [['completion', 'z'], ['zsh']],
    // Free text: nothing is guessed.
    [['drain', '--token', ''], []],
    [['probe', ''], []],
  ])('%j → %j', async (words, values) => {
    expect(await offered(...words)).toEqual(values);
  });

  test('files where a file is wanted', async () => {
    expect(await offered('run', '-c', '')).toBe('files');
    expect(await offered('run', '--config', 'fer')).toBe('files');
    expect(await offered('run', '--config=fer')).toBe('files');
  });
});
