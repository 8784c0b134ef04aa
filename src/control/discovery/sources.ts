// Which class a kind of source is. The one place that knows them all.

import type { Book } from './book.ts';
import { ConsulSource } from './consul.ts';
import { DirectorySource } from './directory.ts';
import { DnsSource } from './dns.ts';
import { KubernetesSource } from './kubernetes.ts';
import { RegistrySource } from './registry.ts';
import type { Sink, Source, SourceTools } from './source.ts';
import type { SourceSpec } from './spec.ts';

export interface SourceParts {
  readonly sink: Sink;
  readonly tools: SourceTools;
  /** Name servers, [] = the system's. */
  readonly resolvers: readonly string[];
  /** Of a registry: who has registered. */
  readonly book: Book;
}

export function sourceOf(spec: SourceSpec, { sink, tools, resolvers, book }: SourceParts): Source {
  switch (spec.kind) {
    case 'dns':
      return new DnsSource(spec, sink, tools, resolvers);
    case 'directory':
      return new DirectorySource(spec, sink, tools);
    case 'kubernetes':
      return new KubernetesSource(spec, sink, tools);
    case 'consul':
      return new ConsulSource(spec, sink, tools);
    case 'registry':
      return new RegistrySource(book, sink, tools);
  }
}
