import type { Registry } from 'prom-client';
import { metricsRoute } from '../../metricsRoute.ts';
import type { Route } from '../../route.ts';
import type { BusNode } from '../busNode.ts';
import { Header, SegmentState } from '../layout.ts';
import { LoopStat } from '../loopStats.ts';
import { ok } from './answer.ts';

/** A router that has not polled for so long stands. */
const standsMs = 5_000;

interface Check {
  readonly status: 'ok' | 'degraded' | 'failed';
  readonly message: string;
}

/** Every check of a router's process. */
export function checkHealth(node: BusNode): {
  readonly status: Check['status'];
  readonly checks: Record<string, Check>;
} {
  const checks: Record<string, Check> = {
    segment: checkSegment(node),
    router_loop: checkLoop(node),
    seats: checkSeats(node),
    tuning: checkTuning(node),
    ...(node.controlPlane() === undefined ? {} : { control_plane: checkControlPlane(node) }),
  };
  const grades = Object.values(checks).map(({ status }) => status);
  const status = grades.includes('failed') ? 'failed' : grades.includes('degraded') ? 'degraded' : 'ok';
  return { status, checks };
}

function checkSegment(node: BusNode): Check {
  const { serving } = node;
  if (serving === undefined)
    return { status: 'degraded', message: 'another router has the segment: this one stands by' };
  const state = Atomics.load(serving.segment.words, Header.state);
  const { name, generation } = serving.segment;
  if (node.isRolling && state !== SegmentState.open) {
    const next = `generation ${generation + 1} takes participants, and routes when generation ${generation} is empty`;
    return { status: 'degraded', message: `${name} is being rolled: ${next}` };
  }
  if (state === SegmentState.retired)
    return { status: 'failed', message: `${name} generation ${generation} is retired` };
  if (state === SegmentState.draining) return { status: 'degraded', message: `${name} is being drained` };
  return { status: 'ok', message: `${name} generation ${generation}, ${serving.segment.layout.bytes} bytes` };
}

/** Time since the router's last poll; undefined for a standby. */
export function loopAgeMs(node: BusNode): number | undefined {
  const polled = node.serving?.runner.stats.values[LoopStat.lastPollAt];
  return polled === undefined ? undefined : Math.max(0, node.host.clock.now() - polled);
}

function checkLoop(node: BusNode): Check {
  const age = loopAgeMs(node);
  if (age === undefined) return { status: 'ok', message: 'stands by' };
  return age > standsMs
    ? { status: 'failed', message: `has not polled for ${Math.round(age)} ms: is its thread stopped?` }
    : { status: 'ok', message: `polled ${age.toFixed(1)} ms ago` };
}

function checkSeats({ serving }: BusNode): Check {
  const doubtful = [...(serving?.findings.values() ?? [])].filter(({ judgement }) => judgement.verdict === 'doubtful');
  if (doubtful.length === 0) return { status: 'ok', message: 'nobody is in doubt' };
  const names = doubtful.map(({ seat, holder }) => `${seat.kind} ${seat.number} (pid ${holder.pid})`);
  return { status: 'degraded', message: `in doubt: ${names.join(', ')}` };
}

function checkTuning({ serving }: BusNode): Check {
  const missing = serving?.tuning.filter(({ reason }) => reason !== '') ?? [];
  if (missing.length === 0) return { status: 'ok', message: 'what was asked of the machine is there' };
  return { status: 'degraded', message: missing.map(({ name, reason }) => `${name}: ${reason}`).join('; ') };
}

function checkControlPlane(node: BusNode): Check {
  const state = node.controlPlane();
  return state?.reachable === true
    ? { status: 'ok', message: `${state.address} answers` }
    : { status: 'degraded', message: `${state?.address} does not answer: ${state?.failure ?? 'not asked yet'}` };
}

/** GET /metrics, /health, /health/live, /health/ready. */
export function healthRoutes(node: BusNode, registry: Registry): readonly Route[] {
  return [
    metricsRoute(registry),
    {
      method: 'GET',
      path: '/health',
      summary: 'How this router is, check by check; 503 when one has failed.',
      role: 'none',
      handler: async () => {
        const health = checkHealth(node);
        return ok(health, health.status === 'failed' ? 503 : 200);
      },
    },
    {
      method: 'GET',
      path: '/health/live',
      summary: '200 while the process answers and its router polls.',
      role: 'none',
      handler: async () => {
        const checks = { router_loop: checkLoop(node) };
        const { status } = checks.router_loop;
        return ok({ status, checks }, status === 'failed' ? 503 : 200);
      },
    },
    {
      method: 'GET',
      path: '/health/ready',
      summary:
        '200 only if this router takes participants, also while it rolls; 503 for a standby and while it drains.',
      role: 'none',
      handler: async () => {
        const checks = { segment: checkSegment(node), router_loop: checkLoop(node) };
        const takesParticipants = node.serving !== undefined && !node.isDraining;
        const isReady = takesParticipants && Object.values(checks).every(({ status }) => status !== 'failed');
        return ok({ status: isReady ? 'ok' : 'failed', checks }, isReady ? 200 : 503);
      },
    },
  ];
}
