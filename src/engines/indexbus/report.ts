import { z } from 'zod';
import type { Millis } from '../../host/clock.ts';
import type { Host } from '../../host/host.ts';
import type { Address, Connection } from '../../host/network.ts';
import { FrameSplitter, frameOf } from '../../wire/rpc/frames.ts';
import { type AgentReport, type AgentView, agentStates } from './agents.ts';
import { label, segmentName } from './config.ts';

/** Frames between a router and its control plane: JSON in UTF-8. */
export const ReportFrame = { report: 1, agents: 2 } as const;
/** Longest report, and longest list of agents. */
export const reportBytesMax = 64 * 1024;
const listBytesMax = 16 * 1024 * 1024;

/** What is printed where it is read, also on terminals, which obey control characters. */
const text = z
  .string()
  .max(256)
  .regex(/^\P{C}*$/u, 'expected no control characters');
const tuningRow = z.object({ name: text, applied: z.string().max(1_024), reason: z.string().max(4_096) });

/** A report as it arrives: it comes from another process. */
export const reportSchema = z.object({
  router_id: label,
  region: label,
  environment: label,
  segment: segmentName,
  host: text,
  version: text,
  incarnation: text,
  duty: z.enum(['router', 'standby']),
  admin: text,
  heartbeat_ms: z.number().min(1).max(3_600_000),
  counters: z.record(z.string(), z.number()),
  qdepth: z.number(),
  tuning: z.array(tuningRow).max(64),
});
const viewSchema = reportSchema.omit({ incarnation: true, heartbeat_ms: true }).extend({
  // Of a router that never reported nothing but its id is known.
  region: text,
  segment: text,
  state: z.enum(agentStates),
  last_report_ms: z.number().nullable(),
  incarnations: z.number(),
});

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

export function jsonFrame(kind: number, value: unknown): Uint8Array {
  return frameOf(kind, encoder.encode(JSON.stringify(value)));
}

export function jsonOf(payload: Uint8Array): unknown {
  return JSON.parse(decoder.decode(payload));
}

/** The control plane as a router sees it. */
export interface ControlPlaneState {
  readonly address: string;
  readonly reachable: boolean;
  /** Since its last answer; null: never. */
  readonly last_contact_ms: number | null;
  /** Of the last heartbeat; null: never. */
  readonly round_trip_ms: number | null;
  /** Why it is not reached; empty if it is. */
  readonly failure: string;
}

/** Reports to the control plane until it is closed. */
export interface ReportClient {
  state(): ControlPlaneState;
  /** The routers that the control plane knew at its last answer, this one among them. */
  agents(): readonly AgentView[];
  close(): void;
}

/** Heartbeats without an answer after which the control plane counts as not reachable. */
const unreachableAfter = 3;

/** Starts to report every `heartbeatMs`. A control plane that is not there is nobody's trouble but the operator's. */
export function startReports(
  host: Host,
  address: Address,
  heartbeatMs: Millis,
  report: () => AgentReport,
): ReportClient {
  const closing = new AbortController();
  const { signal } = closing;
  let contactAt: Millis | undefined;
  let roundTrip: Millis | undefined;
  let failure = 'it was not asked yet';
  let agents: readonly AgentView[] = [];
  let line: Line | undefined;

  async function beat(): Promise<void> {
    const began = host.clock.now();
    line ??= await openLine(host, address, heartbeatMs, signal);
    const answer = await line.ask(jsonFrame(ReportFrame.report, report()));
    agents = z.array(viewSchema).parse(jsonOf(answer));
    contactAt = host.clock.now();
    roundTrip = contactAt - began;
    failure = '';
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const next = host.clock.now() + heartbeatMs;
      // One that hangs must not keep the next from being sent.
      const late = new AbortController();
      const timeout = host.clock.sleep(heartbeatMs, late.signal).then(() => {
        throw new Error(`no answer within ${heartbeatMs} ms`);
      });
      timeout.catch(() => undefined);
      try {
        await Promise.race([beat(), timeout]);
      } catch (error) {
        failure = error instanceof Error ? error.message : String(error);
        line?.close();
        line = undefined;
      } finally {
        late.abort(new Error('answered'));
      }
      await host.clock.sleep(Math.max(1, next - host.clock.now()), signal).catch(() => undefined);
    }
  }
  void run().catch((error: unknown) => {
    host.telemetry.logger.error('reports ended', { reason: error instanceof Error ? error.message : String(error) });
  });

  return {
    state: () => ({
      address: `${address.host}:${address.port}`,
      reachable: contactAt !== undefined && host.clock.now() - contactAt <= unreachableAfter * heartbeatMs,
      last_contact_ms: contactAt === undefined ? null : Math.round(host.clock.now() - contactAt),
      round_trip_ms: roundTrip ?? null,
      failure,
    }),
    agents: () => agents,
    close() {
      closing.abort(new Error('the router ends'));
      line?.close();
    },
  };
}

/** A connection on which one question is under way at a time. */
interface Line {
  ask(frame: Uint8Array): Promise<Uint8Array>;
  close(): void;
}

async function openLine(host: Host, address: Address, timeoutMs: Millis, signal: AbortSignal): Promise<Line> {
  const connection: Connection = await host.network.connect(address, { timeoutMs, signal });
  const splitter = new FrameSplitter(listBytesMax);
  return {
    async ask(frame) {
      await connection.write(frame);
      for (;;) {
        const bytes = await connection.read();
        if (bytes === undefined) throw new Error('the control plane has closed the connection');
        let answer: Uint8Array | undefined;
        splitter.push(bytes, (kind, payload) => {
          if (kind === ReportFrame.agents) answer = payload.slice();
        });
        if (answer !== undefined) return answer;
      }
    },
    close: () => connection.destroy(),
  };
}
