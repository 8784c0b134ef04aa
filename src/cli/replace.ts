// `fermat run --replace`: has the node that runs replace itself by a process of what is installed now, without closing a
// connection. The running one does it, since it has the sockets; here it is asked, waited for, and told about.

import type { NodeView, ReplaceResult } from '../control/types.ts';
import { AdminClient, type AdminFlags } from './client.ts';
import { complain, EXIT, type ExitCode, print, printJson } from './exit.ts';

/** Longer than a node waits for its successor. ms */
const REPLACE_MS = 45_000;

/** 78 when the successor did not like its configuration, 1 for every other failure: then all is as it was. */
export async function replace(flags: AdminFlags): Promise<ExitCode> {
  const client = await AdminClient.open(flags);
  const { pid, version } = await client.get<NodeView>('/api/v1/node');
  if (!flags.json) print(`process ${pid} (version ${version}) starts its successor …`);
  const answer = await client.ask('POST', '/api/v1/replace', REPLACE_MS);
  const result = resultOf(answer.text);
  if (result === null) return client.refuse(answer);
  if (flags.json) printJson(result);
  else if (result.ok) {
    print(`process ${result.pid} (version ${result.version}) serves, ready in ${result.readyMs} ms`);
    print(`process ${pid} ends what it has begun`);
  } else {
    for (const problem of result.problems) complain(problem);
    complain(`not replaced: process ${pid} goes on`);
  }
  if (result.ok) return EXIT.OK;
  return result.code === 'config_invalid' ? EXIT.CONFIG : EXIT.FAILED;
}

function resultOf(text: string): ReplaceResult | null {
  try {
    const body = JSON.parse(text) as Partial<ReplaceResult> | null;
    return typeof body?.ok === 'boolean' && Array.isArray(body.problems) ? (body as ReplaceResult) : null;
  } catch {
    return null;
  }
}
