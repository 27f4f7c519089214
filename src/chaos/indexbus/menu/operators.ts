import { choose, scale, single } from '../../faultMenu.ts';
import { type FaultEntry, fault, lasting, request } from './entry.ts';

/** The load, and what operators do. */
export const operatorEntries: readonly FaultEntry[] = [
  {
    name: 'load spike',
    family: 'load',
    weight: 2,
    steps: (draw) =>
      single({ fault: 'load.spike', duration: lasting(draw, 1_500), with: { factor: scale(draw.a, 2, 10) } }),
  },
  { name: 'idle', family: 'load', weight: 1, steps: (draw) => single({ fault: 'load.idle', duration: lasting(draw) }) },
  {
    name: 'lane changed',
    family: 'operator',
    weight: 4,
    steps: (draw) =>
      single(
        request(
          'PATCH',
          `/lanes/${draw.where % 6}`,
          choose(draw.a, [
            { capacity: 1 + (draw.b % 64) },
            { lane: 'blocking' },
            { lane: 'nonblocking', drop: 'oldest' },
            { lane: 'nonblocking', drop: 'newest' },
            { credit_limit: 1 + (draw.b % 8) },
            { detach_after_ms: 100 + draw.b },
          ]),
        ),
      ),
  },
  {
    name: 'lane detached',
    family: 'operator',
    weight: 2,
    steps: (draw) => single(request('POST', `/lanes/${draw.where % 6}/detach`, {})),
  },
  {
    name: 'producer fenced',
    family: 'operator',
    weight: 2,
    steps: (draw) => single(request('POST', `/producers/${draw.where % 4}/fence`, {})),
  },
  {
    name: 'producer limited',
    family: 'operator',
    weight: 2,
    steps: (draw) =>
      single(
        request(
          'PATCH',
          `/producers/${draw.where % 4}`,
          choose(draw.a, [{ rate_limit: 20 + draw.b }, { credit_limit: 1 + (draw.b % 64) }]),
        ),
      ),
  },
  {
    name: 'router changed',
    family: 'operator',
    weight: 1,
    steps: (draw) =>
      single(
        request(
          'PATCH',
          '/router',
          choose(draw.a, [{ router_batch_size: 1 + (draw.b % 64) }, { router_poll_interval_us: 1_000 + draw.b }]),
        ),
      ),
  },
  {
    name: 'router restarted',
    family: 'operator',
    weight: 2,
    steps: (draw) => single(fault('operator.restart', 'primary', {}, { wait: scale(draw.a, 0, 1_000) })),
  },
];
