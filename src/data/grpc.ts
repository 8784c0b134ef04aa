// What gRPC asks of a proxy beyond HTTP/2.

import { FIELD } from '../wire/fields.ts';
import type { RequestHead } from '../wire/request.ts';

/** Whether a request is a gRPC call. */
export function isGrpc(head: RequestHead): boolean {
  const at = head.find(FIELD.CONTENT_TYPE);
  return at >= 0 && head.valueStartsWith(at, 'application/grpc');
}
