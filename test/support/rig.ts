// One real process in front of one scripted origin, for a whole test file: started once, the origin reset between tests.

import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { type Config, type Fermat, simpleConfig, startFermat } from './fermat.ts';
import { type Origin, type OriginRequest, startOrigin } from './origin.ts';
import { type Answer, get, rawClient } from './raw.ts';

export interface Rig {
  readonly fermat: Fermat;
  readonly origin: Origin;
  readonly port: number;
  /** Sends `bytes` and wants a refusal: the status, the close, and nothing whole at the origin. */
  refused(bytes: string | Buffer, statuses: number | readonly number[]): Promise<Answer>;
  /** Sends `bytes`, gives the answer and what the origin saw. */
  passed(bytes: string | Buffer, method?: string): Promise<{ answer: Answer; request: OriginRequest }>;
  /** Everything the origin was asked before now has arrived there: one more request went through after it. */
  settled(): Promise<readonly OriginRequest[]>;
}

const SENTINEL = '/sentinel';

/** Registers the hooks; use the result inside tests only. */
export function useRig(makeConfig: (origin: Origin) => Config = (origin) => simpleConfig([origin.url])): Rig {
  let fermat: Fermat | undefined;
  let origin: Origin | undefined;

  beforeAll(async () => {
    origin = await startOrigin();
    fermat = await startFermat(makeConfig(origin));
  });
  afterEach(() => {
    const faults = [...(origin?.faults ?? [])];
    origin?.reset();
    expect(faults).toEqual([]);
    expect(fermat?.exit ?? null).toBeNull();
    // A worker that dies and is replaced would go unnoticed otherwise.
    expect(fermat?.events.filter(({ level }) => level === 'error')).toEqual([]);
  });
  afterAll(async () => {
    await fermat?.stop();
    await origin?.refuse();
  });

  const rig: Rig = {
    get fermat() {
      return fermat!;
    },
    get origin() {
      return origin!;
    },
    get port() {
      return fermat!.port;
    },
    async refused(bytes, statuses) {
      using client = await rawClient(rig.port);
      await client.send(bytes);
      const answer = await client.answer();
      expect([statuses].flat()).toContain(answer.status);
      expect(answer.field('proxy-status')).toMatch(/^fermat; error=[a-z_]+$/);
      expect(answer.field('connection')).toBe('close');
      expect(await client.closed()).toBe('end');
      expect(client.pending.toString('latin1')).toBe('');
      expect((await rig.settled()).filter((request) => request.isWhole).map((request) => request.start)).toEqual([]);
      return answer;
    },
    async passed(bytes, method = 'GET') {
      rig.origin.requests.length = 0;
      using client = await rawClient(rig.port);
      await client.send(bytes);
      const answer = await client.answer(method);
      return { answer, request: rig.origin.request };
    },
    async settled() {
      const { script } = rig.origin;
      rig.origin.script = (request) => (request.target === SENTINEL ? request.answer() : script(request));
      using client = await rawClient(rig.port);
      await client.send(get(SENTINEL));
      expect((await client.answer()).status).toBe(200);
      rig.origin.script = script;
      return rig.origin.requests.filter((request) => request.target !== SENTINEL);
    },
  };
  return rig;
}

/** Fields that Fermat adds or owns; the rest of what an endpoint sees is the client's. */
const OWN = new Set([
  'via',
  'cdn-loop',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-request-id',
]);

/** The client's own field lines as the endpoint saw them, in order. */
export function clientFields(request: OriginRequest): string[] {
  return request.fields.filter(([name]) => !OWN.has(name.toLowerCase())).map(([name, value]) => `${name}: ${value}`);
}
