import type { Host } from '../host/host.ts';
import type { World } from '../sim/world.ts';
import { type MetricFamily, parseExposition } from './exposition.ts';
import { createScrapeTarget, type ScrapeTarget } from './promql/scrape.ts';
import type { SeriesStore } from './promql/seriesStore.ts';
import type { MetricRecord } from './runRecord.ts';
import type { Stand, StandSession } from './stands/stand.ts';
import { createRouteClient, type RouteClient } from './wire/routeClient.ts';

/** Prometheus' `scrape_interval` and `scrape_timeout`, in virtual milliseconds. */
export const scrapeIntervalMs = 15_000;
const scrapeTimeoutMs = 10_000;

export interface Scraper {
  /** Begins one scrape of every target now; samples carry this moment's time. */
  scrape(): Promise<void>;
  /** HELP and TYPE of what was seen. */
  readonly families: ReadonlyMap<string, MetricFamily>;
}

interface Target {
  readonly client: RouteClient;
  readonly engine: ScrapeTarget;
  readonly exporter: ScrapeTarget;
}

/**
 * Scrapes `/metrics` of every node over the network, from a machine of its own, as Prometheus would: a node that hangs or
 * is cut off has `up` 0. Series that the stand exports for the machine come as from a node_exporter on port 9100.
 */
export function createScraper(
  world: World,
  host: Host,
  stand: Stand,
  session: StandSession,
  nodes: readonly string[],
  store: SeriesStore,
): Scraper {
  const families = new Map<string, MetricFamily>();
  const targets = new Map<string, Target>();
  for (const node of nodes) {
    targets.set(node, {
      client: createRouteClient(host, { host: node, port: stand.port }, { timeoutMs: scrapeTimeoutMs }),
      engine: createScrapeTarget(store, { job: stand.engine.name, instance: `${node}:${stand.port}` }),
      exporter: createScrapeTarget(store, { job: 'node', instance: `${node}:9100` }),
    });
  }

  async function scrapeNode(node: string, { client, engine, exporter }: Target): Promise<void> {
    const atMs = world.now;
    const extra = session.extraMetrics(node);
    for (const sample of extra) families.set(sample.name, { help: sample.help, type: sample.type });
    exporter.succeeded(atMs, extra);
    const result = await client.call({ method: 'GET', path: '/metrics' });
    if (result.outcome !== 'ok') return engine.failed(atMs);
    const page = parseExposition(String(result.body));
    for (const [name, family] of page.families) families.set(name, family);
    engine.succeeded(atMs, page.samples);
  }

  return {
    families,
    async scrape() {
      await Promise.all([...targets].map(([node, target]) => scrapeNode(node, target)));
    },
  };
}

/** Everything that was scraped or recorded, as plain data. Staleness markers are left out. */
export function recordMetrics(store: SeriesStore, families: ReadonlyMap<string, MetricFamily>): MetricRecord[] {
  return store.metricNames().map((name) => {
    const base = name.replace(/_(?:bucket|sum|count)$/, '');
    const family = families.get(name) ?? families.get(base) ?? { help: '', type: 'untyped' };
    const series = store.seriesOf(name).map((one) => {
      const { __name__: _, ...labels } = one.labels;
      const points: [number, number][] = [];
      for (let index = 0; index < one.length; index++) {
        const value = one.valueAt(index);
        if (!one.isStaleAt(index) && Number.isFinite(value)) points.push([one.timeAt(index), value]);
      }
      return { labels, points };
    });
    return { name, help: family.help, type: family.type, series };
  });
}
