import type { Host } from '../../host/host.ts';
import type { RouterCommand } from './commands.ts';
import { distance } from './cursor.ts';
import { LaneEnds } from './laneEnds.ts';
import { DetachReason, Lock, ProducerCursor, Seat } from './layout.ts';
import { isJudged, judge } from './liveness.ts';
import { addTo, LoopStat, type LoopStats, loopStats } from './loopStats.ts';
import { plantedIn } from './mutants.ts';
import { Router } from './router.ts';
import { type LoopSettings, RouterLoop } from './routerLoop.ts';
import type { RouterEvents } from './routerParts.ts';
import type { RouterRunner } from './routerRunner.ts';
import { type PlainFailure, plainFailure, type RouterNews, type RouterSetup } from './routerRunner.ts';
import { startRouterTask } from './routerTask.ts';
import type { ThreadData, ToThread } from './routerThread.ts';
import { stateOf } from './seat.ts';
import { holderOf, seatPlace } from './seatPlaces.ts';
import type { Segment } from './segment.ts';

/** A router of a segment, recovered, and what it tells of its seats as plain data. */
function openRouter(
  segment: Segment,
  host: Host,
  setup: RouterSetup,
  stats: LoopStats,
  onNews: (news: RouterNews) => void,
): Router {
  const began = host.clock.now();
  const router = new Router(segment, {
    clock: host.clock,
    telemetry: host.telemetry,
    options: setup.options,
    events: eventsOf(segment, onNews),
    isHolderDead: (lane) => isHolderDead(segment, lane, host),
  });
  stats.values[LoopStat.recoveryMs] = host.clock.now() - began;
  stats.values[LoopStat.redoFinished] = router.recovery.redo === 'finished' ? 1 : 0;
  stats.values[LoopStat.readyAt] = host.clock.now();
  return router;
}

/** The kernel's word on a lane's consumer, by the table that the look at all seats goes by. */
function isHolderDead(segment: Segment, lane: number, { telemetry }: Host): boolean {
  const { words, region, layout, generation } = segment;
  const { at, index } = seatPlace(layout, 'consumer', lane);
  const state = stateOf(Atomics.load(words, at));
  if (state === undefined || !isJudged(state)) return false;
  const evidence = region.evidence(Lock.seat(generation, index), holderOf(words, at));
  return judge(evidence, state, 0, plantedIn(telemetry)).verdict === 'dead';
}

/** Messages behind what a producer's source cannot have: nobody reads on there, and so they are no drops of any lane. */
function unrouted({ words, layout }: Segment, producer: number, reason: number): number {
  if (reason !== DetachReason.corrupt) return 0;
  const { at, cursors } = seatPlace(layout, 'producer', producer);
  const behind = distance(words[cursors + ProducerCursor.sourceTail] ?? 0, words[at + Seat.fenceTail] ?? 0);
  // A tail that is damaged tells nothing.
  return behind > 0 && behind <= layout.sizes.slots ? behind : 0;
}

function eventsOf(segment: Segment, tell: (news: RouterNews) => void): RouterEvents {
  const ends = new LaneEnds(segment);
  return {
    laneLive: (lane) => tell({ news: 'lane-live', lane }),
    laneEnded: ({ isResumed, ...end }) => {
      ends.begun(end.lane);
      if (!isResumed) tell({ news: 'lane-ended', ...end });
    },
    entriesDamaged: (lane, entries) => tell({ news: 'entries-damaged', lane, entries }),
    laneFreed: (lane) => tell({ news: 'lane-freed', lane, ...ends.ended(lane) }),
    producerLive: (producer) => tell({ news: 'producer-live', producer }),
    producerEnded: (producer, reason) =>
      tell({ news: 'producer-ended', producer, reason, unrouted: unrouted(segment, producer, reason) }),
    producerFreed: (producer) => tell({ news: 'producer-freed', producer }),
    joinRefused: (seat, reason) => tell({ news: 'join-refused', seat, reason }),
  };
}

/** A command to the router and its loop. Throws `BusError`. */
function change(router: Router, loop: LoopSettings, stats: LoopStats, command: RouterCommand): void {
  router.apply(command);
  if (command.do === 'change-router') {
    loop.pollIntervalUs = command.pollIntervalUs ?? loop.pollIntervalUs;
    loop.spinUs = command.spinUs ?? loop.spinUs;
  }
  addTo(stats.values, LoopStat.commands, 1);
}

/** How the body of a thread speaks with the main thread. */
export interface ThreadTalk {
  ready(): void;
  news(news: RouterNews): void;
  /** The next message; undefined where none waits. */
  next(): ToThread | undefined;
  answer(id: number, failure?: PlainFailure): void;
}

/** Runs a router on a thread of its own until it is told to stop. Throws `BusError` where the segment is damaged. */
export function serveRouter(segment: Segment, host: Host, data: ThreadData, talk: ThreadTalk): void {
  const stats = loopStats(data.stats);
  const calls = new Int32Array(data.calls);
  const router = openRouter(segment, host, data.setup, stats, (news) => talk.news(news));
  let seen = 0;
  const settings = { ...data.setup.loop };
  const loop = new RouterLoop(router, segment, host, stats, settings, {
    isCalled: () => Atomics.load(calls, 0) !== seen,
    sleepWithoutLook: false,
  });
  talk.ready();
  let stop: number | undefined;
  loop.run(() => {
    seen = Atomics.load(calls, 0);
    for (let message = talk.next(); message !== undefined; message = talk.next()) {
      if ('stop' in message) stop = message.id;
      else carryOut(message.id, message.command);
    }
    return stop === undefined;
  });
  router.close();
  if (stop !== undefined) talk.answer(stop);

  function carryOut(id: number, command: RouterCommand): void {
    try {
      change(router, settings, stats, command);
      talk.answer(id);
    } catch (error) {
      talk.answer(id, plainFailure(error));
    }
  }
}

/** Runs a router as a task of this thread. Throws `BusError` where the segment is damaged. */
export function serveRouterHere(
  segment: Segment,
  host: Host,
  setup: RouterSetup,
  onNews: (news: RouterNews) => void,
): RouterRunner {
  const stats = loopStats();
  const settings = { ...setup.loop };
  const router = openRouter(segment, host, setup, stats, onNews);
  return startRouterTask(router, segment, host, stats, settings, {
    sleepWithoutLook: plantedIn(host.telemetry).sleepWithoutLook,
    change: (command) => change(router, settings, stats, command),
  });
}
