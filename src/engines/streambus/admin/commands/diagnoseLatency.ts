import type { SlowQuery } from '../../kafka/slowLog.ts';
import { type AdminClient, ask, type Console, Exit, NoAnswer, Refused, table } from './command.ts';
import { quantileOf, readExposition, type Sample } from './exposition.ts';
import { type ReportConsole, withJson } from './json.ts';
import type { HostFigures, Members } from './shapes.ts';

/** Histograms of interest, with the label that tells their series apart. */
const histograms: readonly (readonly [string, string | undefined])[] = [
  ['request_duration_seconds', 'api'],
  ['streambus_produce_latency_seconds', 'stage'],
  ['streambus_fetch_latency_seconds', 'stage'],
  ['streambus_commit_latency_seconds', 'stage'],
  ['streambus_journal_sync_duration_seconds', undefined],
];
/** Slower than this, in milliseconds, is worth a word. */
const slow = { request: 1_000, sync: 100, roundTrip: 50 };
const slowShown = 10;

interface Suspicion {
  readonly what: string;
  readonly weight: number;
}

interface Latency {
  readonly round_trips: readonly { readonly to: number; readonly average_ms: number | null }[];
}

interface HistogramRow {
  readonly broker: number;
  readonly histogram: string;
  /** Of its series; empty where it has one alone. */
  readonly series: string;
  readonly count: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
}

/** What was looked at, and what of it is slow, the heaviest first once it is over. */
interface Findings {
  readonly histograms: HistogramRow[];
  readonly hosts: HostFigures[];
  readonly round_trips: { readonly from: number; readonly to: number; readonly average_ms: number | null }[];
  readonly suspicions: Suspicion[];
}

async function metricsOf(client: AdminClient, broker: number): Promise<readonly Sample[]> {
  return readExposition(String(await ask<unknown>(client, 'GET', '/metrics', { to: broker })));
}

/** Prints the quantiles of one broker, and notes what is slow. */
function showMetrics(console: Console, broker: number, samples: readonly Sample[], findings: Findings): void {
  const { suspicions: found } = findings;
  const rows: (string | number)[][] = [];
  for (const [name, label] of histograms) {
    const series = new Set(
      samples.flatMap((sample) => (sample.name === `${name}_bucket` ? [sample.labels[label ?? ''] ?? ''] : [])),
    );
    for (const value of [...series].sort()) {
      const buckets = samples.filter(
        (sample) => sample.name === `${name}_bucket` && (label === undefined || sample.labels[label] === value),
      );
      const count = Math.max(0, ...buckets.map((bucket) => bucket.value));
      if (count === 0) continue;
      const p50 = quantileOf(buckets, 0.5) * 1_000;
      const p99 = quantileOf(buckets, 0.99) * 1_000;
      findings.histograms.push({ broker, histogram: name, series: value, count, p50_ms: p50, p99_ms: p99 });
      rows.push([`${name}${value === '' ? '' : ` ${value}`}`, count, p50.toFixed(1), p99.toFixed(1)]);
      if (name === 'streambus_journal_sync_duration_seconds' && p99 > slow.sync) {
        found.push({
          what: `the disk of broker-${broker} syncs slowly: p99 ${p99.toFixed(0)} ms`,
          weight: p99 / slow.sync,
        });
      }
      if (name === 'streambus_produce_latency_seconds' && value === 'replicate' && p99 > slow.request) {
        found.push({
          what: `replicas of broker-${broker} answer slowly: p99 ${p99.toFixed(0)} ms`,
          weight: p99 / slow.request,
        });
      }
      if (name === 'request_duration_seconds' && p99 > slow.request) {
        found.push({ what: `${value} takes long on broker-${broker}: p99 ${p99.toFixed(0)} ms`, weight: 0.5 });
      }
    }
  }
  console.line(`--- broker-${broker} ---`);
  for (const line of table(['HISTOGRAM', 'COUNT', 'P50 MS', 'P99 MS'], rows)) console.line(line);
}

async function showResources(client: AdminClient, console: Console, broker: number, findings: Findings): Promise<void> {
  const figures = await ask<HostFigures>(client, 'GET', '/admin/host', { to: broker });
  findings.hosts.push(figures);
  const { disk, memory, connections, tasks, uptime_s: uptime } = figures;
  const used = disk === null ? 'unknown' : `${Math.round((1 - disk.free_bytes / disk.total_bytes) * 100)}% used`;
  const share = Math.round((memory.used_bytes / memory.limit_bytes) * 100);
  console.line(
    `broker-${broker}: up ${uptime} s, disk ${used}, memory ${share}% of its limit, ${connections} connections, ${tasks} tasks`,
  );
  if (share > 90)
    findings.suspicions.push({ what: `broker-${broker} is short of memory: ${share}% of its limit`, weight: 1 });
}

async function run(client: AdminClient, console: ReportConsole): Promise<number> {
  const findings: Findings = { histograms: [], hosts: [], round_trips: [], suspicions: [] };
  const { suspicions: found } = findings;
  const { members } = await ask<Members>(client, 'GET', '/admin/cluster/members');
  const brokers = members.filter(({ state }) => state !== 'left').map(({ broker_id: id }) => id);
  if (!members.some(({ raft_state: state }) => state === 'leader')) {
    found.push({
      what: 'nobody leads the metadata: hotfire streambus check-quorum says which voters are missing',
      weight: 4,
    });
  }
  const each = async (work: (broker: number) => Promise<void>) => {
    for (const broker of brokers) {
      try {
        await work(broker);
      } catch (error) {
        if (!(error instanceof Refused) && !(error instanceof NoAnswer)) throw error;
        console.line(`broker-${broker}: ${error.message}`);
        found.push({ what: `broker-${broker} does not answer`, weight: 2 });
      }
    }
  };
  console.line('=== Broker Metrics ===');
  await each(async (broker) => showMetrics(console, broker, await metricsOf(client, broker), findings));
  console.line('=== System Resources ===');
  await each((broker) => showResources(client, console, broker, findings));
  console.line('=== Network Latency ===');
  await each(async (broker) => {
    const { round_trips: trips } = await ask<Latency>(client, 'GET', '/admin/cluster/latency', { to: broker });
    for (const { to, average_ms: average } of trips) {
      findings.round_trips.push({ from: broker, to, average_ms: average });
      console.line(`broker-${broker} to broker-${to}: ${average === null ? 'no answer' : `${average} ms`}`);
      if (average === null) found.push({ what: `broker-${broker} does not reach broker-${to}`, weight: 2 });
      else if (average > slow.roundTrip) {
        found.push({ what: `broker-${broker} to broker-${to} takes ${average} ms`, weight: average / slow.roundTrip });
      }
    }
  });
  console.line('=== Recent Slow Queries ===');
  const queries: SlowQuery[] = [];
  await each(async (broker) => {
    const query = { limit: String(slowShown) };
    queries.push(...(await ask<readonly SlowQuery[]>(client, 'GET', '/admin/slow-queries', { to: broker, query })));
  });
  const newest = queries.sort((left, right) => (left.at < right.at ? 1 : -1)).slice(0, slowShown);
  const rows = newest.map((row) => [
    row.at,
    row.api,
    row.client_id,
    row.topic,
    row.partition,
    row.duration_ms,
    row.journal_ms,
    row.replicate_ms,
  ]);
  const headings = ['AT', 'API', 'CLIENT', 'TOPIC', 'PARTITION', 'MS', 'JOURNAL MS', 'REPLICATE MS'];
  for (const line of table(headings, rows)) console.line(line);
  const unique = [...new Set(found.sort((left, right) => right.weight - left.weight).map(({ what }) => what))];
  const { histograms, hosts, round_trips } = findings;
  console.data({ slow: unique, histograms, hosts, round_trips, slow_queries: newest });
  console.line('=== Verdict ===');
  if (found.length === 0) {
    console.line('✓ nothing is slow');
    return Exit.good;
  }
  for (const what of unique) console.line(`! ${what}`);
  return Exit.bad;
}

export const diagnoseLatency = withJson({
  name: 'diagnose-latency',
  summary: 'where the time goes: metrics, resources, network, slow queries, and a verdict',
  words: '',
  options: [],
  run,
});
