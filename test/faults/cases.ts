// All rows, in the order of the tables of faults.

import type { AbsentCase, FaultCase } from './case.ts';
import { BODIES } from './rows/bodies.ts';
import { CLIENTS } from './rows/clients.ts';
import { CROWDS } from './rows/crowds.ts';
import { ENDPOINT_TLS } from './rows/endpoint-tls.ts';
import { GONE } from './rows/gone.ts';
import { NAMES } from './rows/names.ts';
import { OUTAGE } from './rows/outage.ts';
import { OVERLOAD } from './rows/overload.ts';
import { PROCESS } from './rows/process.ts';
import { REDIS } from './rows/redis.ts';
import { RELOAD } from './rows/reload.ts';
import { SLOW } from './rows/slow.ts';
import { STATE } from './rows/state.ts';
import { TAIL } from './rows/tail.ts';
import { UNSTEADY } from './rows/unsteady.ts';

export const CASES: readonly FaultCase[] = [
  ...[GONE, SLOW, TAIL, UNSTEADY, OUTAGE, ENDPOINT_TLS, NAMES].flat(),
  ...[STATE, REDIS, RELOAD].flat(),
  ...[CROWDS, CLIENTS, OVERLOAD, BODIES, PROCESS].flat(),
];

export const ABSENT: readonly AbsentCase[] = [];
