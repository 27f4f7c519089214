import { type StreamBusConfig, streamBusConfigSchema } from '../../../../../src/engines/streambus/config.ts';
import { decodeJson, encodeJson } from '../../../../../src/engines/streambus/groups/entries.ts';
import type { MetaCommand, MetaCommands, MetaResults } from '../../../../../src/engines/streambus/meta/commands.ts';
import type {
  AclBinding,
  BrokerInfo,
  Metadata,
  Quota,
  ScramCredential,
  TopicInfo,
} from '../../../../../src/engines/streambus/meta/metadata.ts';
import type { BrokerServices } from '../../../../../src/engines/streambus/services.ts';
import type { Host } from '../../../../../src/host/host.ts';
import { FakePartition } from './fakePartition.ts';

/** Answers commands of the metadata as the test says. */
export type CommandAnswer = (command: MetaCommand) => unknown;

/** Services of a broker without a cluster behind them: what the door sees is what the test has put there. */
export class FakeServices implements BrokerServices {
  readonly host: Host;
  readonly config: StreamBusConfig;
  readonly broker = 1;
  readonly topicMap = new Map<string, TopicInfo>();
  readonly acls: AclBinding[] = [];
  readonly credentialMap = new Map<string, ScramCredential[]>();
  readonly replicas = new Map<string, FakePartition>();
  readonly commandsSeen: MetaCommand[] = [];
  answerCommand: CommandAnswer = () => {
    throw new Error('the test did not say how to answer');
  };
  quotaOf: (user: string | undefined, clientId: string) => Partial<Quota> = () => ({});
  readOnly: string | undefined = undefined;
  /** Answers of the coordinator of transactions. */
  verifyCode: number | (() => Promise<number>) = 0;
  readonly verified: unknown[] = [];
  readonly brokers = new Map<number, BrokerInfo>();
  groupIds: Iterable<number> = [];
  readonly producerIds = { next: () => Promise.resolve(4_000) };
  readonly connectionFence = { check() {} };
  #nextGroup = 1024;

  constructor(host: Host, overrides: Record<string, unknown> = {}) {
    this.host = host;
    this.config = streamBusConfigSchema.parse(overrides);
    for (const broker of [1, 2]) this.brokers.set(broker, brokerInfo(broker));
  }

  /** Makes a topic whose partitions are led here, but for those that broker 2 leads. */
  addTopic(name: string, partitions = 1, elsewhere: readonly number[] = []): FakePartition[] {
    const id = new Uint8Array(16).fill(this.topicMap.size + 1);
    const infos = Array.from({ length: partitions }, (_, partition) => ({
      topic: name,
      partition,
      group: this.#nextGroup++,
      generation: 0,
      replicas: [1, 2],
      founders: [],
    }));
    this.topicMap.set(name, { name, id, partitions: infos, configs: new Map(), createdWall: 0 });
    const made = infos.map((info) => new FakePartition(info));
    for (const [index, replica] of made.entries()) {
      if (!elsewhere.includes(index)) this.replicas.set(`${name}/${index}`, replica);
    }
    return made;
  }

  readonly metadata: Metadata = this.#metadata();

  #metadata(): Metadata {
    const services = this;
    return {
      clusterId: 'test-cluster',
      get version() {
        return services.topicMap.size + services.acls.length;
      },
      brokers: new Proxy(new Map(), {
        get: (_, key) => {
          const value: unknown = Reflect.get(services.brokers, key);
          return typeof value === 'function' ? value.bind(services.brokers) : value;
        },
      }) as ReadonlyMap<number, BrokerInfo>,
      get topics() {
        return services.topicMap;
      },
      topicById: (id) => [...services.topicMap.values()].find((topic) => topic.id.every((byte, at) => byte === id[at])),
      shards: [],
      shardOf: (kind) => (kind === 'groups' ? 1 : 9),
      partitionOf: () => undefined,
      readOnly: undefined,
      get acls() {
        return services.acls;
      },
      credential: (user, mechanism) =>
        services.credentialMap.get(user)?.find((credential) => credential.mechanism === mechanism),
      get credentials() {
        return services.credentialMap;
      },
      quotas: [],
      quota: (user, clientId) => ({
        produceRate: undefined,
        fetchRate: undefined,
        produceBytesRate: undefined,
        fetchBytesRate: undefined,
        ...services.quotaOf(user, clientId),
      }),
      onChange: () => () => undefined,
    };
  }

  readonly commands: MetaCommands = {
    submit: async <C extends MetaCommand>(command: C) => {
      this.commandsSeen.push(command);
      return this.answerCommand(command) as MetaResults[C['type']];
    },
  };

  readonly rpc: BrokerServices['rpc'] = {
    serve: () => undefined,
    call: () => Promise.reject(new Error('no other broker here')),
    callLeader: async (group, name, body) => {
      if (name !== 'txn.verify' || group !== 9) throw new Error(`the door does not ask ${name} of group ${group}`);
      this.verified.push(decodeJson(body));
      const code = typeof this.verifyCode === 'number' ? this.verifyCode : await this.verifyCode();
      return encodeJson(code);
    },
  };

  group() {
    return undefined;
  }

  leaderOf(group: number) {
    for (const { info } of this.replicas.values()) if (info.group === group) return { broker: 1, term: 7 };
    return { broker: 2, term: 7 };
  }

  readonly transfers: { readonly group: number; readonly to: number }[] = [];

  async transferLead(group: number, to: number): Promise<void> {
    this.transfers.push({ group, to });
  }

  partition(topic: string, partition: number) {
    return this.replicas.get(`${topic}/${partition}`);
  }

  get partitions() {
    return this.replicas.values();
  }

  groupCoordinator() {
    return undefined;
  }

  transactionCoordinator() {
    return undefined;
  }
}

function brokerInfo(broker: number): BrokerInfo {
  const at = (port: number) => ({ host: `b${broker}`, port });
  return {
    broker,
    incarnation: 1,
    kafka: at(9092),
    rpc: at(9093),
    http: at(8080),
    rack: undefined,
    storage: `uuid-${broker}`,
    startCount: 1,
    state: 'active',
    voter: true,
  };
}
