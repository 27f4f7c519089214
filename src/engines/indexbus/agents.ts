import type { Millis } from '../../host/clock.ts';
import type { CounterTotals } from './counters.ts';

/** What a router says of itself with every heartbeat. */
export interface AgentReport {
  readonly router_id: string;
  readonly region: string;
  readonly environment: string;
  readonly segment: string;
  readonly host: string;
  readonly version: string;
  /** Of this start of this router alone. */
  readonly incarnation: string;
  /** `router`, or `standby` while another one has the segment. */
  readonly duty: 'router' | 'standby';
  /** Where its HTTP is served. */
  readonly admin: string;
  readonly heartbeat_ms: Millis;
  /** Of the last second. */
  readonly counters: Partial<CounterTotals>;
  readonly qdepth: number;
  readonly tuning: readonly { readonly name: string; readonly applied: string; readonly reason: string }[];
}

export type AgentState = 'online' | 'late' | 'offline' | 'missing' | 'conflict';
export const agentStates: readonly AgentState[] = ['online', 'late', 'offline', 'missing', 'conflict'];

/** A router as the control plane knows it. */
export interface AgentView extends Omit<AgentReport, 'incarnation' | 'heartbeat_ms'> {
  readonly state: AgentState;
  /** Since its last report; null where there never was one. */
  readonly last_report_ms: number | null;
  /** Starts of this router_id that report at the same time; more than one in a conflict. */
  readonly incarnations: number;
}

/** Heartbeats after which a router is late, and after which it is offline. */
const lateAfter = 3;
const offlineAfter = 12;
/** Most routers that are kept: one more puts out the one that was silent longest. */
const agentsMax = 10_000;

interface Incarnation {
  report: AgentReport;
  readonly firstAt: Millis;
  lastAt: Millis;
}

/**
 * The routers that report, pure: whoever has it gives it the time. It is in memory alone, since the next reports tell everything again. It
 * observes; nothing is ever done to a router because it is silent.
 */
export class AgentList {
  readonly #agents = new Map<string, Incarnation[]>();

  report(report: AgentReport, now: Millis): void {
    const key = keyOf(report.environment, report.router_id);
    const known = this.#agents.get(key) ?? [];
    const same = known.find((it) => it.report.incarnation === report.incarnation);
    if (same !== undefined) {
      same.report = report;
      same.lastAt = now;
    }
    const others = known.filter((it) => it !== same && !isSilent(it, now));
    // Set anew, so that the map stays in the order of the last reports.
    this.#agents.delete(key);
    this.#agents.set(key, [...others, same ?? { report, firstAt: now, lastAt: now }]);
    if (this.#agents.size > agentsMax) this.#agents.delete(this.#agents.keys().next().value ?? '');
  }

  /** Every router, those expected but never seen among them. @param expected router ids of `environment` */
  views(now: Millis, expected: readonly string[] = [], environment = 'default'): readonly AgentView[] {
    const views = [...this.#agents.values()].flatMap((incarnations) => {
      const latest = incarnations.reduce((a, b) => (b.lastAt >= a.lastAt ? b : a), incarnations[0] as Incarnation); // never empty
      const rivals = incarnations.filter((it) => isRival(it, incarnations, now));
      return [viewOf(latest, rivals.length, now)];
    });
    const seen = new Set(views.filter((it) => it.environment === environment).map((it) => it.router_id));
    const missing = expected.filter((id) => !seen.has(id)).map((id) => missingView(id, environment));
    return [...views, ...missing].sort((a, b) => (a.router_id < b.router_id ? -1 : a.router_id > b.router_id ? 1 : 0));
  }
}

function keyOf(environment: string, routerId: string): string {
  return `${environment} ${routerId}`;
}

function isSilent({ report, lastAt }: Incarnation, now: Millis): boolean {
  return now - lastAt > lateAfter * report.heartbeat_ms;
}

/** Whether it still reports though another start does: each was heard again after the other had begun. A restart is none. */
function isRival(it: Incarnation, all: readonly Incarnation[], now: Millis): boolean {
  if (isSilent(it, now)) return false;
  return all.some(
    (other) => other !== it && !isSilent(other, now) && other.lastAt > it.firstAt && it.lastAt > other.firstAt,
  );
}

function viewOf({ report, lastAt }: Incarnation, rivals: number, now: Millis): AgentView {
  const { incarnation: _, heartbeat_ms: heartbeat, ...rest } = report;
  const silent = now - lastAt;
  const byTime = silent <= lateAfter * heartbeat ? 'online' : silent <= offlineAfter * heartbeat ? 'late' : 'offline';
  return {
    ...rest,
    state: rivals > 1 ? 'conflict' : byTime,
    last_report_ms: Math.round(silent),
    incarnations: Math.max(1, rivals),
  };
}

function missingView(routerId: string, environment: string): AgentView {
  return {
    router_id: routerId,
    region: '',
    environment,
    segment: '',
    host: '',
    version: '',
    duty: 'router',
    admin: '',
    counters: {},
    qdepth: 0,
    tuning: [],
    state: 'missing',
    last_report_ms: null,
    incarnations: 0,
  };
}
