import type { Telemetry } from '../../host/telemetry.ts';
import { DetachReason, Seat, seatNameBytes } from './layout.ts';
import type { Probed } from './probing.ts';
import type { RouterNews } from './routerRunner.ts';
import { holderOf, type SeatPlace, seatPlace } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import type { DetachCounts, NodeTallies, Serving } from './serving.ts';
import { readText } from './texts.ts';

/** What the process has by now. */
export interface Heard {
  /** Undefined: it only begins, or ends. */
  readonly serving: Serving | undefined;
  /** The generation beside it that a roll builds. */
  readonly building: Probed | undefined;
}

/** Logs and counts what a router tells. */
export function hearNews(
  segment: Segment,
  news: RouterNews,
  { serving, building }: Heard,
  tallies: NodeTallies,
  telemetry: Telemetry,
): void {
  const { logger } = telemetry;
  if (news.news === 'join-refused') logger.warn('join refused', { seat: news.seat, reason: news.reason });
  if (news.news === 'lane-ended') {
    const reason = reasonName(news.reason);
    tallies.detaches[reason] += 1;
    serving?.counters.detached();
    const place = seatPlace(segment.layout, 'consumer', news.lane);
    const { position, unread } = news;
    const probed = [serving, building].find((it) => it?.segment === segment);
    const proof = probed?.findings.get(place.index)?.judgement.proof;
    const fields = { lane: news.lane, ...who(segment, place), reason, proof, position, unread };
    if (reason === 'graceful') logger.info('lane.detached', fields);
    else logger.warn('lane.detached', fields);
  }
  if (news.news === 'entries-damaged') {
    const { lane, entries } = news;
    logger.warn('lane.damaged', { lane, ...who(segment, seatPlace(segment.layout, 'consumer', lane)), entries });
  }
  if (news.news === 'lane-freed') {
    const { lane, requeued, lost } = news;
    logger.info('lane.freed', { lane, requeued, lost });
  }
  if (news.news === 'producer-ended') {
    const place = seatPlace(segment.layout, 'producer', news.producer);
    const { producer, unrouted } = news;
    const reason = reasonName(news.reason);
    const fields = { producer, ...who(segment, place), reason };
    if (reason === 'corrupt') logger.warn('producer.ended', { ...fields, unrouted });
    else logger.info('producer.ended', fields);
  }
}

function reasonName(reason: number): keyof DetachCounts {
  const names: readonly (keyof DetachCounts)[] = ['graceful', 'dead', 'stalled', 'operator', 'corrupt'];
  return names.find((name) => DetachReason[name] === reason) ?? 'corrupt';
}

/** Who has, or had, a seat. */
function who(segment: Segment, { at }: SeatPlace) {
  const { pid, startTicks } = holderOf(segment.words, at);
  return { name: readText(segment.bytes, at + Seat.name, seatNameBytes), pid, start_ticks: startTicks };
}
