import type { Gauge, Registry } from 'prom-client';
import type { BusNode } from '../busNode.ts';
import type { Serving } from '../serving.ts';

export type Labels = Readonly<Record<string, string>>;
/** A value with its labels, of those that every metric has apart. */
export type Reading = readonly [Labels, number];

/** Values of a metric as prom-client writes them. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** Where it is not the metric's: `_bucket`, `_sum` and `_count` of a histogram. */
  readonly metricName?: string;
}

/** Defines a metric `indexbus_NAME`, of which each scrape reads the values. */
export type Define = (name: string, help: string, read: () => readonly Reading[]) => void;

/** Where the metrics of a router are registered. */
export interface Register {
  readonly node: BusNode;
  readonly counter: Define;
  readonly gauge: Define;
  histogram(name: string, help: string, read: () => readonly Sample[]): void;
  /** What a scrape reads while a segment is served; nothing while none is. */
  serving(read: (serving: Serving) => readonly Reading[]): () => readonly Reading[];
  /** One number of the segment that is served. */
  one(read: (serving: Serving) => number): () => readonly Reading[];
}

/** The register of a router's metrics. */
export function createRegister(node: BusNode): Register {
  const { registry } = node.host.telemetry;
  // Labels that every metric of this router has: one object, of which the text is made once.
  const own: Labels = { region: node.config.region, router_id: node.routerId, segment: node.config.segment.name };
  const readings = (read: () => readonly Reading[]) => () =>
    read().map(([labels, value]): Sample => ({ labels, value }));
  const serving: Register['serving'] = (read) => () => (node.serving === undefined ? [] : read(node.serving));
  return {
    node,
    counter: (name, help, read) => give(registry, own, { type: 'counter', name, help, read: readings(read) }),
    gauge: (name, help, read) => give(registry, own, { type: 'gauge', name, help, read: readings(read) }),
    histogram: (name, help, read) => give(registry, own, { type: 'histogram', name, help, read }),
    serving,
    one: (read) => serving((it) => [[{}, read(it)]]),
  };
}

interface Metric {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly name: string;
  readonly help: string;
  readonly read: () => readonly Sample[];
}

/**
 * Registers a metric whose values are given as they are scraped. prom-client's own classes keep each value under a hash of its labels, which costs half of
 * a scrape where all are read anew, and have no way to set a histogram.
 */
function give(registry: Registry, own: Labels, { type, name, help, read }: Metric): void {
  const metric = {
    name: `indexbus_${name}`,
    help,
    type,
    aggregator: 'sum',
    async get() {
      const values = read().map((sample) => ({ ...sample, sharedLabels: own }));
      return { name: this.name, help, type, aggregator: 'sum', values };
    },
    reset() {},
  };
  // What prom-client asks of a metric is `get` and its name; its types know its own classes only.
  registry.registerMetric(metric as unknown as Gauge);
}
