/**
 * The engine without what a crash needs: no `step()`, no redo record. Made of the engine's own files while they are loaded, so that the two builds
 * differ in nothing else; a file that has not what is taken out of it is an error.
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';

const mark = '?bare';
const engine = '/src/engines/indexbus/';
const steps = /^\s*(?:this\.#?)?region\.step\([^()]*\);$/gm;

let taken = 0;
function replaced(text: string, what: string, by: string): string {
  if (text.split(what).length !== 2) throw new Error(`expected ${JSON.stringify(what)} once in a file of the engine`);
  return text.replace(what, () => by);
}

function bare(path: string): string {
  let text = readFileSync(path, 'utf8');
  text = text.replace(steps, () => {
    taken += 1;
    return '';
  });
  if (!path.endsWith('/commit.ts')) return text;
  text = replaced(text, '  seal(): void {\n', '  seal(): void {\n    return;\n');
  const apply =
    '    this.#store(this.#count);\n    Atomics.store(this.#words, this.#redo + Redo.done, this.#sequence);\n';
  const direct = `    for (let index = 0; index < this.#count; index += 1) {
      const number = this.#dirty[index] ?? 0;
      const word = this.#wordOf[number] ?? 0;
      if (this.#isHead(word)) this.#storeHead(word, this.#values[number] ?? 0);
      else Atomics.store(this.#words, word, this.#values[number] ?? 0);
    }
`;
  // The step between them has left an empty line.
  return replaced(
    text.replace(/\n\n(?= {4}Atomics\.store\(this\.#words, this\.#redo \+ Redo\.done, this\.#sequence)/, '\n'),
    apply,
    direct,
  );
}

/** The engine as it is, or without steps and redo record. */
export async function loadEngine(isBare: boolean): Promise<typeof import('../../src/engines/indexbus/index.ts')> {
  if (!isBare) return import('../../src/engines/indexbus/index.ts');
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      const isOwn = context.parentURL?.endsWith(mark) === true && found.url.includes(engine);
      return isOwn ? { ...found, url: `${found.url}${mark}` } : found;
    },
    load(url, context, next) {
      if (!url.endsWith(mark)) return next(url, context);
      return {
        format: 'module-typescript',
        source: bare(fileURLToPath(url.slice(0, -mark.length))),
        shortCircuit: true,
      };
    },
  });
  const file = `../../src/engines/indexbus/index.ts${mark}`;
  const loaded: typeof import('../../src/engines/indexbus/index.ts') = await import(file);
  hooks.deregister();
  if (taken < 40) throw new Error(`only ${taken} steps were taken out of the engine`);
  return loaded;
}
