import { createHmac } from 'node:crypto';
import type { Clock, Millis } from '../../../host/clock.ts';
import type { ScramCredential } from '../meta/metadata.ts';
import type { ScramMechanism } from './scramKeys.ts';

/** What of a credential shows to who has not proved anything: in the first answer of SCRAM, or in the time that a password takes. */
export type Decoy = Pick<ScramCredential, 'mechanism' | 'salt' | 'iterations'>;

interface Kind {
  readonly mechanism: ScramMechanism;
  readonly iterations: number;
  readonly saltBytes: number;
}

/** While the cluster has no user that could be imitated. */
const usualIterations = 4_096;
const usualSaltBytes = 16;
/** How long it is remembered what kinds the cluster's users have: anybody who can connect may ask. */
const knownForMs: Millis = 1_000;

/** The credential of a user that PLAIN checks a password against. */
export function plainCredential(of: readonly ScramCredential[]): ScramCredential | undefined {
  return of.find(({ mechanism }) => mechanism === 'SCRAM-SHA-512') ?? of[0];
}

/**
 * Stands in for users who do not exist: mechanism, iterations and length of the salt are those that some of the cluster's users have, the
 * same for a name each time. Which ones is a matter of the name and the key alone (rendezvous hashing), so a kind of credential that comes
 * to the cluster, or leaves it, changes only the names that it wins or had. What remains to be told apart: such a change itself, for a real
 * user's kind stays, and a start of the broker, which draws another key.
 */
export class Decoys {
  readonly #clock: Clock;
  readonly #key: Uint8Array;
  readonly #credentials: () => Iterable<readonly ScramCredential[]>;
  #kinds: { readonly plain: readonly Kind[]; readonly scram: readonly Kind[] } = { plain: [], scram: [] };
  #knownUntilMs: Millis = Number.NEGATIVE_INFINITY;

  /** `key`: secret of this process. `credentials`: those of each user of the cluster. */
  constructor(clock: Clock, key: Uint8Array, credentials: () => Iterable<readonly ScramCredential[]>) {
    this.#clock = clock;
    this.#key = key;
    this.#credentials = credentials;
  }

  /** What a password for PLAIN is hashed with. */
  forPlain(user: string): Decoy {
    this.#learn();
    return this.#decoy(user, this.#kinds.plain, 'SCRAM-SHA-512');
  }

  /** What an exchange of SCRAM begins with. */
  forScram(user: string, mechanism: ScramMechanism): Decoy {
    this.#learn();
    const kinds = this.#kinds.scram.filter((kind) => kind.mechanism === mechanism);
    return this.#decoy(user, kinds, mechanism);
  }

  #learn(): void {
    const now = this.#clock.now();
    if (now < this.#knownUntilMs) return;
    this.#knownUntilMs = now + knownForMs;
    const plain = new Map<string, Kind>();
    const scram = new Map<string, Kind>();
    for (const all of this.#credentials()) {
      for (const credential of all) note(scram, credential);
      const checked = plainCredential(all);
      if (checked !== undefined) note(plain, checked);
    }
    this.#kinds = { plain: [...plain.values()], scram: [...scram.values()] };
  }

  #decoy(user: string, kinds: readonly Kind[], usual: ScramMechanism): Decoy {
    let best: Kind = { mechanism: usual, iterations: usualIterations, saltBytes: usualSaltBytes };
    let bestWeight = '';
    for (const kind of kinds) {
      const weight = this.#hmac(`kind\0${nameOf(kind)}\0${user}`).toString('hex');
      if (weight <= bestWeight) continue;
      best = kind;
      bestWeight = weight;
    }
    const { mechanism, iterations, saltBytes } = best;
    return { mechanism, iterations, salt: this.#salt(`${mechanism}\0${user}`, saltBytes) };
  }

  #salt(of: string, bytes: number): Uint8Array {
    const blocks: Buffer[] = [];
    for (let made = 0; made < bytes; made += 32) blocks.push(this.#hmac(`salt\0${made}\0${of}`));
    return new Uint8Array(Buffer.concat(blocks).subarray(0, bytes));
  }

  #hmac(message: string): Buffer {
    return createHmac('sha256', this.#key).update('decoy').update(message).digest();
  }
}

function note(kinds: Map<string, Kind>, { mechanism, iterations, salt }: ScramCredential): void {
  const kind = { mechanism, iterations, saltBytes: salt.length };
  const name = nameOf(kind);
  if (!kinds.has(name)) kinds.set(name, kind);
}

function nameOf({ mechanism, iterations, saltBytes }: Kind): string {
  return `${mechanism} ${iterations} ${saltBytes}`;
}
