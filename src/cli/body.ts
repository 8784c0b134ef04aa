// The body of an answer as text, bounded: whoever answers may not be who was asked.

import type { IncomingMessage } from 'node:http';

/** Rejects when there is more than `most`, in characters. */
export async function textOf(response: IncomingMessage, most: number): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) {
    text += chunk;
    if (text.length > most) throw new Error('the answer is too long');
  }
  return text;
}
