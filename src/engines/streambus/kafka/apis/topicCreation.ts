import type { MetaResults, NewTopic } from '../../meta/commands.ts';
import { hexOf } from '../../meta/json.ts';
import type { BrokerServices } from '../../services.ts';

/** A topic to be made: the id is drawn here. */
export type WantedTopic = Omit<NewTopic, 'id'>;

export interface CreateOptions {
  readonly validateOnly: boolean;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Has the cluster create topics and waits, within the same time, until their partitions are led. Rejects with `MetaError`. */
export async function createTopicsAndWait(
  services: BrokerServices,
  wanted: readonly WantedTopic[],
  { validateOnly, timeoutMs, signal }: CreateOptions,
): Promise<MetaResults['create-topics']> {
  const { host, config, commands } = services;
  const ids = host.random.stream('topic-id');
  const deadline = host.clock.now() + timeoutMs;
  const outcomes = await commands.submit(
    {
      type: 'create-topics',
      topics: wanted.map((topic) => ({ ...topic, id: hexOf(ids.bytes(16)) })),
      validateOnly,
      createdWall: host.clock.wall(),
      defaults: { partitions: config.topics.default_partitions, replication: config.topics.default_replication },
    },
    { timeoutMs, signal },
  );
  if (!validateOnly) {
    const made = outcomes.filter(({ errorCode }) => errorCode === 0).map(({ name }) => name);
    await waitForLeaders(services, made, deadline, signal);
  }
  return outcomes;
}

/** How often leadership is looked at: gossip has no bell. */
const lookMs = 10;

/** Waits until every partition of the topics is led, the time is up or the signal fires. */
export async function waitForLeaders(
  services: BrokerServices,
  topics: readonly string[],
  deadline: number,
  signal: AbortSignal,
): Promise<void> {
  const { clock } = services.host;
  const isLed = (name: string): boolean =>
    services.metadata.topics.get(name)?.partitions.every(({ group }) => services.leaderOf(group) !== undefined) ?? true;
  while (!topics.every(isLed) && clock.now() < deadline && !signal.aborted) {
    await clock.sleep(lookMs, signal).catch(() => undefined);
  }
}
