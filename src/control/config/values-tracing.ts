// The address of a collector, as people write it: its base, as OTEL_EXPORTER_OTLP_ENDPOINT has it, or the whole.

import { hostOf } from './values.ts';

const PATH = '/v1/traces';

/** Where batches go, or in words what is wrong. The path for traces is added unless it is there. */
export function collectorUrl(text: string): string | { readonly wrong: string } {
  if (!/^https?:\/\//i.test(text) || /[\s\\]/.test(text)) return { wrong: 'not a URL of http or https' };
  if (!URL.canParse(text)) return { wrong: 'not a URL' };
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return { wrong: 'user and password belong into headers' };
  if (url.hash !== '') return { wrong: 'a fragment is never sent' };
  if (hostOf(url.hostname) === null) return { wrong: 'not a host name or address' };
  const base = url.pathname.replace(/\/+$/, '');
  if (!base.endsWith(PATH)) url.pathname = base + PATH;
  return url.href;
}
