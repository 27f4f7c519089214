import type { Host } from '../../../host/host.ts';
import { memoryBudget } from '../memory.ts';
import { Authorizer } from '../security/authorizer.ts';
import { Decoys } from '../security/decoys.ts';
import { PasswordCheck } from '../security/passwordCheck.ts';
import type { SaslSetup } from '../security/sasl.ts';
import { credentialOf } from '../security/scramKeys.ts';
import type { BrokerServices } from '../services.ts';
import { ByteBudget } from './byteBudget.ts';
import type { DoorHooks } from './hooks.ts';
import { requestMemoryShare } from './limits.ts';
import { RefusalLog } from './refusalLog.ts';
import { SlowLog } from './slowLog.ts';
import { Throttle } from './throttle.ts';

/** What the connections of a door share. */
export interface Door {
  readonly host: Host;
  readonly services: BrokerServices;
  readonly hooks: DoorHooks;
  readonly slowLog: SlowLog;
  /** The log lines of connections that were closed. */
  readonly refusals: RefusalLog;
  readonly throttle: Throttle;
  readonly authorizer: Authorizer;
  readonly sasl: SaslSetup;
  /** The listener speaks TLS. */
  readonly isEncrypted: boolean;
  /** Bytes of the requests that are under way. */
  readonly budget: ByteBudget;
  /** Fetches that wait for records now. */
  readonly waiters: { count: number };
}

/** Builds what the connections share. PLAIN is left out where passwords would cross the network as they are. */
export function createDoor(services: BrokerServices, hooks: DoorHooks, isEncrypted: boolean): Door {
  const { host, config, metadata } = services;
  const { sasl, acl } = config.security;
  const random = host.random.stream('sasl');
  const secret = random.bytes(32);
  const decoys = new Decoys(host.clock, secret, () => metadata.credentials.values());
  return {
    host,
    services,
    hooks,
    slowLog: new SlowLog(() => config.slow_query),
    refusals: new RefusalLog(host.clock, host.telemetry.logger),
    throttle: new Throttle(host.clock),
    authorizer: new Authorizer({ enabled: acl.enabled, superUsers: acl.super_users, metadata }),
    sasl: {
      mechanisms: sasl.mechanisms.filter((mechanism) => mechanism !== 'PLAIN' || isEncrypted),
      metadata,
      random,
      decoyKey: secret,
      decoys,
      passwords: new PasswordCheck(host.clock, secret, credentialOf, decoys),
    },
    isEncrypted,
    budget: new ByteBudget(Math.floor(memoryBudget(host, config) * requestMemoryShare)),
    waiters: { count: 0 },
  };
}
