import type { FaultDraw } from '../../faultDraw.ts';
import { choose, type LaterStep, scale } from '../../faultMenu.ts';
import { allLanes, type FaultEntry, fault } from './entry.ts';

/** Time from a death until the consumer comes back. */
const backLeastMs = 5;
const backMostMs = 1_000;
/** Time between two deaths of a group. */
const apartMostMs = 300;
/** How long a consumer does nothing. */
const stalledLeastMs = 100;
const stalledMostMs = 2_000;
/** Time from the first deaths to the second ones. */
const roundLeastMs = 500;
const roundMostMs = 2_500;
/** Capacity of lanes that an operator makes smaller, at the most. */
const capacityMost = 32;

/** Deaths in groups whose messages wait for the next consumer. */
export const groupEntries: readonly FaultEntry[] = [
  {
    // Messages wait, for consumers that do nothing, each for a while of its own. All of them die, or some, one after the other, and come back in another
    // order: where every seat is taken, whoever comes first takes over what one of them had. Lanes that are made smaller take a part of what another had.
    name: 'deaths in a group',
    family: 'group',
    weight: 8,
    steps: (draw, { groups }) => {
      const group = choose(draw.where, groups);
      const againMs = scale(draw.length, roundLeastMs, roundMostMs);
      return [0, 1].flatMap((round) => deathsIn(group, draw, round).map((it) => later(it, round * againMs)));
    },
  },
];

function deathsIn(group: readonly string[], draw: FaultDraw, round: number): readonly LaterStep[] {
  /** Another position for each consumer and round. */
  const vary = (position: number, index: number): number => (position * (index + 1 + round * group.length)) % 1_000;
  const spike = { fault: 'load.spike', duration: stalledLeastMs, with: { factor: scale(draw.a, 2, 10) } };
  const stalls = group.map((name, index): LaterStep => {
    const duration = scale(vary(draw.length, index), stalledLeastMs, stalledMostMs);
    return { afterMs: 0, step: fault('shm.stall-consumer', name, { duration }) };
  });
  const smaller = choose(draw.length + round, [true, false])
    ? allLanes({ capacity: scale(draw.b, 1, capacityMost) })
    : [];
  const dying = choose(draw.a + round, [group, group.slice(0, 1), group.slice(-2)]);
  const kills = dying.map((name, index): LaterStep => {
    const restart = scale(vary(draw.a, index), backLeastMs, backMostMs);
    return { afterMs: index * scale(draw.b, 0, apartMostMs), step: fault('process.kill', name, {}, { restart }) };
  });
  return [...stalls, { afterMs: 0, step: spike }, ...[...smaller, ...kills].map((it) => later(it, stalledLeastMs))];
}

function later({ afterMs, step }: LaterStep, byMs: number): LaterStep {
  return { afterMs: afterMs + byMs, step };
}
