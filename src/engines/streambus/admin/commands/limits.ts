import { ask, CommandUsage, Exit, numberOption, pairsOption, table } from './command.ts';
import { withJson } from './json.ts';

type Rates = Readonly<Record<string, number | null>>;

interface Quotas {
  readonly default: Rates;
  readonly clients: Readonly<Record<string, Rates>>;
  readonly users: Readonly<Record<string, Rates>>;
}

const rateNames = ['produce_rate', 'fetch_rate', 'produce_bytes_rate', 'fetch_bytes_rate'] as const;

/** `produce_rate=10000,fetch_rate=none`. */
function ratesOf(pairs: Readonly<Record<string, string>>): Record<string, number | null> {
  return Object.fromEntries(
    Object.entries(pairs).map(([name, text]) => {
      if (text === 'none' || text === '') return [name, null];
      const value = Number(text);
      if (!(value > 0)) throw new CommandUsage(`${name}: expected a rate above 0 or none, got ${text}`);
      return [name, value];
    }),
  );
}

export const quotas = withJson({
  name: 'quotas',
  summary: 'show, set and clear limits a second of clients',
  words: '[show|set|clear]',
  options: [
    { name: 'default', value: '<key=rate,…>', help: 'of every client without its own' },
    { name: 'client', value: '<id>', help: 'with --rates: of this client id' },
    { name: 'user', value: '<name>', help: 'with --rates: of this user' },
    { name: 'rates', value: '<key=rate,…>', help: `${rateNames.join(', ')}; none removes one` },
  ],
  async run(client, console, input) {
    const [action = 'show', extra] = input.words;
    if (extra !== undefined) {
      const hint = extra.includes('=') ? `; rates are given with --default ${extra}, or --client and --rates` : '';
      throw new CommandUsage(`quotas ${action}: expected no more words, got ${extra}${hint}`);
    }
    const path = '/admin/quotas';
    let now: Quotas;
    if (action === 'show') now = await ask<Quotas>(client, 'GET', path);
    else if (action === 'clear') now = await ask<Quotas>(client, 'DELETE', path);
    else if (action === 'set') {
      const rates = ratesOf(pairsOption(input, 'rates'));
      const { client: id, user } = input.options;
      const body = {
        ...(input.options.default === undefined ? {} : { default: ratesOf(pairsOption(input, 'default')) }),
        ...(typeof id === 'string' ? { clients: { [id]: rates } } : {}),
        ...(typeof user === 'string' ? { users: { [user]: rates } } : {}),
      };
      if (Object.keys(body).length === 0) throw new CommandUsage('quotas set: expected --default, --client or --user');
      now = await ask<Quotas>(client, 'POST', path, { body });
    } else throw new CommandUsage(`quotas: expected show, set or clear, got ${action}`);
    const row = (name: string, rates: Rates) => [name, ...rateNames.map((rate) => rates[rate] ?? 'none')];
    const rows = [
      row('default', now.default),
      ...Object.entries(now.clients).map(([id, rates]) => row(`client ${id}`, rates)),
      ...Object.entries(now.users).map(([name, rates]) => row(`user ${name}`, rates)),
    ];
    console.data(now);
    for (const line of table(['OF', ...rateNames], rows)) console.line(line);
    return Exit.good;
  },
});

interface ReadOnlyState {
  /** That answered. */
  readonly broker: number;
  readonly enabled: boolean;
  readonly reasons: readonly { readonly by: 'broker' | 'disk' | 'cluster'; readonly reason: string }[];
}

/** What lifts a reason to refuse writes. */
function remedy(by: ReadOnlyState['reasons'][number]['by'], broker: number): string {
  if (by === 'broker') return `lifted by: hotfire streambus readonly off --broker ${broker}`;
  if (by === 'cluster') return 'lifted by: hotfire streambus readonly off --cluster';
  return 'ends by itself once enough of the disk is free';
}

export const readonly = withJson({
  name: 'readonly',
  summary: 'refuse writes at a broker or in the whole cluster, and take them again',
  words: '[show|on|off]',
  options: [
    { name: 'broker', value: '<n>', help: 'at this broker; on and off need it or --cluster' },
    { name: 'cluster', help: 'in the whole cluster' },
    { name: 'reason', value: '<text>', help: 'what clients are told' },
  ],
  async run(client, console, input) {
    const [action = 'show', extra] = input.words;
    const broker = numberOption(input, 'broker');
    const to = broker === undefined ? {} : { to: broker };
    if (!['show', 'on', 'off'].includes(action)) {
      throw new CommandUsage(`readonly: expected show, on or off, got ${action}`);
    }
    if (extra !== undefined) {
      throw new CommandUsage(
        `readonly ${action}: expected no more words, got ${extra}; a reason is given with --reason`,
      );
    }
    const { reason, cluster: wide } = input.options;
    if (action !== 'show' && (broker === undefined) !== (wide === true)) {
      throw new CommandUsage(`readonly ${action}: expected either --broker <n> or --cluster`);
    }
    const body = {
      enabled: action === 'on',
      scope: wide === true ? 'cluster' : 'broker',
      ...(typeof reason === 'string' ? { reason } : {}),
    };
    const state =
      action === 'show'
        ? await ask<ReadOnlyState>(client, 'GET', '/admin/readonly', to)
        : await ask<ReadOnlyState>(client, 'POST', '/admin/readonly', { ...to, body });
    console.data(state);
    const at = `broker-${state.broker}`;
    const [first] = state.reasons;
    if (first === undefined) console.line(`${at}: writes are taken`);
    if (action === 'off' && first !== undefined) console.line(`! another reason keeps writes refused at ${at}:`);
    for (const { by, reason: why } of state.reasons) {
      console.line(`${at}: writes are refused: ${why} (${remedy(by, state.broker)})`);
    }
    const isDone = action === 'show' || state.enabled === (action === 'on');
    return isDone ? Exit.good : Exit.bad;
  },
});
