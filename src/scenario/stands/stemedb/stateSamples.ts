import type { Registry } from 'prom-client';
import type { StateSample } from '../../../checkers/stemedb/evidence.ts';

const prefix = 'stemedb_';

interface Value {
  readonly labels: Readonly<Record<string, string | number | undefined>>;
  readonly value: number;
  readonly metricName?: string;
}

/** Reads the gauges and counters of one process that the checks look at. A metric that is not there is left out. */
export async function readState(registry: Registry): Promise<Partial<StateSample>> {
  const [state, pending, index, durable, witness, fsyncs, errors, records, limit, quantiles] = await Promise.all(
    [
      'wal_state',
      'wal_pending_bytes',
      'index_bytes',
      'wal_durable_lsn',
      'wal_witness_lsn',
      'wal_fsync_total',
      'wal_fsync_errors_total',
      'records_total',
      'rate_limit_writes_per_second',
      'wal_fsync_duration_seconds',
    ].map((name) => valuesOf(registry, prefix + name)),
  );
  const walState = state?.find((value) => value.value === 1)?.labels.state;
  return omitMissing({
    walState: walState === undefined ? undefined : String(walState),
    pendingBytes: single(pending),
    indexBytes: single(index),
    durableLsn: single(durable),
    witnessLsn: single(witness),
    fsyncTotal: single(fsyncs),
    fsyncErrors: sum(errors),
    recordsTotal: sum(records),
    rateLimit: single(limit),
    fsyncQuantiles: quantilesOf(quantiles),
  });
}

async function valuesOf(registry: Registry, name: string): Promise<readonly Value[] | undefined> {
  const metric = registry.getSingleMetric(name);
  if (metric === undefined) return undefined;
  const { values } = await metric.get();
  return values as readonly Value[]; // prom-client's own type differs by kind of metric; these fields are in all
}

function single(values: readonly Value[] | undefined): number | undefined {
  return values?.[0]?.value;
}

function sum(values: readonly Value[] | undefined): number | undefined {
  return values?.reduce((total, value) => total + value.value, 0);
}

function quantilesOf(values: readonly Value[] | undefined): Readonly<Record<string, number>> | undefined {
  if (values === undefined) return undefined;
  const entries = values.flatMap((value) =>
    value.labels.quantile === undefined ? [] : [[String(value.labels.quantile), value.value] as const],
  );
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function omitMissing(fields: { readonly [K in keyof StateSample]?: StateSample[K] | undefined }): Partial<StateSample> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
