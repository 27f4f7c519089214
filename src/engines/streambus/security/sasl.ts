import type { RandomStream } from '../../../host/random.ts';
import type { Metadata } from '../meta/metadata.ts';
import type { Decoys } from './decoys.ts';
import type { PasswordCheck } from './passwordCheck.ts';
import { createPlainServer } from './plain.ts';
import { createScramServer, type SaslExchange, type SaslStep } from './scram.ts';

export type SaslMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'PLAIN';

/** What the exchanges of all connections share. */
export interface SaslSetup {
  /** What is offered; empty: clients need not say who they are. */
  readonly mechanisms: readonly SaslMechanism[];
  readonly metadata: Pick<Metadata, 'credential'>;
  readonly random: RandomStream;
  /** Key of the answers for users who do not exist; drawn at the start of the broker. */
  readonly decoyKey: Uint8Array;
  readonly decoys: Decoys;
  readonly passwords: PasswordCheck;
}

/** A connection's way from a stranger to a user, also again while it lives (KIP-368). */
export class SaslConversation {
  readonly #setup: SaslSetup;
  readonly #address: string;
  #exchange: SaslExchange | undefined;
  #mechanism: SaslMechanism | undefined;
  /** After a handshake of version 0 the next frames are bare messages of SASL. */
  isRaw = false;

  /** `address`: where the client is. */
  constructor(setup: SaslSetup, address: string) {
    this.#setup = setup;
    this.#address = address;
  }

  /** A mechanism was chosen and its exchange is not over. */
  get isUnderWay(): boolean {
    return this.#exchange !== undefined;
  }

  /** The mechanism of the last handshake. */
  get mechanism(): SaslMechanism | undefined {
    return this.#mechanism;
  }

  /** Begins an exchange; false when the mechanism is not offered. */
  handshake(mechanism: string, raw: boolean): boolean {
    const { mechanisms, metadata, random, decoyKey, decoys, passwords } = this.#setup;
    const chosen = mechanisms.find((name) => name === mechanism);
    if (chosen === undefined) return false;
    this.#mechanism = chosen;
    this.isRaw = raw;
    this.#exchange =
      chosen === 'PLAIN'
        ? createPlainServer(
            (user, scram) => metadata.credential(user, scram),
            (user, password, stored) => passwords.check(user, password, stored, this.#address),
          )
        : createScramServer({
            mechanism: chosen,
            credential: (user) => metadata.credential(user, chosen),
            nonce: Buffer.from(random.bytes(18)).toString('base64'),
            decoyKey,
            decoys,
          });
    return true;
  }

  /** The client's next message. Throws when no mechanism was chosen: the caller asks `isUnderWay` first. */
  step(message: Uint8Array): SaslStep {
    if (this.#exchange === undefined) throw new Error('a step of SASL follows a handshake');
    const result = this.#exchange.step(message);
    if (result.kind !== 'continue') {
      this.#exchange = undefined;
      this.isRaw = false;
    }
    return result;
  }
}
