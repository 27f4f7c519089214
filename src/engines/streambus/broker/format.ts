import type { Host } from '../../../host/host.ts';
import { advertisedHost, brokerIdOf, type Peer, peersOf, type StreamBusConfig } from '../config.ts';
import { StreamBusError } from '../errors.ts';
import { drawUuid, type Identity, readIdentity, writeIdentity } from '../identity.ts';
import type { BrokerId } from '../ids.ts';
import { type Founder, foundCluster } from '../meta/found.ts';
import { decodeJson, encodeJson } from '../meta/json.ts';
import { type FoundingRecord, readFounding, writeFounding } from './founding.ts';
import { type Rpc, RpcError, RpcRefusal } from './rpc.ts';

const askName = 'format.ask';
const prepareName = 'format.prepare';
const commitName = 'format.commit';
/** Between two rounds of questions. */
const roundMs = 500;
const answerMs = 2_000;
/** Between two lines of the log that say what is waited for. */
const sayMs = 10_000;
const firstIncarnation = 1;
/** Who asks belongs to no cluster yet. */
const strangers = { strangers: true };

/** What a broker answers to who asks whether it belongs to a cluster. */
export type FormatState =
  /** `prepared`: it has noted how a cluster shall begin and waits for the word. */
  | { readonly state: 'unformatted'; readonly founder: Founder; readonly prepared?: FoundingRecord }
  | { readonly state: 'formatted'; readonly clusterId: string };

/** What became of a broker without an identity. */
export type FormatOutcome =
  /** A cluster began, and this broker is one of its founders. */
  | { readonly kind: 'founded'; readonly identity: Identity }
  /** There is a cluster already: this broker has to join it. */
  | { readonly kind: 'join'; readonly clusterId: string };

/** How others reach this broker. */
export function endpointsOf(host: Host, config: StreamBusConfig): Founder {
  const name = advertisedHost(config, host.name);
  const { port, rpc_port: rpcPort, http_port: httpPort } = config.server;
  const own = peersOf(config).find(({ broker }) => broker === brokerIdOf(config));
  return {
    broker: brokerIdOf(config),
    kafka: { host: name, port },
    rpc: own === undefined ? { host: name, port: rpcPort } : { host: own.host, port: own.port },
    http: { host: name, port: httpPort },
    rack: config.cluster.rack,
  };
}

/** The brokers with which a cluster of this configuration begins, this one among them, by ascending number. */
export function foundersOf(config: StreamBusConfig): readonly BrokerId[] {
  const named = peersOf(config).map(({ broker }) => broker);
  return [...new Set([...named, brokerIdOf(config)])].sort((left, right) => left - right);
}

/** Answers who asks whether this broker belongs to a cluster: to be served from the start until the process ends. */
export class FormatService {
  readonly #host: Host;
  readonly #config: StreamBusConfig;
  #identity: Identity | undefined;
  #prepared: FoundingRecord | undefined;
  #onFounded: ((identity: Identity) => void) | undefined;

  constructor(host: Host, config: StreamBusConfig, rpc: Rpc, identity: Identity | undefined) {
    this.#host = host;
    this.#config = config;
    this.#identity = identity;
    rpc.serve(askName, async () => encodeJson(this.#state()), strangers);
    rpc.serve(
      prepareName,
      async (body) => {
        await this.#prepare(decodeJson(body) as FoundingRecord); // from a broker that runs the same code
        return new Uint8Array(0);
      },
      strangers,
    );
    rpc.serve(
      commitName,
      async (body) => {
        await this.#commit(decodeJson(body) as { readonly clusterId: string }); // see above
        return new Uint8Array(0);
      },
      strangers,
    );
  }

  /** From now on this broker answers that it belongs to the cluster. */
  formatted(identity: Identity): void {
    this.#identity = identity;
  }

  /**
   * Finds out whether there is a cluster, or begins one: once every peer has said that it has none and has noted how it begins, the
   * peer with the lowest number gives the word. One that belongs to a cluster means that there is one; silence means to wait.
   *
   * @throws StreamBusError CONFIG_INVALID when a cluster may not begin by itself and no peer knows one
   */
  async decide(rpc: Rpc, signal: AbortSignal): Promise<FormatOutcome> {
    const { clock } = this.#host;
    this.#prepared ??= await readFounding(this.#host, this.#config.storage.data_dir);
    const founded = new Promise<Identity>((resolve) => {
      this.#onFounded = resolve;
    });
    let saidAt = Number.NEGATIVE_INFINITY;
    for (;;) {
      signal.throwIfAborted();
      const outcome = await this.#round(rpc, signal);
      if (typeof outcome !== 'string') return outcome;
      if (clock.now() - saidAt >= sayMs) {
        this.#host.telemetry.logger.info('waiting for a cluster', { why: outcome });
        saidAt = clock.now();
      }
      const wait = new AbortController();
      const slept = clock.sleep(roundMs, wait.signal).catch(() => undefined);
      const identity = await Promise.race([founded, slept]);
      wait.abort();
      if (identity !== undefined) return { kind: 'founded', identity };
    }
  }

  /** One round of questions; a text says what is still waited for. */
  async #round(rpc: Rpc, signal: AbortSignal): Promise<FormatOutcome | string> {
    const own = this.#state();
    if (own.state === 'formatted' && this.#identity !== undefined) return { kind: 'founded', identity: this.#identity };
    const self = brokerIdOf(this.#config);
    const others = peersOf(this.#config).filter(({ broker }) => broker !== self);
    const answers = new Map<BrokerId, FormatState>([[self, own]]);
    await Promise.all(
      others.map(async ({ broker }) => {
        const answer = await ask(rpc, broker, signal);
        if (answer !== undefined) answers.set(broker, answer);
      }),
    );
    for (const answer of answers.values()) {
      if (answer.state !== 'formatted') continue;
      this.#host.telemetry.sometimes('format found a cluster', true);
      // The word was given, and this broker had noted the beginning: it is a founder whom the word did not reach.
      if (this.#prepared?.clusterId === answer.clusterId) {
        return { kind: 'founded', identity: await this.#found(this.#prepared) };
      }
      return { kind: 'join', clusterId: answer.clusterId };
    }
    if (!this.#config.cluster.auto_format) {
      return `no peer belongs to a cluster and cluster.auto_format is false: run hotfire streambus format on each of ${foundersOf(this.#config).join(', ')}`;
    }
    const silent = others.filter(({ broker }) => !answers.has(broker));
    if (silent.length > 0) return `no answer from ${silent.map(nameOf).join(', ')}`;
    const [first] = foundersOf(this.#config);
    if (first !== self) return `broker ${first} begins the cluster once all have answered`;
    return this.#begin(rpc, [...answers.values()], others, signal);
  }

  /** Everybody has answered and nobody belongs to a cluster: this broker has the lowest number. */
  async #begin(
    rpc: Rpc,
    answers: readonly FormatState[],
    others: readonly Peer[],
    signal: AbortSignal,
  ): Promise<FormatOutcome | string> {
    // What somebody has noted may have been told to all: it must be that one.
    const noted = answers.flatMap((answer) => (answer.state === 'unformatted' ? (answer.prepared ?? []) : []));
    const clusters = new Set(noted.map(({ clusterId }) => clusterId));
    if (clusters.size > 1) {
      return `the brokers have noted different beginnings, ${[...clusters].join(' and ')}: empty storage.data_dir on those that are wrong`;
    }
    const founding = noted[0] ?? this.#draw(answers);
    await this.#prepare(founding);
    const body = encodeJson(founding);
    for (const { broker } of others) {
      try {
        await rpc.call(broker, prepareName, body, { timeoutMs: answerMs, signal });
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        return `broker ${broker} has not noted the beginning: ${error.message}`;
      }
    }
    const identity = await this.#found(founding);
    const word = encodeJson({ clusterId: founding.clusterId });
    // Whom it does not reach hears from its next question that there is a cluster.
    for (const { broker } of others) {
      rpc.call(broker, commitName, word, { timeoutMs: answerMs }).catch(() => undefined);
    }
    return { kind: 'founded', identity };
  }

  #draw(answers: readonly FormatState[]): FoundingRecord {
    const founders = answers
      .flatMap((answer) => (answer.state === 'unformatted' ? answer.founder : []))
      .sort((left, right) => left.broker - right.broker);
    const clusterId = this.#config.cluster.id ?? drawClusterId(this.#host);
    return {
      clusterId,
      brokers: founders.map(({ broker }) => broker),
      meta: foundCluster({ clusterId, founders, shards: this.#config.shards }),
    };
  }

  #state(): FormatState {
    if (this.#identity !== undefined) return { state: 'formatted', clusterId: this.#identity.clusterId };
    return {
      state: 'unformatted',
      founder: endpointsOf(this.#host, this.#config),
      ...(this.#prepared === undefined ? {} : { prepared: this.#prepared }),
    };
  }

  async #prepare(founding: FoundingRecord): Promise<void> {
    if (this.#identity !== undefined) {
      throw new RpcRefusal('FORMATTED', `this broker belongs to cluster ${this.#identity.clusterId}`);
    }
    const own = foundersOf(this.#config).join(', ');
    if (own !== founding.brokers.join(', ')) {
      throw new RpcRefusal(
        'OTHER_PEERS',
        `expected the same brokers in cluster.peers everywhere, got ${founding.brokers.join(', ')} there and ${own} on broker ${brokerIdOf(this.#config)}`,
      );
    }
    if (this.#prepared !== undefined && this.#prepared.clusterId !== founding.clusterId) {
      throw new RpcRefusal('OTHER_BEGINNING', `this broker has noted the beginning of ${this.#prepared.clusterId}`);
    }
    await writeFounding(this.#host, this.#config.storage.data_dir, founding);
    this.#prepared = founding;
  }

  async #commit({ clusterId }: { readonly clusterId: string }): Promise<void> {
    if (this.#identity !== undefined || this.#prepared?.clusterId !== clusterId) return;
    await this.#found(this.#prepared);
  }

  /** Becomes a founder. Two may come here at once, the word and an answer: the second one waits for the first. */
  #founding: Promise<Identity> | undefined;
  #found(founding: FoundingRecord): Promise<Identity> {
    this.#founding ??= (async () => {
      const identity = await writeFirstIdentity(this.#host, this.#config, founding.clusterId);
      this.#identity = identity;
      this.#onFounded?.(identity);
      return identity;
    })();
    return this.#founding;
  }
}

async function ask(rpc: Rpc, broker: BrokerId, signal: AbortSignal): Promise<FormatState | undefined> {
  try {
    // Every broker answers with this form.
    return decodeJson(
      await rpc.call(broker, askName, new Uint8Array(0), { timeoutMs: answerMs, signal }),
    ) as FormatState;
  } catch (error) {
    if (error instanceof RpcError) return undefined;
    throw error;
  }
}

async function writeFirstIdentity(host: Host, config: StreamBusConfig, clusterId: string): Promise<Identity> {
  const identity: Identity = {
    clusterId,
    broker: brokerIdOf(config),
    storage: drawUuid(host),
    incarnation: firstIncarnation,
    startCount: 0,
    servedStart: 0,
  };
  await writeIdentity(host, config.storage.data_dir, identity);
  return identity;
}

function drawClusterId(host: Host): string {
  // As Kafka's: 16 bytes in the URL's variant of base64.
  return Buffer.from(host.random.stream('uuid').bytes(16)).toString('base64url');
}

function nameOf({ broker, host, port }: Peer): string {
  return `broker ${broker} (${host}:${port})`;
}

/**
 * Formats a data directory by hand, with no broker running. Done with the same `cluster.id`, peers and shards on each broker that the
 * configuration names; the endpoints for clients are told when the brokers register.
 *
 * @throws StreamBusError WRONG_CLUSTER when the directory belongs to one already; CONFIG_INVALID with peers and no `cluster.id`, or without a peer's address
 */
export async function formatDirectory(host: Host, config: StreamBusConfig): Promise<Identity> {
  // A broker without others need not agree on the name with anybody.
  const clusterId = config.cluster.id ?? (foundersOf(config).length === 1 ? drawClusterId(host) : undefined);
  if (clusterId === undefined) {
    throw new StreamBusError(
      'CONFIG_INVALID',
      'cluster.id: expected the name of the cluster, the same on each of its brokers; give it there or with --cluster-id',
    );
  }
  const directory = config.storage.data_dir;
  const verdict = await readIdentity(host, directory, brokerIdOf(config), undefined);
  if (verdict.kind !== 'fresh') {
    throw new StreamBusError(
      'WRONG_CLUSTER',
      `${directory} belongs to cluster ${verdict.identity.clusterId} already: nothing was done`,
    );
  }
  const peers = peersOf(config);
  const founders = foundersOf(config).map((broker): Founder => {
    const peer = peers.find((other) => other.broker === broker);
    const { rpc } = endpointsOf(host, config);
    const at = peer ?? rpc;
    const { port, http_port: httpPort } = config.server;
    return {
      broker,
      kafka: { host: at.host, port },
      rpc: { host: at.host, port: at.port },
      http: { host: at.host, port: httpPort },
      // Not known of the others, and all have to begin alike.
      rack: undefined,
    };
  });
  if (founders.length > 1 && !peers.some(({ broker }) => broker === brokerIdOf(config))) {
    throw new StreamBusError(
      'CONFIG_INVALID',
      `cluster.peers: expected broker ${brokerIdOf(config)} itself among them: all brokers have to begin alike`,
    );
  }
  await writeFounding(host, directory, {
    clusterId,
    brokers: founders.map(({ broker }) => broker),
    meta: foundCluster({ clusterId, founders, shards: config.shards }),
  });
  return writeFirstIdentity(host, config, clusterId);
}
