import { Counter, Gauge, type Registry } from 'prom-client';
import type { BusNode } from '../busNode.ts';
import type { Serving } from '../serving.ts';

export type Labels = Readonly<Record<string, string>>;
/** A value with its labels, of those that every metric has apart. */
export type Reading = readonly [Labels, number];

/** Defines a metric `indexbus_NAME`, of which each scrape reads the values. */
export type Define = (name: string, help: string, labels: readonly string[], read: () => readonly Reading[]) => void;

/** Where the metrics of a router are registered. */
export interface Register {
  readonly node: BusNode;
  readonly registry: Registry;
  /** Labels that every metric of this router has, with their values. */
  readonly own: Labels;
  readonly counter: Define;
  readonly gauge: Define;
  /** What a scrape reads while a segment is served; nothing while none is. */
  serving(read: (serving: Serving) => readonly Reading[]): () => readonly Reading[];
  /** One number of the segment that is served. */
  one(read: (serving: Serving) => number): () => readonly Reading[];
}

/** The register of a router's metrics. */
export function createRegister(node: BusNode): Register {
  const { registry } = node.host.telemetry;
  const own: Labels = { region: node.config.region, router_id: node.routerId, segment: node.config.segment.name };
  const options = (name: string, help: string, labels: readonly string[]) => ({
    name: `indexbus_${name}`,
    help,
    labelNames: [...Object.keys(own), ...labels],
    registers: [registry],
  });
  const serving: Register['serving'] = (read) => () => (node.serving === undefined ? [] : read(node.serving));
  return {
    node,
    registry,
    own,
    counter(name, help, labels, read) {
      new Counter({
        ...options(name, help, labels),
        collect() {
          this.reset();
          for (const [more, value] of read()) this.inc({ ...own, ...more }, value);
        },
      });
    },
    gauge(name, help, labels, read) {
      new Gauge({
        ...options(name, help, labels),
        collect() {
          this.reset();
          for (const [more, value] of read()) this.set({ ...own, ...more }, value);
        },
      });
    },
    serving,
    one: (read) => serving((it) => [[{}, read(it)]]),
  };
}
