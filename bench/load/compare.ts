// What a proxied request costs, peer by peer: requests/s, latency and above all CPU of the proxy's whole process tree, beside
// nginx in the same round. Machines are noisy, so short windows of all entrants alternate and the medians count.
// node bench/load/main.ts [--scenario small,h2-small] [--group http,tls] [--peers …] [--rounds 5] [--seconds 2] [--quick]

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findGenerators } from '../support/load.ts';
import { commandOf, loadAverage, machineOf } from '../support/machine.ts';
import { median, tableOf } from '../support/report.ts';
import { makeCertificate } from './certificate.ts';
import { cipherOf, whatIsWrong } from './check.ts';
import { isCrowded, placementOf } from './cores.ts';
import { PEERS } from './peers.ts';
import { mergeSections, type Section } from './results.ts';
import { type Entrant, endpointsOf, GROUPS, SCENARIOS, type Scenario } from './scenarios.ts';
import { type Grounds, NOT_SUPPORTED, prepareGrounds, Stable } from './stable.ts';
import { costOf, summarise, unitOf } from './summary.ts';
import { measureWindow, type Trial, type Window, warmUp } from './windows.ts';

/** A just-in-time compiler needs some thousands of requests before it shows what it can; less for a second scenario. */
const FULL = { seconds: 2, rounds: 5, warmUpS: 3 };
const WARM_AGAIN_S = 1;
const MISSING = 'missing: ';
/** Not kept. */
const QUICK = { seconds: 1, rounds: 1, warmUpS: 1 };
const warm = new WeakSet<Trial['stall']>();

const { values: flags } = parseArgs({
  options: {
    peers: { type: 'string', default: '' },
    scenario: { type: 'string', default: '' },
    group: { type: 'string', default: '' },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const USAGE = `npm run bench:load -- [--group ${GROUPS.join(',')}] [--scenario ${SCENARIOS.map(({ name }) => name).join(',')}]
  [--peers ${Object.keys(PEERS).join(',')}]
  [--seconds 2] [--rounds 5] [--quick] [--json]
npm run bench:load -- latency | memory | floods | readme [--help]`;

const listOf = (text: string) => text.split(',').filter(Boolean);
const wanted = { peers: listOf(flags.peers), scenarios: listOf(flags.scenario), groups: listOf(flags.group) };
const usual = flags.quick ? QUICK : FULL;
const terms = {
  seconds: Number(flags.seconds ?? usual.seconds),
  rounds: Number(flags.rounds ?? usual.rounds),
  warmUpS: usual.warmUpS,
};
const isUsable =
  wanted.peers.every((name) => Object.hasOwn(PEERS, name)) &&
  wanted.scenarios.every((wantedName) => SCENARIOS.some(({ name }) => name === wantedName)) &&
  wanted.groups.every((group) => (GROUPS as readonly string[]).includes(group)) &&
  [terms.seconds, terms.rounds].every((number) => Number.isInteger(number) && number > 0);
if (flags.help || !isUsable) {
  console.log(USAGE);
  process.exit(flags.help ? 0 : 2);
}

const say = (line: string) => void (flags.json ? process.stderr : process.stdout).write(`${line}\n`);
const command = commandOf('bench/load/main.ts');
const generators = findGenerators();
process.exitCode = await bench(chosen());

/** Scenarios asked for, each with the peers asked for; nothing asked = all of both. */
function chosen(): Scenario[] {
  const isChosen = ({ name, group }: Scenario) =>
    (wanted.scenarios.length === 0 && wanted.groups.length === 0) ||
    wanted.scenarios.includes(name) ||
    wanted.groups.includes(group);
  if (wanted.peers.length === 0) return SCENARIOS.filter(isChosen);
  return SCENARIOS.filter(isChosen).map((scenario) => {
    const { entrants, group } = scenario;
    const asked = entrants.filter(({ peer }) => wanted.peers.includes(peer));
    // Who is asked for takes part, also where it does not by default.
    const more = wanted.peers.filter((peer) => group !== 'scale' && !asked.some((entrant) => entrant.peer === peer));
    return { ...scenario, entrants: [...asked, ...more.map((peer) => ({ ...entrants[0]!, name: peer, peer }))] };
  });
}

async function bench(scenarios: readonly Scenario[]): Promise<number> {
  if (PEERS.nginx!.version() === null) {
    console.error('The origin is nginx, which is not installed: apt-get install nginx');
    return 1;
  }
  const machine = machineOf();
  say(`${machine.cpu}, ${machine.cores} cores, ${machine.system}, Node ${machine.node}, commit ${machine.commit}`);
  say(`load average ${machine.loadAverage}; about ${minutesOf(scenarios)} minutes`);
  if (generators['http/1.1'].name !== 'wrk') say('wrk is missing, so autocannon generates: apt-get install wrk');
  const folder = mkdtempSync(join(tmpdir(), 'fermat-load-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const grounds = await prepareGrounds(folder, makeCertificate(folder), endpointsOf(scenarios));
  const stable = new Stable(grounds);
  const sections: Record<string, Section> = {};
  try {
    for (const [i, scenario] of scenarios.entries()) {
      await stable.keepOnly(scenarios.slice(i));
      sections[scenario.name] = await run(scenario, stable, grounds);
      report(scenario, sections[scenario.name]!);
    }
  } finally {
    await stable.keepOnly([]);
    await Promise.all([grounds.http.running.stop(), grounds.echo.running.stop()]);
  }
  // Half a table must not replace a whole one.
  const isKept = !flags.quick && wanted.peers.length === 0;
  say(
    isKept
      ? `\nRaw figures: ${mergeSections(sections)}`
      : '\nNot kept: only a run of all peers that is not --quick is.',
  );
  if (flags.json) console.log(JSON.stringify(sections));
  return Object.values(sections).every(isGood) ? 0 : 1;
}

/** Nobody failed but by a feature that is not there. */
function isGood({ summary, absent }: Section): boolean {
  const excuses = Object.values(absent).every((reason) => reason === NOT_SUPPORTED || reason.startsWith(MISSING));
  return excuses && summary.every(({ errors }) => errors === 0);
}

async function run(scenario: Scenario, stable: Stable, grounds: Grounds): Promise<Section> {
  const at = new Date().toISOString();
  const machine = machineOf();
  const absent: Record<string, string> = {};
  const ciphers: Record<string, string> = {};
  const trials: Trial[] = [];
  for (const entrant of scenario.entrants) {
    const trial = await trialOf(entrant, scenario, stable, grounds);
    if (typeof trial === 'string') {
      absent[entrant.name] = trial;
      say(`  ${scenario.name} ${entrant.name}: ${trial}`);
      continue;
    }
    trials.push(trial);
    if (entrant.shape.listener === 'tls') {
      const alpn = scenario.demand.protocol === 'h2' ? 'h2' : 'http/1.1';
      ciphers[entrant.name] = (await cipherOf(trial.stall.port, alpn)).cipher;
    }
  }
  const windows = await alternate(trials, absent);
  const generator = generators[scenario.demand.protocol];
  return {
    title: scenario.title,
    group: scenario.group,
    per: scenario.per,
    at,
    command,
    machine: { ...machine, loadAverageAfter: loadAverage() },
    generator: { name: generator.name, version: generator.version },
    demand: scenario.demand,
    seconds: terms.seconds,
    rounds: terms.rounds,
    versions: Object.fromEntries(trials.map(({ peer }) => [peer, PEERS[peer]!.version()])),
    ...(Object.keys(ciphers).length > 0 ? { ciphers } : {}),
    absent,
    summary: summarise(scenario, windows),
    windows,
  };
}

/** A trial, or why there is none. */
async function trialOf(
  entrant: Entrant,
  scenario: Scenario,
  stable: Stable,
  grounds: Grounds,
): Promise<Trial | string> {
  const { peer, shape } = entrant;
  const generator = generators[scenario.demand.protocol];
  if (generator.version === null) return `${MISSING}apt-get install nghttp2-client`;
  if (PEERS[peer]!.version() === null) return MISSING + PEERS[peer]!.install;
  // All of a scenario stand where its largest needs to be, or the small ones would have more room.
  const placement = placementOf(Math.max(...scenario.entrants.map((other) => other.shape.workers)));
  const stall = await stable.get(entrant, placement);
  if (typeof stall === 'string') return stall;
  const wrong = await whatIsWrong(stall, scenario.demand);
  if (wrong !== null) return wrong;
  const origin = shape.origin === 'http' ? grounds.http : grounds.echo;
  return { scenario, entrant: entrant.name, peer, stall, origins: [origin.running], generator, placement };
}

/** Round by round, everybody in turn. One that breaks is out, with its reason in `absent`. */
async function alternate(trials: readonly Trial[], absent: Record<string, string>): Promise<Window[]> {
  const windows: Window[] = [];
  for (let round = 0; round < terms.rounds; round++) {
    for (const trial of trials) {
      const { scenario, entrant } = trial;
      if (absent[entrant] !== undefined) continue;
      try {
        if (round === 0) await warmUp(trial, warm.has(trial.stall) ? WARM_AGAIN_S : terms.warmUpS);
        warm.add(trial.stall);
        const window = await measureWindow(trial, round, terms.seconds);
        windows.push(window);
        const cost = `${costOf(window, scenario.per).toFixed(2)} ${unitOf(scenario.per)}`;
        say(`  ${scenario.name} round ${round + 1}/${terms.rounds} ${entrant}: ${cost}`);
      } catch (error) {
        absent[entrant] = String(error instanceof Error ? error.message : error).slice(0, 600);
        say(`  ${scenario.name} ${entrant}: ${absent[entrant]}`);
      }
    }
  }
  return windows;
}

function report({ name, title, per, entrants }: Scenario, { summary, windows, absent }: Section): void {
  const rows = summary.map((line) => [
    line.entrant,
    String(line.requestsPerSecond),
    line.p50Ms.toFixed(2),
    line.p99Ms.toFixed(2),
    line.cpu.toFixed(per === 'MB' ? 3 : 1),
    line.ratio?.toFixed(2) ?? '–',
    String(line.errors),
  ]);
  const missing = Object.entries(absent).map(([entrant, why]) => [entrant, why.split('\n')[0]!]);
  const others = new Set(entrants.map(({ beside }) => beside));
  const ratio = others.size === 1 ? `÷ ${[...others][0]}` : '÷ its own';
  const head = [`${name}: ${title}`, 'requests/s', 'p50 ms', 'p99 ms', `CPU ${unitOf(per)}`, ratio, 'errors'];
  say(`\n${tableOf(head, [...rows, ...missing])}`);
  const foreign = median(windows.map((window) => window.foreignRatio));
  const crowded = entrants.some(({ shape }) => isCrowded(shape.workers))
    ? ' All cores are the workers’, so the load generator has no room: only CPU per request says something.'
    : '';
  say(`Other processes took ${(foreign * 100).toFixed(0)} % of a core in the median window.${crowded}\n`);
}

function minutesOf(scenarios: readonly Scenario[]): number {
  const entrants = scenarios.flatMap((scenario) => scenario.entrants);
  const stalls = new Set(entrants.map(({ peer, shape }) => peer + JSON.stringify(shape))).size;
  const windowsS = entrants.length * (WARM_AGAIN_S + terms.rounds * (terms.seconds + 0.15));
  return Math.ceil((windowsS + stalls * (terms.warmUpS - WARM_AGAIN_S + 0.5)) / 60);
}
