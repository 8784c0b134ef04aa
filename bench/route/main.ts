// Does traffic take the path of least time? Five benches under one command; what follows is passed on to the one chosen.
//   npm run bench:route                 the score against an omniscient router and peers' policies, simulated (sim.ts)
//   npm run bench:route -- --real       the running proxy, nginx, HAProxy and Caddy before the same real origins (real.ts)
//   npm run bench:route -- --cohorts    clients in a wrong region, by samples of their prefix (cohorts.ts)
//   npm run bench:route -- --fleet     many edges that share what they measured, simulated (fleet.ts)
//   npm run bench:route -- --process    the running process: shares, kill -9, revival; --explain (process.ts)

const KINDS = ['real', 'cohorts', 'process', 'fleet'] as const;

const kind = KINDS.find((name) => process.argv.includes(`--${name}`)) ?? 'sim';
if (process.argv.includes('--help')) {
  console.log(
    'usage: npm run bench:route -- [--real | --cohorts | --process | --fleet] [options of that bench: see its head]',
  );
  console.log(
    '       simulated by default: --policy a,b --scenario a,b --seeds 5 --provider aws|gcp|both --trace --json',
  );
} else {
  process.argv = process.argv.filter((arg) => arg !== `--${kind}`);
  await import(`./${kind}.ts`);
}
