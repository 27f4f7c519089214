import type { AgentView } from '../../engines/indexbus/agents.ts';
import type { SegmentDescription } from '../../engines/indexbus/describeSegment.ts';
import type { Bottleneck } from '../../engines/indexbus/http/bottleneck.ts';
import type { RollView } from '../../engines/indexbus/roller.ts';
import { seatAddress } from '../../engines/indexbus/seatAddress.ts';
import type { LaneView, ProducerView, SeatView } from '../../engines/indexbus/views.ts';
import { formatBytes, formatMillis, formatTable } from '../format.ts';

/** What the commands print for people. Nothing in here prints. */

type Rates = Readonly<Record<string, number>>;

/** `1.2 M/s`. */
export function perSecond(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M/s`;
  if (value >= 1e3) return `${(value / 1e3).toFixed(1)} k/s`;
  return `${value.toFixed(value < 10 ? 1 : 0)} /s`;
}

const shownRates = ['sent', 'routed', 'delivered', 'recv', 'drops', 'credit_waits', 'detaches'] as const;

/** What `top` can show. */
export const topParts = ['lane', 'producer', 'topic'] as const;
export type TopPart = (typeof topParts)[number];

/** A producer, with the share that each topic has of its last messages. */
export type TopProducer = ProducerView & { readonly recent_topics: Readonly<Record<string, number>> };

/** One picture of a segment: of the parts that are wanted, the fullest lanes and the producers with the most waiting first. */
export function topText(
  segment: string,
  counters: Rates,
  bottleneck: Bottleneck,
  lanes: readonly LaneView[],
  producers: readonly TopProducer[],
  parts: readonly TopPart[] = ['lane', 'producer'],
): string {
  const rates = shownRates.map((name) => `${name} ${perSecond(counters[`${name}/sec`] ?? 0)}`).join('  ');
  const busy = Math.round((counters.router_busy_ratio ?? 0) * 100);
  const fill = ({ depth, capacity }: LaneView): number => depth / Math.max(1, capacity);
  const shown = {
    lane: () => lanesText([...lanes].sort((a, b) => fill(b) - fill(a) || b.drops - a.drops)),
    producer: () => producersText([...producers].sort((a, b) => b.depth - a.depth || b.sent - a.sent)),
    topic: () => topicsText(producers),
  };
  return [
    `${segment}  qdepth ${counters.qdepth ?? 0}  router busy ${busy} %  bottleneck ${bottleneck.side}`,
    rates,
    ...topParts.filter((part) => parts.includes(part)).flatMap((part) => ['', shown[part]()]),
  ].join('\n');
}

/** Topics of the last messages of each producer, the commonest first. */
function topicsText(producers: readonly TopProducer[]): string {
  const generation = generations(producers);
  const rows = producers.flatMap(({ seat, generation: its, name, recent_topics: topics }) =>
    Object.entries(topics)
      .sort(([, a], [, b]) => b - a)
      .map(([topic, share]) => [String(seat), ...generation(its), dash(name), topic, `${Math.round(share * 100)} %`]),
  );
  if (rows.length === 0) return 'no messages yet';
  return formatTable([['seat', ...generation('generation'), 'name', 'topic', 'of its last messages'], ...rows]);
}

/** A name as it is printed: of what was damaged, or another has said, it may have anything, and a terminal obeys control characters. */
export const printable = (text: string): string =>
  text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (it) => `\\u{${(it.codePointAt(0) ?? 0).toString(16)}}`);
/** Whole lines of text, so that nothing in them reaches a terminal as what it obeys. */
export const printableLines = (text: string): string => text.split('\n').map(printable).join('\n');
const dash = (text: string): string => (text === '' ? '-' : printable(text));
const bytes = (value: number | null): string => (value === null ? '-' : formatBytes(value));
const seconds = (value: number | null): string => (value === null ? '-' : `${value.toFixed(1)} s`);

/** How the holder of a seat is. One that was fenced and cannot say that it knows, since it is stopped, is what one looks for: both are told. */
function standing({ state, verdict }: SeatView): string {
  if (state === 'live') return verdict;
  return verdict === 'stopped' || verdict === 'doubtful' ? `${state}, ${verdict}` : state;
}

/** The column of generations, where rows have two: a roll waits. */
const generations = (rows: readonly SeatView[]): ((cell: string | number) => readonly string[]) =>
  new Set(rows.map(({ generation }) => generation)).size > 1 ? (cell) => [String(cell)] : () => [];

export function lanesText(lanes: readonly LaneView[]): string {
  if (lanes.length === 0) return 'no lanes';
  const generation = generations(lanes);
  return formatTable([
    [
      'lane',
      ...generation('generation'),
      'name',
      'subscription',
      'pid',
      'verdict',
      'depth',
      'capacity',
      'credit',
      'mode',
      'oldest',
      'drops of seat',
      'cpu time',
      'rss',
    ],
    ...lanes.map((it) => [
      String(it.lane_number),
      ...generation(it.generation),
      dash(it.name),
      dash(it.subscription),
      String(it.pid ?? '-'),
      standing(it),
      String(it.depth),
      String(it.capacity),
      String(it.credit_limit),
      it.lane === 'blocking' ? 'blocking' : it.drop,
      it.depth === 0 ? '-' : formatMillis(it.oldest_ms),
      String(it.drops),
      seconds(it.cpu_seconds),
      bytes(it.rss_bytes),
    ]),
  ]);
}

/** What a roll waits for. */
export function rollText(it: RollView): string {
  const patience = it.patience_ms === 'none' ? 'no bound' : `patience ${formatMillis(it.patience_ms)}`;
  const head = `${it.segment} is rolled to generation ${it.generation} since ${formatMillis(it.lasts_ms)}: waits for ${it.waits_for} since ${formatMillis(it.waits_ms)}, ${patience}, ${it.gave_up} messages given up`;
  if (it.waits.length === 0) return head;
  const table = formatTable([
    ['kind', 'seat', 'name', 'subscription', 'pid', 'state', 'left', 'waited', 'still'],
    ...it.waits.map((row) => [
      row.kind,
      String(row.seat),
      dash(row.name),
      dash(row.subscription),
      String(row.pid),
      row.state,
      String(row.left),
      formatMillis(row.waited_ms),
      row.kind === 'consumer' ? formatMillis(row.still_ms) : '-',
    ]),
  ]);
  const lane = it.waits.find(({ kind }) => kind === 'consumer');
  const hint =
    lane === undefined
      ? []
      : [`next: hotfire indexbus detach ${seatAddress(lane.seat, lane.generation)} does not wait for it any more`];
  return [head, table, ...hint].join('\n');
}

export function producersText(producers: readonly ProducerView[]): string {
  if (producers.length === 0) return 'no producers';
  const generation = generations(producers);
  return formatTable([
    [
      'seat',
      ...generation('generation'),
      'name',
      'pid',
      'verdict',
      'depth',
      'free',
      'sent of seat',
      'credit',
      'rate/s',
      'waits',
      'refused',
      'no route',
      'cpu time',
      'rss',
    ],
    ...producers.map((it) => [
      String(it.seat),
      ...generation(it.generation),
      dash(it.name),
      String(it.pid ?? '-'),
      standing(it),
      String(it.depth),
      String(it.free_slots),
      String(it.sent),
      String(it.credit_limit),
      String(it.rate_limit),
      String(it.credit_waits),
      String(it.publish_refused),
      String(it.no_route),
      seconds(it.cpu_seconds),
      bytes(it.rss_bytes),
    ]),
  ]);
}

export function triageText({ side, evidence, next }: Bottleneck): string {
  const what = {
    downstream: 'downstream: consumers do not keep up',
    internal: 'internal: the router does not keep up',
    upstream: 'upstream: producers wait',
    none: 'no bottleneck',
  }[side];
  return [what, ...evidence.map((line) => `  ${line}`), ...next.map((line) => `next: ${line}`)].join('\n');
}

export function agentsText(
  agents: readonly Pick<
    AgentView,
    'router_id' | 'region' | 'segment' | 'host' | 'version' | 'duty' | 'state' | 'last_report_ms'
  >[],
): string {
  if (agents.length === 0) return 'no agents';
  return formatTable([
    ['router_id', 'state', 'region', 'segment', 'host', 'version', 'duty', 'last report'],
    ...agents.map((it) => [
      dash(it.router_id),
      dash(it.state),
      dash(it.region),
      dash(it.segment),
      dash(it.host),
      dash(it.version),
      dash(it.duty),
      it.last_report_ms === null ? 'never' : formatMillis(it.last_report_ms),
    ]),
  ]);
}

export function segmentText(it: SegmentDescription): string {
  const seat = (kind: string) => (row: SegmentDescription['lanes'][number]) => [
    kind,
    String(row.seat),
    row.state,
    dash(row.name),
    String(row.pid),
    String(row.depth),
    String(row.under_way),
    row.frozen ? 'stopped' : '',
  ];
  return [
    `${printable(it.segment)} generation ${it.generation}, ${it.state}, ${formatBytes(it.bytes)}, router epoch ${it.router_epoch}`,
    it.commit_pending
      ? 'a commit was sealed and not applied to its end: the next router finishes it'
      : 'no commit is pending',
    `${it.topics.length} topics; subscriptions: ${it.subscriptions.map(printable).join(', ') || 'none'}`,
    '',
    formatTable([
      ['kind', 'seat', 'state', 'name', 'pid', 'depth', 'under way', ''],
      ...it.producers.map(seat('producer')),
      ...it.lanes.map(seat('lane')),
    ]),
    '',
    it.problems.length === 0 ? 'nothing that cannot be' : it.problems.join('\n'),
  ].join('\n');
}
