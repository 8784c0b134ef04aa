// From the form of `tracing` to what the node works with.

import { findRegion } from '../../../geoip/regions.ts';
import type { TracingSpec } from '../../core/trace.ts';
import type { FileConfig } from './schema.ts';
import { parseDuration } from './values.ts';
import { collectorUrl } from './values-tracing.ts';

export interface TracingConfig {
  /** What workers do. */
  readonly spec: TracingSpec;
  readonly collector: CollectorConfig;
  /** Who made the spans: attributes of the resource. */
  readonly resource: Readonly<Record<string, string>>;
}

export interface CollectorConfig {
  /** The whole of it. */
  readonly url: string;
  /** Secrets may be among them. */
  readonly headers: Readonly<Record<string, string>>;
  readonly isCompressed: boolean;
  readonly timeoutMs: number;
}

/** null = no request is traced. */
export function tracingOf({ tracing, node, logging }: FileConfig, nodeId: string): TracingConfig | null {
  const { otlp, headers, compression, timeout, sample, parentBased, propagate, maxSpansPerSecond } = tracing;
  if (otlp === null) return null;
  const redactQuery = logging.accessLog.redact.query.map((name) => name.toLowerCase());
  return {
    spec: { ratio: sample, parentBased, propagate, redactQuery, maxSpansPerSecond },
    collector: {
      url: collectorUrl(otlp) as string,
      headers,
      isCompressed: compression === 'gzip',
      timeoutMs: parseDuration(timeout)!,
    },
    resource: {
      'service.name': tracing.serviceName,
      'service.instance.id': nodeId,
      'telemetry.sdk.name': 'fermat',
      'telemetry.sdk.language': 'nodejs',
      ...placeOf(node.region),
      ...tracing.resource,
    },
  };
}

/** `aws:eu-central-1` as OpenTelemetry's resources say it. */
function placeOf(region: string | undefined): Record<string, string> {
  if (region === undefined || findRegion(region) === null) return {};
  const [provider, name] = region.split(':');
  return name === undefined ? {} : { 'cloud.provider': provider!, 'cloud.region': name };
}
