// What Fermat costs, beside its peers. Benches under one command; what follows is passed on to the one chosen.
//   npm run bench:load                  CPU per request, requests/s and latency under full load (compare.ts)
//   npm run bench:load -- latency       latency added at a fixed rate, and the longest pause (latency.ts)
//   npm run bench:load -- memory        what a GiB and an idle connection cost in memory (memory.ts)
//   npm run bench:load -- floods        what HTTP/2 floods do to other clients (floods.ts)
//   npm run bench:load -- tracing       what traces cost (tracing.ts)
//   npm run bench:load -- access        what a line of the access log costs (access.ts)
//   npm run bench:load -- readme        puts the figures into README.md and docs/benchmarks.md (readme.ts)

const KINDS = ['latency', 'memory', 'floods', 'tracing', 'access', 'readme'];

const first = process.argv[2] ?? '';
if (KINDS.includes(first)) {
  process.argv.splice(2, 1);
  await import(`./${first}.ts`);
} else {
  await import('./compare.ts');
}
