/**
 * Conservation of sums, as in Jepsen's bank workload: `open` (input: `{ account: balance }`, done once and answered before
 * anything else), `transfer` (input: `{ from, to, amount }`), `read` (output: the balances of all accounts, at one moment). Money
 * moves; it does not come or go. Amounts and balances are whole numbers, as the sums of fractions depend on their order: others throw.
 */
import { mayHaveHappened } from '../effect.ts';
import type { Operation, Violation } from '../history.ts';

export type Balances = Readonly<Record<string, number>>;

export interface Transfer {
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

export interface SumOptions {
  /** Balances after the last operation. Default: not looked at. */
  readonly final?: Balances;
  /** Whether an account may be overdrawn. Default false. */
  readonly negativeAllowed?: boolean;
}

/** Evidence of `conserved` for sums. */
export interface SumImbalance {
  readonly kind: 'wrong-total' | 'wrong-accounts' | 'negative' | 'unexplained';
  readonly seenIn: string;
  /** `wrong-total`: what there was in the beginning, and what was seen. */
  readonly expectedTotal?: number;
  readonly total?: number;
  /** The others: the account. */
  readonly account?: string;
  readonly balance?: number;
  /** `unexplained`: all transfers that were answered, and any of those in doubt, leave a balance between these two. */
  readonly least?: number;
  readonly most?: number;
}

/**
 * Every read, and the final state, has the accounts that were opened (`wrong-accounts`), whose balances add up to what was there in
 * the beginning (`wrong-total`), none below zero (`negative`). In the final state each balance is also what the transfers leave
 * (`unexplained`): those answered `ok` count, `fail` does not, each `info` may or may not.
 */
export function checkSumsConserved(operations: readonly Operation[], options: SumOptions = {}): Violation[] {
  const opened = openedBy(operations);
  const expectedTotal = totalOf(opened);
  const transfers = operations.filter(({ f }) => f === 'transfer').map((operation) => transferOf(operation));
  const found: Violation[] = [];
  for (const operation of operations) {
    if (operation.f === 'read' && operation.outcome === 'ok') {
      look(balancesOf(`operation ${operation.id}`, operation.output), `read ${operation.id}`, operation);
    }
  }
  if (options.final !== undefined) {
    const final = balancesOf('the final state', options.final);
    look(final, 'the final state');
    found.push(...unexplained(opened, transfers, final));
  }
  return found;

  function look(balances: Balances, seenIn: string, read?: Operation): void {
    const place = {
      ...(read === undefined ? {} : { atMs: read.completedAt }),
      operations: read === undefined ? [] : [read.id],
    };
    const wrong = [...new Set([...Object.keys(opened), ...Object.keys(balances)])].filter(
      (account) => !Object.hasOwn(opened, account) || !Object.hasOwn(balances, account),
    );
    for (const account of wrong) {
      const evidence: SumImbalance = { kind: 'wrong-accounts', seenIn, account };
      const what = Object.hasOwn(opened, account) ? 'is missing in' : 'was never opened, but is in';
      found.push({ check: 'conserved', message: `account ${account} ${what} ${seenIn}`, ...place, evidence });
    }
    const total = totalOf(balances);
    if (wrong.length === 0 && total !== expectedTotal) {
      const evidence: SumImbalance = { kind: 'wrong-total', seenIn, expectedTotal, total };
      const message = `the balances in ${seenIn} add up to ${total}, expected ${expectedTotal}`;
      found.push({ check: 'conserved', message, ...place, evidence });
    }
    if (options.negativeAllowed === true) return;
    for (const [account, balance] of Object.entries(balances)) {
      if (balance >= 0) continue;
      const evidence: SumImbalance = { kind: 'negative', seenIn, account, balance };
      found.push({
        check: 'conserved',
        message: `account ${account} stands at ${balance} in ${seenIn}`,
        ...place,
        evidence,
      });
    }
  }
}

/** One violation for each account whose final balance the transfers cannot have left. */
function unexplained(
  opened: Balances,
  transfers: readonly { readonly operation: Operation; readonly transfer: Transfer }[],
  final: Balances,
): Violation[] {
  return Object.entries(opened).flatMap(([account, initial]) => {
    const balance = Object.hasOwn(final, account) ? final[account] : undefined;
    if (balance === undefined) return [];
    let [least, most] = [initial, initial];
    const touching: number[] = [];
    for (const { operation, transfer } of transfers) {
      if (!mayHaveHappened(operation)) continue;
      const change =
        (transfer.to === account ? transfer.amount : 0) - (transfer.from === account ? transfer.amount : 0);
      if (change === 0) continue;
      touching.push(operation.id);
      if (operation.outcome === 'ok' || change < 0) least += change;
      if (operation.outcome === 'ok' || change > 0) most += change;
    }
    if (balance >= least && balance <= most) return [];
    const evidence: SumImbalance = { kind: 'unexplained', seenIn: 'the final state', account, balance, least, most };
    const expected = least === most ? `${least}` : `${least} to ${most}`;
    return [
      {
        check: 'conserved',
        message: `account ${account} ends at ${balance}, expected ${expected} after its transfers`,
        operations: touching,
        evidence,
      },
    ];
  });
}

function openedBy(operations: readonly Operation[]): Balances {
  for (const { id, f } of operations) {
    if (f !== 'open' && f !== 'transfer' && f !== 'read') {
      throw new Error(`operation ${id}: sums know open, transfer and read, not ${f}`);
    }
  }
  const open = operations.filter((operation) => operation.f === 'open' && mayHaveHappened(operation));
  const [first, ...others] = open;
  if (first === undefined || first.outcome !== 'ok' || others.length > 0) {
    const got = open.length === 0 ? 'none' : open.map(({ id, outcome }) => `operation ${id} (${outcome})`).join(', ');
    throw new Error(`expected one answered operation open with the balances of the beginning, got ${got}`);
  }
  const early = operations.find(({ f, invokedOrder }) => f !== 'open' && invokedOrder < first.completedOrder);
  if (early !== undefined) {
    throw new Error(`operation ${early.id}: expected open (operation ${first.id}) to be answered before anything else`);
  }
  return balancesOf(`operation ${first.id}`, first.input);
}

function transferOf(operation: Operation): { readonly operation: Operation; readonly transfer: Transfer } {
  const { from, to, amount } = (operation.input ?? {}) as Partial<Record<keyof Transfer, unknown>>; // tested below
  if (typeof from === 'string' && typeof to === 'string' && isWhole(amount)) {
    return { operation, transfer: { from, to, amount } };
  }
  throw new Error(
    `operation ${operation.id}: expected a transfer with from, to and a whole amount, got ${JSON.stringify(operation.input)}`,
  );
}

function balancesOf(where: string, value: unknown): Balances {
  const isBalances =
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isWhole);
  if (isBalances) return value as Balances; // tested above
  throw new Error(`${where}: expected balances by account, whole numbers, got ${JSON.stringify(value)}`);
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function totalOf(balances: Balances): number {
  return Object.values(balances).reduce((sum, balance) => sum + balance, 0);
}
