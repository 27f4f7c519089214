import { isTable, mergeTables } from '../../mergeTables.ts';
import { dataDirectory } from './devices.ts';

/** Ports of every broker. */
export const kafkaPort = 9092;
export const rpcPort = 9093;
export const httpPort = 8080;

export function nodeName(number: number): string {
  return `streambus-${number}`;
}

/** Number of the broker that runs on this machine. */
export function brokerOfNode(node: string): number {
  return Number(node.slice(node.lastIndexOf('-') + 1));
}

/** What the configuration file of each broker says beside what the scenario gives: who it is, who the others are. */
export function brokerDocument(
  node: string,
  nodes: readonly string[],
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const own = {
    server: { broker_id: brokerOfNode(node), host: '0.0.0.0', advertised_host: node },
    cluster: {
      id: 'streambus',
      peers: nodes.length === 1 ? [] : nodes.map((peer) => `${brokerOfNode(peer)}:${peer}:${rpcPort}`),
    },
    // Small files: what a journal sets aside is really written, in zeros.
    storage: { data_dir: dataDirectory, journal: { segment_size: 4 * 1024 * 1024 } },
    // The network of the stand is a private one.
    security: { admin: { allow_anonymous: true } },
  };
  return mergeTables(own, given);
}

/** Sets one key of a document by its dotted name, making tables on the way. */
export function setKey(document: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (key === undefined) return;
  if (rest.length === 0) {
    document[key] = value;
    return;
  }
  const next = document[key];
  const table: Record<string, unknown> = isTable(next) ? { ...next } : {};
  document[key] = table;
  setKey(table, rest, value);
}
