// The verbs that change something in the running node, or ask whether it is well: reload, drain, enable, healthcheck.

import type { ReloadResult } from '../control/types.ts';
import { AdminClient, type AdminFlags } from './client.ts';
import { CliError, complain, EXIT, type ExitCode, print, printJson } from './exit.ts';

/** Shorter than any orchestrator waits. ms */
const HEALTHCHECK_MS = 3000;
/** A reload reads databases and certificates anew. ms */
const RELOAD_MS = 60_000;

export async function reload(flags: AdminFlags): Promise<ExitCode> {
  const client = await AdminClient.open(flags);
  const answer = await client.ask('POST', '/api/v1/reload', RELOAD_MS);
  const result = resultOf(answer.text);
  // A refusal of another kind: say what `post` would.
  if (result === null) return client.refuse(answer);
  if (flags.json) printJson(result);
  else if (result.ok) print(`reloaded: version ${result.version}`);
  else {
    for (const problem of result.problems) complain(problem);
    complain(`not reloaded: version ${result.version} stays`);
  }
  return result.ok ? EXIT.OK : EXIT.CONFIG;
}

function resultOf(text: string): ReloadResult | null {
  try {
    const body = JSON.parse(text) as Partial<ReloadResult> | null;
    return typeof body?.ok === 'boolean' && Array.isArray(body.problems) ? (body as ReloadResult) : null;
  } catch {
    return null;
  }
}

export async function setEndpoint(id: string, action: 'drain' | 'enable', flags: AdminFlags): Promise<ExitCode> {
  const answer = await (await AdminClient.open(flags)).post<unknown>(
    `/api/v1/endpoints/${encodeURIComponent(id)}/${action}`,
  );
  if (flags.json) printJson(answer);
  else print(action === 'drain' ? `${id}: draining, no new requests` : `${id}: enabled`);
  return EXIT.OK;
}

export async function healthcheck(flags: AdminFlags): Promise<ExitCode> {
  const client = await AdminClient.open(flags);
  const { isReady, why } = await readinessOf(client);
  if (flags.json) printJson({ ready: isReady, why });
  else if (isReady) print('ready');
  else complain(`not ready: ${why}`);
  return isReady ? EXIT.OK : EXIT.FAILED;
}

async function readinessOf(client: AdminClient): Promise<{ isReady: boolean; why: string | null }> {
  try {
    const { status, text } = await client.ask('GET', '/readyz', HEALTHCHECK_MS);
    return status === 200
      ? { isReady: true, why: null }
      : { isReady: false, why: `status ${status} ${text.trim().slice(0, 200)}` };
  } catch (error) {
    if (error instanceof CliError) return { isReady: false, why: error.message };
    throw error;
  }
}
