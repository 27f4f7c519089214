import type { Route } from '../../route.ts';
import type { AgentState, AgentView } from '../agents.ts';
import type { ControlPlaneState } from '../report.ts';
import { ok, unknown } from './answer.ts';

/** What a process knows of the routers around it. */
export interface AgentDirectory {
  agents(): readonly AgentView[];
  /** Undefined: this router reports to nobody. */
  controlPlane(): ControlPlaneState | undefined;
  /** Environment and region that are there even without any router. */
  readonly own: { readonly environment: string; readonly region: string };
}

const bad: readonly AgentState[] = ['offline', 'missing', 'conflict'];

function statusOf(agents: readonly AgentView[]): 'ok' | 'degraded' | 'failed' {
  if (agents.length > 0 && agents.every(({ state }) => bad.includes(state))) return 'failed';
  return agents.some(({ state }) => state !== 'online') ? 'degraded' : 'ok';
}

/** What of a router stands in a list. */
function row(agent: AgentView) {
  const { router_id, region, segment, host, version, duty, admin, state, last_report_ms, incarnations } = agent;
  return { router_id, region, segment, host, version, duty, admin, state, last_report_ms, incarnations };
}

/** Regions, the control plane, the environment's agents. */
export function agentRoutes(directory: AgentDirectory): readonly Route[] {
  const regionsOf = () => {
    const names = new Set([directory.own.region, ...directory.agents().map(({ region }) => region)]);
    names.delete('');
    return [...names].sort();
  };
  const agentsOf = (environment: string) => {
    const all = directory.agents();
    const known = [...new Set([directory.own.environment, ...all.map((it) => it.environment)])].sort();
    if (!known.includes(environment)) throw unknown('environment', environment, known);
    return all.filter((it) => it.environment === environment);
  };
  const summaryOf = (region: string) => {
    const agents = directory.agents().filter((it) => it.region === region);
    const environments = [...new Set(agents.map((it) => it.environment))].sort();
    return { region, environments, routers: agents.length, status: statusOf(agents) };
  };

  return [
    {
      method: 'GET',
      path: '/v1/regions',
      summary: 'The regions in which routers report, and how they are.',
      role: 'read',
      handler: async () => ok(regionsOf().map(summaryOf)),
    },
    {
      method: 'GET',
      path: '/v1/regions/{region}/health',
      summary: 'One region, with each of its routers.',
      role: 'read',
      handler: async ({ parameters: { region = '' } }) => {
        if (!regionsOf().includes(region)) throw unknown('region', region, regionsOf());
        const agents = directory.agents().filter((it) => it.region === region);
        const { environments, status } = summaryOf(region);
        return ok({
          region,
          environments,
          status,
          routers: agents.map(row),
          control_plane: directory.controlPlane() ?? null,
        });
      },
    },
    {
      method: 'GET',
      path: '/v1/control-plane',
      summary: 'The control plane as it is seen from here.',
      role: 'read',
      handler: async () =>
        ok(
          directory.controlPlane() ?? {
            address: null,
            reachable: false,
            last_contact_ms: null,
            round_trip_ms: null,
            failure: 'control_plane.address is none: this router reports to nobody',
          },
        ),
    },
    {
      method: 'GET',
      path: '/v1/environments/{environment}/agents',
      summary: 'The routers of an environment, those expected but never seen among them.',
      role: 'read',
      handler: async ({ parameters: { environment = '' } }) => ok(agentsOf(environment).map(row)),
    },
    {
      method: 'GET',
      path: '/v1/environments/{environment}/agents/{router_id}',
      summary: 'One router, with its counters and what the machine gave it, as it reported last.',
      role: 'read',
      handler: async ({ parameters: { environment = '', router_id: id = '' } }) => {
        const agents = agentsOf(environment);
        const agent = agents.find((it) => it.router_id === id);
        if (agent === undefined)
          throw unknown(
            'agent',
            id,
            agents.map((it) => it.router_id),
          );
        return ok(agent);
      },
    },
  ];
}
