import type { Host } from '../../host/host.ts';
import type { AgentReport, AgentView } from './agents.ts';
import { type IndexbusConfig, parseAddress } from './config.ts';
import { type ControlPlaneState, type ReportClient, startReports } from './report.ts';
import type { Serving } from './serving.ts';

/** What a router says of itself: to the control plane, if it reports to one, and in the list of agents. */
export class SelfReport {
  readonly #host: Host;
  readonly #config: IndexbusConfig;
  readonly #own: Pick<AgentReport, 'router_id' | 'version' | 'incarnation'>;
  readonly #serving: () => Serving | undefined;
  #client: ReportClient | undefined;

  /** @param serving what it serves by now; undefined: it stands by */
  constructor(
    host: Host,
    config: IndexbusConfig,
    own: { readonly routerId: string; readonly version: string },
    serving: () => Serving | undefined,
  ) {
    const { pid, startTicks } = host.shm.identity();
    this.#host = host;
    this.#config = config;
    this.#own = {
      router_id: own.routerId,
      version: own.version,
      incarnation: `${host.name} ${pid} ${startTicks} ${host.incarnation}`,
    };
    this.#serving = serving;
  }

  /** Reports every heartbeat, where the configuration names a control plane, until it is closed. */
  start(): void {
    const { address, heartbeat_ms: heartbeatMs } = this.#config.control_plane;
    const parsed = address === 'none' ? undefined : parseAddress(address);
    if (parsed === undefined) return;
    this.#client = startReports(this.#host, parsed, heartbeatMs, () => this.#report());
  }

  close(): void {
    this.#client?.close();
  }

  /** The control plane as it is seen from here; undefined: this router reports to nobody. */
  controlPlane(): ControlPlaneState | undefined {
    return this.#client?.state();
  }

  /** The routers that the control plane told of last; this one alone where there is none. */
  agents(): readonly AgentView[] {
    const { incarnation: _, heartbeat_ms: __, ...self } = this.#report();
    const own: AgentView = { ...self, state: 'online', last_report_ms: 0, incarnations: 1 };
    const others = this.#client?.agents() ?? [];
    return others.some(({ router_id: id }) => id === own.router_id) ? others : [...others, own];
  }

  #report(): AgentReport {
    const config = this.#config;
    const serving = this.#serving();
    return {
      ...this.#own,
      region: config.region,
      environment: config.environment,
      segment: config.segment.name,
      host: this.#host.name,
      duty: serving === undefined ? 'standby' : 'router',
      admin: config.admin.listen,
      heartbeat_ms: config.control_plane.heartbeat_ms,
      counters: serving?.counters.rates() ?? {},
      qdepth: serving?.counters.queueDepth ?? 0,
      tuning: (serving?.tuning ?? []).map(({ name, applied, reason }) => ({ name, applied, reason })),
    };
  }
}
