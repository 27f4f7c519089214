import { type AdminCommand, ask, CommandUsage, Exit, numberOption, table } from './command.ts';

interface Users {
  readonly users: readonly {
    readonly name: string;
    readonly credentials: readonly { readonly mechanism: string; readonly iterations: number }[];
  }[];
}

const path = '/admin/users';

export const users: AdminCommand = {
  name: 'users',
  summary: 'list, set and delete the users that clients authenticate as by SASL',
  words: '[list|set|delete] [name]',
  options: [
    { name: 'mechanism', value: '<name>', help: 'SCRAM-SHA-256 or SCRAM-SHA-512; default both' },
    { name: 'iterations', value: '<n>', help: 'set: 4096 to 16384; default 4096' },
    { name: 'password-file', value: '<file>', help: 'set: the password is its first line; default standard input' },
  ],
  async run(client, console, input) {
    const [action = 'list', name] = input.words;
    if (!['list', 'set', 'delete'].includes(action)) {
      throw new CommandUsage(`users: expected list, set or delete, got ${action}`);
    }
    if (action === 'list') {
      const { users: all } = await ask<Users>(client, 'GET', path);
      const rows = all.flatMap((user) =>
        user.credentials.map(({ mechanism, iterations }) => [user.name, mechanism, iterations]),
      );
      for (const line of table(['USER', 'MECHANISM', 'ITERATIONS'], rows)) console.line(line);
      return Exit.good;
    }
    if (name === undefined || name === '') throw new CommandUsage(`users ${action}: expected the name of a user`);
    const { mechanism, 'password-file': file } = input.options;
    const only = typeof mechanism === 'string' ? { mechanism } : {};
    if (action === 'delete') {
      await ask<Users>(client, 'DELETE', path, { query: { name, ...only } });
      console.line(`✓ user ${name} deleted${typeof mechanism === 'string' ? ` for ${mechanism}` : ''}`);
      return Exit.good;
    }
    const iterations = numberOption(input, 'iterations');
    const [password = ''] = (await console.read(typeof file === 'string' ? file : undefined)).split(/\r?\n/, 1);
    if (password === '') throw new CommandUsage('users set: expected a password, the first line is empty');
    const body = { name, password, ...only, ...(iterations === undefined ? {} : { iterations }) };
    const now = await ask<Users>(client, 'POST', path, { body });
    const own = now.users.find((user) => user.name === name)?.credentials ?? [];
    console.line(`✓ user ${name} set: ${own.map((each) => each.mechanism).join(', ')}`);
    return Exit.good;
  },
};
