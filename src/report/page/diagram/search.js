// Search in the diagram: over labels of messages, names of machines, operations, spans, faults, marks and logs.
(() => {
  const { hotfire } = globalThis;
  const { diagram } = hotfire;

  let operationTexts;

  /** The texts of the operations, made at the first search: 20,000 rows of JSON are not joined for a reader who never asks. */
  const textsOfOperations = () => {
    operationTexts ??= hotfire.observed.operations.rows.map(
      ({ id, process, f, node, outcome, input, output, code, message }) =>
        `#${id} p${process} ${f} ${node} ${outcome} ${input} ${output} ${code} ${message}`.toLowerCase(),
    );
    return operationTexts;
  };

  const messageHits = (words, filter) => {
    const { messages } = hotfire.observed;
    const labels = messages.labels.map((label) => label.toLowerCase());
    const nodes = messages.nodes.map((node) => node.toLowerCase());
    const hits = [];
    for (let index = 0; index < messages.count; index += 1) {
      if (filter.messages[index] === 0) continue;
      const label = labels[messages.label[index]];
      const from = nodes[messages.from[index]];
      const to = nodes[messages.to[index]];
      if (words.every((word) => label.includes(word) || from.includes(word) || to.includes(word)))
        hits.push(diagram.messageItem(index));
    }
    return hits;
  };

  const matching = (texts, words, make) =>
    texts.flatMap((text, index) => (words.every((word) => text.includes(word)) ? [make(index)] : []));

  /** Everything that holds all words of the text, by time; messages that are filtered away are left out. */
  diagram.search = (text, scene, filter) => {
    const words = text
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word !== '');
    if (words.length === 0) return [];
    const { logs, spans } = hotfire.observed;
    const lower = (texts) => texts.map((one) => one.toLowerCase());
    return [
      ...messageHits(words, filter),
      ...matching(textsOfOperations(), words, diagram.operationItem),
      ...matching(
        lower(logs.map(({ node, level, message, fields }) => `${node} ${level} ${message} ${JSON.stringify(fields)}`)),
        words,
        diagram.logItem,
      ),
      ...matching(lower(spans.map(({ node, name, message }) => `${node} ${name} ${message}`)), words, diagram.spanItem),
      ...matching(lower(scene.marks.map(({ text: said, node }) => `${node} ${said}`)), words, (index) =>
        diagram.markItem(scene, index),
      ),
      ...matching(
        lower(scene.faults.map(({ fault }) => `${fault.name} ${fault.nodes.join(' ')} ${fault.text}`)),
        words,
        (index) => diagram.faultItem(scene.faults[index].fault),
      ),
    ].sort((a, b) => a.atMs - b.atMs);
  };

  /** The search field with its hits: `find(text)` gives them by time, `reveal(item)` shows one, `leave()` is Escape. */
  diagram.makeSearch = ({ find, reveal, leave }) => {
    const { el } = hotfire;
    const said = el('output', { class: 'counted', id: 'diagram-hits' });
    const field = el('input', {
      type: 'search',
      id: 'diagram-search',
      placeholder: 'Search messages, nodes, operations, logs',
      'aria-label': 'Search the diagram',
    });
    let hits = [];
    let hit = -1;
    const say = () => {
      const place = hit < 0 ? '' : `${hotfire.count(hit + 1)} of `;
      const count = hits.length === 0 ? 'no hits' : `${place}${hotfire.count(hits.length)} hits`;
      said.textContent = field.value.trim() === '' ? '' : count;
    };
    const run = () => {
      hits = find(field.value);
      hit = -1;
      say();
    };
    const next = (direction) => {
      if (hits.length === 0) return;
      hit = hit < 0 && direction > 0 ? 0 : (hit + direction + hits.length) % hits.length;
      say();
      reveal(hits[hit]);
    };
    field.addEventListener('input', run);
    field.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') next(event.shiftKey ? -1 : 1);
      if (event.key === 'Escape') leave();
    });
    return { field, said, run, next };
  };
})();
