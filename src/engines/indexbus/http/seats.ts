import { z } from 'zod';
import type { Route } from '../../route.ts';
import type { BusNode } from '../busNode.ts';
import type { RouterCommand } from '../commands.ts';
import { laneKeys } from '../config.ts';
import { BusError } from '../errors.ts';
import { rollAdvice } from '../retirement.ts';
import { type SeatKindName, seatPlaces } from '../seatPlaces.ts';
import { laneView, producerView, recentTopics, seatState } from '../views.ts';
import { bodyOf, changesOf, ok, Refusal } from './answer.ts';
import { segmentOf } from './named.ts';
import { movedTo, type NamedSeat, seatOf } from './namedSeats.ts';

const laneBody = z.strictObject({
  lane: laneKeys.lane.optional(),
  drop: laneKeys.drop.optional(),
  capacity: laneKeys.capacity.optional(),
  credit_limit: laneKeys.credit_limit.optional(),
  detach_after_ms: laneKeys.detach_after_ms.optional(),
});
const producerBody = z.strictObject({
  credit_limit: z.union([z.literal('none'), z.int().min(1).max(1_048_576)]).optional(),
  rate_limit: z
    .union([z.literal('none'), z.int().min(1).max(1_000_000_000)])
    .optional()
    .describe('messages a second'),
});
const nothing = z.strictObject({});

const S = '/v1/segments/{segment}';

/** `none` as the commands write it. */
function orZero(limit: number | 'none'): number {
  return limit === 'none' ? 0 : limit;
}

/** Lanes and producers. While a roll waits they are those of both generations, each where its holder is. */
export function seatRoutes(node: BusNode): readonly Route[] {
  const lane = ({ serving, place }: NamedSeat) => laneView(serving, place.number, node.services, node.host.clock.now());
  const producer = ({ serving, place }: NamedSeat) => producerView(serving, place.number, node.services);
  return [
    {
      method: 'GET',
      path: `${S}/lanes`,
      summary: 'The lanes that somebody has: process, depth, age, mode, limits, verdict.',
      role: 'read',
      handler: async ({ parameters }) => ok(taken(node, parameters.segment, 'consumer').map(lane)),
    },
    {
      method: 'GET',
      path: `${S}/producers`,
      summary: 'The producers that there are: process, depth, slots, limits, verdict.',
      role: 'read',
      handler: async ({ parameters }) => {
        const view = (seat: NamedSeat) => ({
          ...producer(seat),
          recent_topics: recentTopics(seat.serving, seat.place.number),
        });
        return ok(taken(node, parameters.segment, 'producer').map(view));
      },
    },
    {
      method: 'PATCH',
      path: `${S}/lanes/{lane}`,
      summary: 'Changes a lane while it lives; later messages feel it.',
      role: 'admin',
      schema: { body: laneBody },
      handler: async (request) => {
        const seat = asked(node, request.parameters.segment, 'consumer', request.parameters.lane);
        const body = changesOf(request, laneBody);
        const change = {
          ...(body.lane === undefined ? {} : { lane: body.lane }),
          ...(body.drop === undefined ? {} : { drop: body.drop }),
          ...(body.capacity === undefined ? {} : { capacity: body.capacity }),
          ...(body.credit_limit === undefined ? {} : { creditLimit: orZero(body.credit_limit) }),
          ...(body.detach_after_ms === undefined ? {} : { detachAfterMs: orZero(body.detach_after_ms) }),
        };
        return ok(lane(await applied(node, seat, (number) => ({ do: 'change-lane', lane: number, change }))));
      },
    },
    {
      method: 'POST',
      path: `${S}/lanes/{lane}/detach`,
      summary: 'Takes the lane from its consumer, which gets IB_FENCED. Done when the seat says so.',
      role: 'admin',
      handler: async (request) => {
        const seat = asked(node, request.parameters.segment, 'consumer', request.parameters.lane);
        bodyOf(request, nothing);
        const fence = (number: number) => ({ do: 'detach-lane', lane: number, reason: 'operator' }) as const;
        return ok(lane(await applied(node, seat, fence)), 202);
      },
    },
    {
      method: 'PATCH',
      path: `${S}/producers/{seat}`,
      summary: 'Limits a producer: messages under way, messages a second; "none" lifts a limit.',
      role: 'admin',
      schema: { body: producerBody },
      handler: async (request) => {
        const seat = asked(node, request.parameters.segment, 'producer', request.parameters.seat);
        const body = changesOf(request, producerBody);
        const change = {
          ...(body.credit_limit === undefined ? {} : { creditLimit: orZero(body.credit_limit) }),
          ...(body.rate_limit === undefined ? {} : { rateLimit: orZero(body.rate_limit) }),
        };
        return ok(
          producer(await applied(node, seat, (number) => ({ do: 'change-producer', seat: number, ...change }))),
        );
      },
    },
    {
      method: 'POST',
      path: `${S}/producers/{seat}/fence`,
      summary: 'Takes the seat from its producer, which gets IB_FENCED. What it flushed before is routed.',
      role: 'admin',
      handler: async (request) => {
        const seat = asked(node, request.parameters.segment, 'producer', request.parameters.seat);
        bodyOf(request, nothing);
        return ok(producer(await applied(node, seat, (number) => ({ do: 'fence-producer', seat: number }))), 202);
      },
    },
  ];
}

/** Seats that somebody has, those of what is served first. */
function taken(node: BusNode, segment: string | undefined, kind: SeatKindName): readonly NamedSeat[] {
  segmentOf(node, segment);
  return node.generations.flatMap((serving) =>
    seatPlaces(serving.segment.layout, kind)
      .filter((place) => seatState(serving.segment, place) !== 'free')
      .map((place) => ({ serving, place })),
  );
}

/** The seat that a path names. @throws Refusal as `seatOf`, which says of a roll that waits */
function asked(node: BusNode, segment: string | undefined, kind: SeatKindName, text: string | undefined): NamedSeat {
  segmentOf(node, segment);
  try {
    return seatOf(node.generations, kind, text);
  } catch (error) {
    throw toldOfRoll(node, error);
  }
}

/** Changes a seat, and the one that its holder has taken in the next generation; returns the last. Rejects with `BusError`, which says of a roll that waits. */
async function applied(node: BusNode, seat: NamedSeat, command: (number: number) => RouterCommand): Promise<NamedSeat> {
  try {
    // Else what it was set to before it moved would come after this, and undo it.
    await node.settingsCarried();
    await seat.serving.runner.apply(command(seat.place.number));
    // It may have moved meanwhile, or be about to.
    const moved = movedTo(seat, node.generations);
    await moved?.serving.runner.apply(command(moved.place.number));
    return moved ?? seat;
  } catch (error) {
    throw toldOfRoll(node, error);
  }
}

/** A refusal as it was, and that a roll may be why. */
function toldOfRoll(node: BusNode, error: unknown): unknown {
  if (!node.isRolling) return error;
  const said = ({ message }: Error) => `${message}; the segment is being rolled: ${rollAdvice}`;
  const details = ({ expected, got }: Refusal | BusError) => ({
    ...(expected === undefined ? {} : { expected }),
    ...(got === undefined ? {} : { got }),
  });
  if (error instanceof Refusal) return new Refusal(error.status, error.code, said(error), details(error));
  if (!(error instanceof BusError) || error.code !== 'IB_UNSAFE_CHANGE') return error;
  return new BusError(error.code, said(error), details(error));
}
