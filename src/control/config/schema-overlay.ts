// The form of `overlay` in the file: who the other edges are, and how they know each other. What it means is docs/overlay.md.

import { z } from 'zod';
import { duration, name, number, text } from './leaf.ts';
import { file, location, region } from './schema-common.ts';
import { parseAddress } from './values.ts';
import { parsePeerUrl } from './values-overlay.ts';

const peer = z.strictObject({
  id: name('the node.id of the other edge').describe('Its node.id; with TLS a name that its certificate holds'),
  url: text('https://HOST:PORT of its overlay address, http:// without TLS', (value) =>
    parsePeerUrl(value) === null ? 'not the address of an edge' : null,
  ).describe('Where its overlay listener is reached'),
  region: region.optional().describe('Where it is: for residency rules, which hold for relays too'),
  location: location.optional(),
  costMs: number(0, 60_000).default(0).describe('Price of a request over it, in the milliseconds that it is worth'),
  egressUsdPerGb: number(0, 1000)
    .default(0)
    .describe('Price of what it sends back; counted on top of the endpoint’s own'),
});

const secret = text('at least 16 characters that all edges know', (value) => (value.length < 16 ? 'too short' : null));

export const overlay = z
  .strictObject({
    address: text('host:port or :port', (value) =>
      parseAddress(value) === null ? 'not an address to listen on' : null,
    ).describe('Where other edges reach this one; nobody else should'),
    peers: z.array(peer).default([]).describe('The other edges'),
    tls: z
      .strictObject({
        ca: file.describe('PEM of the fleet’s own CA: who it signed, and is among the peers, is believed'),
        cert: file.describe('PEM; its names hold this node’s id; for both directions'),
        key: file.describe('PEM, not encrypted'),
      })
      .nullable()
      .default(null)
      .describe('Mutual TLS between edges; null = plain connections and signed headers: for private networks'),
    secret: secret.nullable().default(null).describe('Signs what edges ask of each other; required without TLS'),
    otherSecret: secret
      .nullable()
      .default(null)
      .describe('Believed as well as `secret`, while edges change from one to another; nothing is signed with it'),
    interval: duration().default('1s').describe('How often each peer is asked for what it measured'),
    match: z
      .enum(['url', 'id'])
      .default('url')
      .describe('An endpoint is the same at two edges when pool and id are, and (url) its URL too'),
  })
  .nullable()
  .default(null)
  .describe('Ways over other edges, for routes that allow it');
