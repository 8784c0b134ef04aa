// npm run bench:fleet -- NAME …: what a fleet is measured by, one file each.

const BENCHES = {
  cold: 'a node started cold beside three warm ones: how many of its first requests go to the wrong region',
  limits: 'global rate limits over several nodes',
  locality: 'tenants moved between regions under traffic',
  overlay: 'paths over another edge',
  'redis-traffic': 'bytes and commands to Redis per node, by the size of the fleet',
} as const;

const [name = 'cold', ...rest] = process.argv.slice(2);
if (!Object.hasOwn(BENCHES, name)) {
  console.error(`npm run bench:fleet -- NAME …; NAME is one of:`);
  for (const [known, what] of Object.entries(BENCHES)) console.error(`  ${known.padEnd(14)} ${what}`);
  process.exit(name === '--help' ? 0 : 2);
}
// Each reads its own flags.
process.argv.splice(2, process.argv.length - 2, ...rest);
await import(`./${name}.ts`);
